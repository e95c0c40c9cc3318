//! What can go wrong at a hub, read from its answers, and what follows from it.

use std::time::Duration;

use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use serde_json::Value;

use crate::{redact::redact, retry_class::RetryClass, time};

/// The bounds of a wait that a hub asks for: what it writes may be zero, in the past, or a day.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// After being throttled without being told for how long.
const USUAL_WAIT: Duration = Duration::from_secs(10);
/// A daily quota is renewed at midnight UTC, but somebody may buy units before.
const QUOTA_WAIT: Duration = Duration::from_mins(5);

/// Why a call to a hub failed. Texts are the hub's own, redacted and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// 401: wrong or rolled key, unknown policy, or a clock that is off.
    #[error("the IoT Hub refused our credential: {0}")]
    Unauthorized(String),
    /// 403: the policy lacks the right, or the hub's edition lacks the function.
    #[error("the IoT Hub forbids this: {0}")]
    Forbidden(String),
    /// 403002: the day's messages are used up; they are counted anew from midnight UTC.
    #[error("the IoT Hub's daily message quota is exhausted: {0}")]
    QuotaExceeded(String),
    /// 404: there is no such device.
    #[error("the IoT Hub does not know this device")]
    NotFound,
    /// 412: the twin was changed since it was read.
    #[error("the twin was changed by somebody else")]
    PreconditionFailed,
    /// 429: too many calls.
    #[error("the IoT Hub throttles us")]
    Throttled {
        /// For how long to be quiet, where the hub said so: 1 s to 5 min.
        after: Option<Duration>,
    },
    /// 400 and other refusals of what we asked for, such as a query that does not parse.
    #[error("the IoT Hub refused the request: {message}")]
    BadRequest {
        /// The hub's reason.
        message: String,
    },
    /// 413: a twin's section or a message over its limit.
    #[error("this is too large for the IoT Hub: {0}")]
    TooLarge(String),
    /// 408 and 5xx: a disturbance on the hub's side.
    #[error("the IoT Hub answered with status {status}")]
    Server {
        /// The HTTP status.
        status: u16,
    },
    /// No answer, or one that broke off.
    #[error("the IoT Hub cannot be reached: {0}")]
    Unreachable(String),
    /// An answer that is not a hub's: usually that of a proxy in between.
    #[error("this is not the answer of an IoT Hub: {0}")]
    Malformed(String),
    /// The caller wants the call no longer; it was not sent, or not sent again.
    #[error("the call was cancelled")]
    Cancelled,
}

impl HubError {
    /// What has to happen before the call can succeed.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Unauthorized(_) | Self::Forbidden(_) | Self::BadRequest { .. } | Self::TooLarge(_) => {
                RetryClass::Terminal
            }
            Self::QuotaExceeded(_) => RetryClass::RetryAfter(QUOTA_WAIT),
            Self::Throttled { after } => {
                RetryClass::RetryAfter(after.unwrap_or(USUAL_WAIT).clamp(SHORTEST_WAIT, LONGEST_WAIT))
            }
            Self::NotFound
            | Self::PreconditionFailed
            | Self::Server { .. }
            | Self::Unreachable(_)
            | Self::Malformed(_)
            | Self::Cancelled => RetryClass::Transient,
        }
    }
}

/// An answer that is not a success, as far as it tells why.
pub(super) struct Refusal<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The header `iothub-errorcode`.
    pub code: Option<&'a str>,
    /// The header `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The body, of whatever type.
    pub body: &'a [u8],
}

impl Refusal<'_> {
    /// The error, by status and code (IoT Hub docs, "Understand error codes").
    pub fn error(&self, now: Timestamp) -> HubError {
        let said = Said::read(self.body);
        let code = self.code.or(said.code.as_deref()).unwrap_or_default();
        match self.status {
            400 if matches!(code, "EtagDoesNotMatch" | "400023") => HubError::PreconditionFailed,
            401 => HubError::Unauthorized(said.text),
            403 if matches!(code, "IotHubQuotaExceeded" | "403002") => HubError::QuotaExceeded(said.text),
            403 => HubError::Forbidden(said.text),
            // Taking a proxy's page for a missing device would drop the device from the rollout.
            404 if code.is_empty() && !said.structured => {
                HubError::Malformed("status 404 without a reason".into())
            }
            404 => HubError::NotFound,
            412 => HubError::PreconditionFailed,
            413 => HubError::TooLarge(said.text),
            429 => HubError::Throttled {
                after: self
                    .retry_after
                    .and_then(|value| retry_after(value, now))
                    .or_else(|| wait_in_text(&said.text)),
            },
            408 | 500.. => HubError::Server { status: self.status },
            402..=499 | 400 => HubError::BadRequest { message: said.text },
            status => HubError::Malformed(format!("status {status}")),
        }
    }
}

/// What an error's body says. Its `Message` is `ErrorCode:<code>;<text>`, or JSON of its own with `errorCode` and `message`.
struct Said {
    code: Option<String>,
    text: String,
    structured: bool,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            let text = String::from_utf8_lossy(body);
            let text = if text.trim().is_empty() { "no reason given" } else { text.trim() };
            return Self { code: None, text: redact(text, 512), structured: false };
        };
        let field = |name| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let message = field("Message");
        let (code, mut text) = if let Ok(Value::Object(inner)) = serde_json::from_str(message) {
            let text = inner.get("message").and_then(Value::as_str).unwrap_or(message);
            (inner.get("errorCode").map(ToString::to_string), text.to_owned())
        } else if let Some((code, text)) =
            message.strip_prefix("ErrorCode:").and_then(|rest| rest.split_once(';'))
        {
            (Some(code.to_owned()), format!("{code}: {text}"))
        } else {
            (None, message.to_owned())
        };
        // The tracking id is what Azure's support asks for. It is another one each time, so it is no part of the error: a status
        // would never settle.
        tracing::debug!(tracking = redact(field("ExceptionMessage"), 512), "the hub answers with an error");
        if text.is_empty() {
            text.push_str("no reason given");
        }
        Self { code, text: redact(&text, 512), structured: true }
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), within our bounds; `None` where it is neither.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let asked = if let Ok(seconds) = value.parse::<i64>() {
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    } else {
        time::until(rfc2822::parse(value).ok()?.timestamp(), now)
    };
    Some(asked.clamp(SHORTEST_WAIT, LONGEST_WAIT))
}

/// Hubs write "Wait 10 seconds and try again" rather than sending a header.
fn wait_in_text(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once("Wait ")?;
    let seconds: u64 = rest.split_once(" second")?.0.parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(SHORTEST_WAIT, LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: Option<&str>, body: &str) -> HubError {
        Refusal { status, code, retry_after: None, body: body.as_bytes() }.error(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn errors_follow_status_and_code() {
        let not_found = r#"{"Message":"ErrorCode:DeviceNotFound;x","ExceptionMessage":"Tracking ID:1"}"#;
        let quota = r#"{"Message":"ErrorCode:IotHubQuotaExceeded;Total"}"#;
        let inner_quota = r#"{"Message":"{\"errorCode\":403002,\"message\":\"Total\"}"}"#;
        let bad =
            r#"{"Message":"ErrorCode:ArgumentInvalid;near sig=abc&","ExceptionMessage":"Tracking ID:1"}"#;
        let wait = r#"{"Message":"ErrorCode:ThrottlingException;throttled. Wait 7 seconds and try again."}"#;
        for (status, code, body, want) in [
            (401, None, "", HubError::Unauthorized("no reason given".into())),
            (403, None, "no", HubError::Forbidden("no".into())),
            (403, Some("JobQuotaExceeded"), "no", HubError::Forbidden("no".into())),
            (403, None, quota, HubError::QuotaExceeded("IotHubQuotaExceeded: Total".into())),
            (403, None, inner_quota, HubError::QuotaExceeded("Total".into())),
            (404, None, not_found, HubError::NotFound),
            (404, Some("DeviceNotFound"), "", HubError::NotFound),
            (404, None, "<html>", HubError::Malformed("status 404 without a reason".into())),
            (412, None, "", HubError::PreconditionFailed),
            (400, Some("EtagDoesNotMatch"), "", HubError::PreconditionFailed),
            (413, None, "{}", HubError::TooLarge("no reason given".into())),
            (429, None, "", HubError::Throttled { after: None }),
            (429, None, wait, HubError::Throttled { after: Some(Duration::from_secs(7)) }),
            (408, None, "", HubError::Server { status: 408 }),
            (503, None, "<html>", HubError::Server { status: 503 }),
            (302, None, "", HubError::Malformed("status 302".into())),
            (
                400,
                None,
                bad,
                HubError::BadRequest { message: "ArgumentInvalid: near sig=[redacted]&".into() },
            ),
        ] {
            assert_eq!(error(status, code, body), want, "{status} {body}");
        }
        let HubError::Forbidden(text) = error(403, None, &"x".repeat(5000)) else { panic!("not forbidden") };
        assert!(text.len() <= 512);
    }

    #[test]
    fn waits_are_bounded() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        for (value, want) in [
            ("0", Some(1)),
            ("-1", Some(1)),
            ("7", Some(7)),
            ("86400", Some(300)),
            ("99999999999999999999", None),
            ("Tue, 24 Nov 2026 10:00:30 GMT", Some(30)),
            ("Tue, 24 Nov 2026 12:00:30 GMT", Some(300)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(1)),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), want.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn what_follows() {
        let wait = |seconds| RetryClass::RetryAfter(Duration::from_secs(seconds));
        for (error, want) in [
            (HubError::Unauthorized(String::new()), RetryClass::Terminal),
            (HubError::Forbidden(String::new()), RetryClass::Terminal),
            (HubError::BadRequest { message: String::new() }, RetryClass::Terminal),
            (HubError::QuotaExceeded(String::new()), wait(300)),
            (HubError::Throttled { after: None }, wait(10)),
            (HubError::Throttled { after: Some(Duration::from_mins(15)) }, wait(300)),
            (HubError::Server { status: 500 }, RetryClass::Transient),
            (HubError::PreconditionFailed, RetryClass::Transient),
            (HubError::Cancelled, RetryClass::Transient),
        ] {
            assert_eq!(error.retry_class(), want, "{error}");
        }
    }
}
