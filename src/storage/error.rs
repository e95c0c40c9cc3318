//! What went wrong at the storage service, and what follows.

use std::{error::Error, fmt, time::Duration};

use azure_core::{
    error::ErrorKind,
    http::headers::{HeaderName, Headers},
};
use azure_storage_blob::StorageError;
use k8s_openapi::jiff::{SignedDuration, Timestamp, fmt::rfc2822};

use super::retry_after::retry_after;
use crate::{redact::redact, retry_class::RetryClass};

/// A call to the storage service that failed. Its texts hold no link, key or signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The key, or what it signed, is not accepted.
    #[error("storage does not accept the account key: {0}")]
    Unauthorized(Refusal),
    /// The key is right, and the account does not admit the request: a firewall, or shared keys are switched off.
    #[error("storage does not allow this: {0}")]
    Forbidden(Refusal),
    /// There is no such container or blob.
    #[error("not found in storage: {0}")]
    NotFound(Refusal),
    /// The blob is not any more what it was when we looked.
    #[error("changed in storage meanwhile: {0}")]
    Precondition(Refusal),
    /// Another content stands at the name.
    #[error(
        "{blob} holds {stands}, which is not this asset; remove that blob, or create another BlobRollout"
    )]
    Occupied {
        /// The blob's name.
        blob: String,
        /// Its size and digest, as far as they are known.
        stands: String,
    },
    /// The service is busy.
    #[error("storage asks us to slow down: {refusal}")]
    Throttled {
        /// What it answered.
        refusal: Refusal,
        /// How long it asks us to wait, at most five minutes.
        after: Option<Duration>,
    },
    /// There was no answer.
    #[error("storage cannot be reached: {0}")]
    Unreachable(String),
    /// Any other answer that is not a success.
    #[error("storage refuses this: {0}")]
    Refused(Refusal),
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The service's code (Azure Storage docs, "Blob Storage error codes"), empty where it gave none.
    pub code: String,
    /// The service's words, in one line and without secrets.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// What of an answer's headers says more about a refusal.
#[derive(Clone, Copy, Default)]
pub(super) struct Hints<'a> {
    pub retry_after: Option<&'a str>,
    pub date: Option<&'a str>,
}

impl StoreError {
    /// What has to happen before the call can succeed.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Unauthorized(_) | Self::Forbidden(_) | Self::Occupied { .. } => RetryClass::Terminal,
            Self::Throttled { after: Some(after), .. } => RetryClass::RetryAfter(*after),
            Self::Throttled { after: None, .. }
            | Self::NotFound(_)
            | Self::Precondition(_)
            | Self::Unreachable(_) => RetryClass::Transient,
            // 409: a container that is being deleted, an account that is being made. A damaged block comes whole the next time.
            Self::Refused(refusal) => match refusal.status {
                500.. | 408 | 409 => RetryClass::Transient,
                400 if refusal.code == "Md5Mismatch" => RetryClass::Transient,
                _ => RetryClass::Terminal,
            },
        }
    }

    /// A name that cannot be one, found before the service is asked; the code is the service's own.
    pub(super) fn invalid_name(message: &str) -> Self {
        Self::Refused(Refusal { status: 400, code: "InvalidResourceName".into(), message: message.into() })
    }

    pub(super) fn refused(mut refusal: Refusal, hints: Hints<'_>, now: Timestamp) -> Self {
        match (refusal.status, refusal.code.as_str()) {
            // Where there are no rights to be given, 403 is for the key, except where the account says otherwise. Azurite has
            // the code of the latter with the words of the former.
            (401, _) | (400 | 403, "AuthenticationFailed" | "InvalidAuthenticationInfo") => {}
            (403, _) if refusal.message.contains("failed to authenticate") => {}
            (403, _) => return Self::Forbidden(refusal),
            (404, _) => return Self::NotFound(refusal),
            (304 | 412, _) => return Self::Precondition(refusal),
            (429 | 503, _) => {
                let after = hints.retry_after.and_then(|text| retry_after(text, now));
                return Self::Throttled { refusal, after };
            }
            _ => return Self::Refused(refusal),
        }
        if let Some(skew) = hints.date.and_then(|date| clock_skew(date, now)) {
            refusal.message.push_str(&skew);
        }
        Self::Unauthorized(refusal)
    }

    /// What the SDK's error says, told at `now`.
    pub(super) fn of(error: azure_core::Error, now: Timestamp) -> Self {
        let (status, headers) = match error.kind() {
            ErrorKind::HttpResponse { status, raw_response, .. } => (
                u16::from(*status),
                raw_response.as_ref().map(|raw| raw.headers().clone()).unwrap_or_default(),
            ),
            _ => return Self::Unreachable(why(&error)),
        };
        let header = |name| Headers::get_optional_str(&headers, &HeaderName::from_static(name));
        let code = header("x-ms-error-code").unwrap_or_default().to_owned();
        let message = StorageError::try_from(error).ok().and_then(|error| error.message).unwrap_or_default();
        let hints = Hints { retry_after: header("retry-after"), date: header("date") };
        Self::refused(Refusal { status, code, message: first_line(&message) }, hints, now)
    }
}

/// The service accepts requests that are up to 15 minutes old; a clock that is off by more than ten is worth a word.
fn clock_skew(date: &str, now: Timestamp) -> Option<String> {
    let skew = now.duration_since(rfc2822::parse(date).ok()?.timestamp());
    (skew.abs() > SignedDuration::from_mins(10)).then(|| {
        let side = if skew.is_positive() { "ahead of" } else { "behind" };
        format!(" The clock here is {} minutes {side} the service's.", skew.abs().as_mins())
    })
}

impl From<reqwest::Error> for StoreError {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(why(&error.without_url()))
    }
}

/// The lines after the first are the request's id and time, which would make every error a new text.
fn first_line(message: &str) -> String {
    redact(message.lines().next().unwrap_or_default(), 300)
}

/// The causes of a failed request, outermost first. The texts of reqwest's own errors are left out: they hold the URL.
fn why(error: &(dyn Error + 'static)) -> String {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            causes.extend(error.is_timeout().then(|| "no answer in time".to_owned()));
        } else if !error.is::<azure_core::Error>() || error.source().is_none() {
            causes.push(error.to_string());
        }
        next = error.source();
    }
    causes.dedup();
    redact(&causes.join(": "), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, message: &str, hints: Hints<'_>) -> StoreError {
        let refusal = Refusal { status, code: code.into(), message: message.into() };
        StoreError::refused(refusal, hints, "2026-11-24T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn what_follows_from_an_answer() {
        use RetryClass::{RetryAfter, Terminal, Transient};
        for (status, code, message, after, want, text) in [
            (
                403,
                "AuthenticationFailed",
                "",
                "",
                Terminal,
                "does not accept the account key: 403 AuthenticationFailed",
            ),
            (
                403,
                "AuthorizationFailure",
                "Server failed to authenticate the request.",
                "",
                Terminal,
                "account key",
            ),
            (403, "AuthorizationFailure", "This request is not authorized.", "", Terminal, "does not allow"),
            (403, "KeyBasedAuthenticationNotPermitted", "", "", Terminal, "does not allow"),
            (400, "InvalidAuthenticationInfo", "", "", Terminal, "does not accept the account key: 400"),
            (401, "NoAuthenticationInformation", "", "", Terminal, "account key"),
            (404, "BlobNotFound", "", "", Transient, "not found"),
            (412, "ConditionNotMet", "", "", Transient, "meanwhile"),
            (503, "ServerBusy", "", "", Transient, "slow down"),
            (503, "ServerBusy", "", "20", RetryAfter(Duration::from_secs(20)), "slow down"),
            (429, "", "", "86400", RetryAfter(Duration::from_mins(5)), "slow down"),
            (500, "InternalError", "", "20", Transient, "500 InternalError"),
            (409, "ContainerBeingDeleted", "", "", Transient, "409"),
            (400, "Md5Mismatch", "", "", Transient, "Md5Mismatch"),
            (
                400,
                "InvalidHeaderValue",
                "A header is wrong.",
                "",
                Terminal,
                "400 InvalidHeaderValue: A header is wrong.",
            ),
            (302, "", "", "", Terminal, "refuses this: 302"),
        ] {
            let error = refused(status, code, message, Hints { retry_after: Some(after), date: None });
            assert_eq!(error.retry_class(), want, "{status} {code}");
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_wrong_clock_is_named() {
        for (date, want) in [
            ("Tue, 24 Nov 2026 11:30:00 GMT", Some("30 minutes ahead of")),
            ("Tue, 24 Nov 2026 12:20:00 GMT", Some("20 minutes behind")),
            ("Tue, 24 Nov 2026 12:05:00 GMT", None),
            ("never", None),
        ] {
            let error =
                refused(403, "AuthenticationFailed", "No.", Hints { date: Some(date), retry_after: None });
            assert_eq!(error.to_string().contains("The clock here"), want.is_some(), "{error}");
            assert!(error.to_string().contains(want.unwrap_or_default()), "{error}");
        }
    }

    #[tokio::test]
    async fn a_link_that_leads_nowhere_is_not_shown() {
        for link in ["http://127.0.0.1:1/acct/c/b?sp=r&sig=SECRET", "no url?sig=SECRET"] {
            let error = StoreError::from(reqwest::Client::new().get(link).send().await.unwrap_err());
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("SECRET") && !shown.contains("acct"), "{shown}");
            assert!(shown.contains("refused") || shown.contains("relative URL"), "{shown}");
            assert_eq!(error.retry_class(), RetryClass::Transient);
        }
    }
}
