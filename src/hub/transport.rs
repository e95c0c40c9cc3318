//! The HTTP client that all hubs share, and what requests and answers have in common.

use std::{error::Error, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, ClientBuilder, Response, redirect::Policy};

use super::error::HubError;
use crate::redact::redact;

/// More than a page of a hundred twins of full size with their metadata; an answer beyond it is not a hub's.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Connections to one hub that are kept while nothing goes over them: the calls under way on all but the largest hubs.
const IDLE: usize = 64;

/// What stays as it is: the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A client for all hubs. A hub never redirects, and following one would carry our token to a stranger.
pub fn http_client() -> Result<Client, reqwest::Error> {
    patient_client()
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_mins(1))
        .pool_max_idle_per_host(IDLE)
        .build()
}

/// The same without an end of its patience, for tests that stop the clock: time would run to the end of every timeout at once.
pub(super) fn patient_client() -> ClientBuilder {
    Client::builder().user_agent(concat!("blobrollout/", env!("CARGO_PKG_VERSION"))).redirect(Policy::none())
}

/// `text` fully percent-encoded, as a device's id stands in a path and a host in a token.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The whole body; one that breaks off is a broken connection.
pub(super) async fn read_body(mut response: Response) -> Result<Vec<u8>, HubError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(HubError::Malformed(format!("it is larger than {LARGEST_ANSWER} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The transport's error with its causes, which alone tell a refused connection from a refused certificate.
pub(super) fn unreachable(error: reqwest::Error) -> HubError {
    let misbuilt = error.is_builder();
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    let message = redact(&text, 512);
    if misbuilt { HubError::BadRequest { message } } else { HubError::Unreachable(message) }
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn ids_and_hosts_are_fully_encoded() {
        for (text, want) in [
            ("dev 1/x", "dev%201%2Fx"),
            ("$edgeAgent", "%24edgeAgent"),
            ("localhost:8443", "localhost%3A8443"),
            ("a-b_c.d~e", "a-b_c.d~e"),
        ] {
            assert_eq!(encode(text), want);
        }
    }
}
