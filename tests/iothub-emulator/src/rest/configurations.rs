//! Configurations: `/configurations`, `/configurations/{id}`, test queries, and content applied to an Edge device.

use super::answer::Answer;
use super::precondition::Precondition;
use super::request::Request;
use crate::configurations::{Shown, apply_content, test_queries};
use crate::error::HubError;
use crate::hub::Hub;

/// More than there are is no error: a hub cuts the number to what it has (`iothub_configuration_manager.py`).
pub(super) fn list(hub: &Hub, request: &Request) -> Result<Answer, HubError> {
    let top = match request.parameter("top").as_deref().map(str::parse) {
        None => usize::MAX,
        Some(Ok(top)) if top > 0 => top,
        Some(_) => return Err(HubError::invalid("top must be a positive number")),
    };
    Ok(Answer::json(&hub.configurations.list(top)))
}

pub(super) fn get(hub: &Hub, id: &str) -> Result<Answer, HubError> {
    hub.configurations.get(id).map(answer)
}

/// Creates without If-Match, updates with it. An unquoted etag is none, so that Python's `update_configuration` with one
/// gets 409, as on a hub (azure-iot-sdk-python#983).
pub(super) fn put(hub: &Hub, id: &str, request: &Request) -> Result<Answer, HubError> {
    let body = request.json()?;
    let precondition = Precondition::of(&request.headers);
    if precondition == Precondition::None {
        return hub.configurations.create(hub, id, &body).map(answer);
    }
    hub.configurations.update(hub, id, &body, |etag| precondition.check(etag, id)).map(answer)
}

pub(super) fn delete(hub: &Hub, id: &str, request: &Request) -> Result<Answer, HubError> {
    let precondition = Precondition::of(&request.headers);
    hub.configurations.remove(id, hub.clock.now(), |etag| precondition.check(etag, id))?;
    Ok(Answer::default())
}

pub(super) fn test(hub: &Hub, request: &Request) -> Result<Answer, HubError> {
    Ok(Answer::json(&test_queries(&request.json()?, &hub.queries)))
}

pub(super) fn apply(hub: &Hub, id: &str, request: &Request) -> Result<Answer, HubError> {
    apply_content(hub, id, &request.json()?)?;
    Ok(Answer::default())
}

fn answer(shown: Shown) -> Answer {
    Answer { etag: Some(shown.etag), ..Answer::json(&shown.document) }
}
