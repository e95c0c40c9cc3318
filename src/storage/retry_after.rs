//! How long the service asks us to wait.

use std::time::Duration;

use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};

use crate::time::until;

/// We never wait longer than this on the word of a service.
const LONGEST: Duration = Duration::from_mins(5);

/// The wait that a `Retry-After` header asks for, in seconds or as a date (RFC 9110, 10.2.3), at most five minutes. `None` where it
/// asks for none: zero, the past, or a text that is neither.
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // What is too long for a number is too long a wait, too.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        until(rfc2822::parse(text).ok()?.timestamp(), now)
    };
    (wait > Duration::ZERO).then_some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_whatever_the_header_says() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, want) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("0", None),
            ("-3", None),
            ("86400", Some(300)),
            ("99999999999999999999999", Some(300)),
            ("Tue, 24 Nov 2026 12:00:30 GMT", Some(30)),
            ("Tue, 24 Nov 2026 11:59:00 GMT", None),
            ("Wed, 25 Nov 2026 12:00:00 GMT", Some(300)),
            ("soon", None),
            ("", None),
            ("1.5", None),
        ] {
            assert_eq!(retry_after(text, now), want.map(Duration::from_secs), "{text}");
        }
    }
}
