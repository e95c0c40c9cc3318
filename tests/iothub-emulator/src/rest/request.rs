//! A service request, read whole.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, EXPECT};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::time::timeout;

use crate::error::{ErrorCode, HubError};

/// Largest body: a twin of full size with every character escaped, and room.
const MAX_BODY: usize = 1024 * 1024;
/// How long a client may take for its body; hyper gives it as long for its headers.
const BODY_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) struct Request {
    pub headers: HeaderMap,
    query: String,
    body: Bytes,
}

impl Request {
    /// Reads the rest of a request. None if the client went away in the middle, or takes too long.
    pub async fn read(request: http::Request<Incoming>) -> Option<Result<Self, HubError>> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let patient = parts.headers.contains_key(EXPECT);
        let body = timeout(BODY_WITHIN, whole(body, patient)).await.ok()??;
        Some(body.map(|body| Self { headers: parts.headers, query, body }))
    }

    /// A header's value; what is no text in it cannot be what was asked for.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    pub fn authorization(&self) -> Option<&str> {
        self.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
    }

    /// A parameter of the query part, percent-decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    }

    /// Bytes of the body.
    pub fn body_len(&self) -> usize {
        self.body.len()
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Result<Value, HubError> {
        if self.body.is_empty() {
            return Err(HubError::new(ErrorCode::ArgumentNull, "BadRequest"));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| HubError::invalid(format!("The request body is not valid JSON: {error}")))
    }
}

/// A body; none if it does not end as it should.
///
/// A client that sends one too large hears of it when it is done: it would miss an answer to half of its body, as the
/// connection ends with that. One that is `patient` waits for the hub's word before it sends (`Expect: 100-continue`).
async fn whole(mut body: Incoming, patient: bool) -> Option<Result<Bytes, HubError>> {
    let too_large = || {
        let text = format!("The request body is larger than {MAX_BODY} bytes");
        Err(HubError::new(ErrorCode::MessageTooLarge, text))
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if patient && announced > MAX_BODY {
        return Some(too_large());
    }
    match Limited::new(&mut body, MAX_BODY).collect().await {
        Ok(read) => return Some(Ok(read.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => {}
        Err(_) => return None,
    }
    while let Some(frame) = body.frame().await {
        frame.ok()?;
    }
    Some(too_large())
}
