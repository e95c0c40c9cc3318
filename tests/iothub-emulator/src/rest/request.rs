//! A service request, read whole.

use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::error::{ErrorCode, HubError};

/// Largest body: a twin of full size with every character escaped, and room.
const MAX_BODY: usize = 1024 * 1024;

#[derive(Clone)]
pub(super) struct Request {
    pub headers: HeaderMap,
    query: String,
    body: Bytes,
}

impl Request {
    /// Reads the rest of a request. None if the client went away in the middle.
    pub async fn read(request: http::Request<Incoming>) -> Option<Result<Self, HubError>> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => Some(Ok(Self { headers: parts.headers, query, body: body.to_bytes() })),
            Err(error) if error.is::<LengthLimitError>() => {
                let text = format!("The request body is larger than {MAX_BODY} bytes");
                Some(Err(HubError::new(ErrorCode::MessageTooLarge, text)))
            }
            Err(_) => None,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn authorization(&self) -> Option<&str> {
        self.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
    }

    /// A parameter of the query part, percent-decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()?;
        percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
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
