//! `POST /devices/query`: `{"query": "…"}`, one page for each call.

use std::sync::Arc;

use http::HeaderName;
use serde_json::Value;

use super::answer::Answer;
use super::request::Request;
use crate::error::{ErrorCode, HubError};
use crate::hub::Hub;
use crate::query;

pub(super) const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation");
pub(super) const ITEM_TYPE: HeaderName = HeaderName::from_static("x-ms-item-type");

/// On a thread of its own: a million twins take a moment, and other connections must not wait for it.
pub(super) async fn run(hub: &Arc<Hub>, request: &Request) -> Result<Answer, HubError> {
    let (hub, request) = (hub.clone(), request.clone());
    let answered = tokio::task::spawn_blocking(move || page(&hub, &request)).await;
    answered.unwrap_or_else(|error| Err(HubError::new(ErrorCode::ServerError, error.to_string())))
}

fn page(hub: &Hub, request: &Request) -> Result<Answer, HubError> {
    let body = request.json()?;
    // Without a query the hub's text is just this (azure-iot-sdks#941).
    let text = body
        .get("query")
        .and_then(Value::as_str)
        .ok_or_else(|| HubError::new(ErrorCode::ArgumentNull, "BadRequest"))?;
    let token = request.header("x-ms-continuation");
    let page = query::run(text, token.as_deref(), max_rows(request)?, hub.data(), &hub.queries)?;
    let mut headers = vec![(ITEM_TYPE, page.item_type.to_owned())];
    // Absent on the last page: an empty one would make Node loop.
    headers.extend(page.continuation.map(|token| (CONTINUATION, token)));
    // "Azure IoT Hub billing information": what became of jobs is free.
    let free = page.item_type == "DeviceJob";
    Ok(Answer { headers, free, ..Answer::json(&page.rows) })
}

/// How many rows a client asks for; the hub may give fewer.
pub(super) fn max_rows(request: &Request) -> Result<usize, HubError> {
    match request.header("x-ms-max-item-count").map(|text| text.parse()) {
        None => Ok(usize::MAX),
        Some(Ok(rows)) if rows > 0 => Ok(rows),
        Some(_) => Err(HubError::invalid("x-ms-max-item-count must be a positive number")),
    }
}
