//! Answers of the service API.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER, SERVER, VARY};
use http::{Response, StatusCode};
use serde::Serialize;

use super::body::AnswerBody;
use crate::clock::Timestamp;
use crate::error::{ErrorCode, HubError};
use crate::random;

/// Room that most answers have enough of: a twin with a link and its ack.
const USUAL_BYTES: usize = 4096;

pub(super) const ERROR_CODE: HeaderName = HeaderName::from_static("iothub-errorcode");

/// What an operation answers when it succeeds.
#[derive(Default)]
pub(super) struct Answer {
    /// 200 or 204 if it is not said.
    pub status: Option<StatusCode>,
    pub body: Option<Bytes>,
    /// Without quotes.
    pub etag: Option<String>,
    pub headers: Vec<(HeaderName, String)>,
    /// Whether it costs no message where others of its route do.
    pub free: bool,
}

impl Answer {
    /// With a document for its body. No document of ours can fail to be one.
    pub fn json(body: &impl Serialize) -> Self {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        let written = serde_json::to_writer(&mut bytes, body);
        Self { body: written.is_ok().then(|| bytes.into()), ..Self::default() }
    }

    /// Bytes of the body.
    pub fn body_len(&self) -> usize {
        self.body.as_ref().map_or(0, Bytes::len)
    }

    /// 200 with a body, or 204, unless another status is named.
    pub fn into_response(self) -> Response<AnswerBody> {
        let usual = if self.body.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
        let mut response = respond(self.status.unwrap_or(usual), self.body);
        let etag = self.etag.map(|etag| (ETAG, format!("\"{etag}\"")));
        for (name, value) in self.headers.into_iter().chain(etag) {
            set(&mut response, name, &value);
        }
        response
    }
}

/// The answer to a request that failed; its `iothub-errorcode` is what C# checks the body against.
pub(super) fn failure(error: &HubError, now: Timestamp) -> Response<AnswerBody> {
    failure_with_status(error.code.status(), error, now)
}

/// The answer that a fault asked for: this status, and the error that it most often stands for.
pub(super) fn fault(status: u16, retry_after: Option<&str>, now: Timestamp) -> Response<AnswerBody> {
    let text = match status {
        // Iot-Telemetry-Simulator#39.
        429 => "The request has been throttled. Wait 10 seconds and try again. Operation type: CRUD",
        _ => "This fault was asked for",
    };
    let error = HubError::new(ErrorCode::of_status(status), text);
    let mut response = failure_with_status(status, &error, now);
    if let Some(retry_after) = retry_after {
        set(&mut response, RETRY_AFTER, retry_after);
    }
    response
}

fn failure_with_status(status: u16, error: &HubError, now: Timestamp) -> Response<AnswerBody> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond(status, Some(error.service_body(now).to_string().into()));
    set(&mut response, ERROR_CODE, error.code.name());
    response
}

fn respond(status: StatusCode, body: Option<Bytes>) -> Response<AnswerBody> {
    let has_body = body.is_some();
    let mut response = Response::new(AnswerBody::from(body.unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    }
    headers.insert(SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    set(&mut response, HeaderName::from_static("x-ms-request-id"), &random::request_id());
    response
}

/// Sets a header; a value that none can have is left out.
pub(super) fn set(response: &mut Response<AnswerBody>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
