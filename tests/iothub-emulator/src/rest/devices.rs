//! Identities: `/devices`, `/devices/{id}`, and the same for modules below it.

use serde_json::Value;
use std::ops::ControlFlow;

use super::answer::Answer;
use super::precondition::Precondition;
use super::request::Request;
use crate::error::HubError;
use crate::hub::Hub;
use crate::identity::{DeviceId, IdentityUpdate};
use crate::registry::{Device, device_etag, identity_document};

/// Most identities of a list ("GET /devices" has no pages).
const LIST_MAX: usize = 1000;

pub(super) fn list(hub: &Hub, request: &Request) -> Result<Answer, HubError> {
    let top = match request.parameter("top").map(|text| text.parse::<i64>()) {
        None => LIST_MAX,
        // "Any value outside the range of 1-1000 is considered to be 1000" (azure-iot-hub, `get_devices`).
        Some(Ok(top)) => {
            usize::try_from(top).ok().filter(|top| (1..LIST_MAX).contains(top)).unwrap_or(LIST_MAX)
        }
        Some(Err(_)) => return Err(HubError::invalid("top must be a number")),
    };
    let mut devices = Vec::new();
    hub.registry.scan(None, |device| {
        devices.push(document(hub, device));
        if devices.len() < top { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    Ok(Answer::json(&devices))
}

/// All modules of a device.
pub(super) fn list_modules(hub: &Hub, id: &str) -> Result<Answer, HubError> {
    hub.registry.read(id, |_| ())?;
    Ok(Answer::json(&hub.modules.modules_of(id, |module| document(hub, module))))
}

pub(super) fn get(hub: &Hub, id: &str) -> Result<Answer, HubError> {
    hub.identities(id)?.read(id, |device| answer(hub, device))
}

/// Creates without If-Match, updates with it.
pub(super) fn put(hub: &Hub, id: &str, request: &Request) -> Result<Answer, HubError> {
    let id = DeviceId::parse_any(id)?;
    let update = IdentityUpdate::parse(&id, &request.json()?)?;
    let precondition = Precondition::of(&request.headers);
    if precondition == Precondition::None {
        return hub.create(id, update, |device| Ok(answer(hub, device)));
    }
    hub.write(id.as_str(), |device| {
        precondition.check(&device_etag(device), id.as_str())?;
        hub.update_identity(device, update)?;
        Ok(answer(hub, device))
    })
}

pub(super) fn delete(hub: &Hub, id: &str, request: &Request) -> Result<Answer, HubError> {
    let precondition = Precondition::of(&request.headers);
    hub.remove(id, |device| precondition.check(&device_etag(device), id))?;
    Ok(Answer::default())
}

fn document(hub: &Hub, device: &Device) -> Value {
    identity_document(device, &hub.master_key.keys_of(&device.identity))
}

fn answer(hub: &Hub, device: &Device) -> Answer {
    Answer { etag: Some(device_etag(device)), ..Answer::json(&document(hub, device)) }
}
