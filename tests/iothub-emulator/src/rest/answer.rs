//! Answers of the service API.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER, SERVER, VARY};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::error::{ErrorCode, HubError};
use crate::random;

/// What an operation answers when it succeeds.
#[derive(Default)]
pub(super) struct Answer {
    pub body: Option<Value>,
    /// Without quotes.
    pub etag: Option<String>,
    pub headers: Vec<(HeaderName, String)>,
}

impl Answer {
    pub fn json(body: Value) -> Self {
        Self { body: Some(body), ..Self::default() }
    }

    /// 200 with a body, or 204.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        let status = if self.body.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
        let mut response = respond(status, self.body.as_ref());
        let etag = self.etag.map(|etag| (ETAG, format!("\"{etag}\"")));
        for (name, value) in self.headers.into_iter().chain(etag) {
            set(&mut response, name, &value);
        }
        response
    }
}

/// The answer to a request that failed; its `iothub-errorcode` is what C# checks the body against.
pub(super) fn failure(error: &HubError, now: Timestamp) -> Response<Full<Bytes>> {
    failure_with_status(error.code.status(), error, now)
}

/// The answer that a fault asked for: this status, and the error that it most often stands for.
pub(super) fn fault(status: u16, retry_after: Option<&str>, now: Timestamp) -> Response<Full<Bytes>> {
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

fn failure_with_status(status: u16, error: &HubError, now: Timestamp) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond(status, Some(&error.service_body(now)));
    set(&mut response, HeaderName::from_static("iothub-errorcode"), error.code.name());
    response
}

fn respond(status: StatusCode, body: Option<&Value>) -> Response<Full<Bytes>> {
    let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let mut response = Response::new(Full::new(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    }
    headers.insert(SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    let request_id = format!("{:032x}", u128::from_be_bytes(random::bytes()));
    set(&mut response, HeaderName::from_static("x-ms-request-id"), &request_id);
    response
}

/// Sets a header; a value that none can have is left out.
fn set(response: &mut Response<Full<Bytes>>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
