//! Twins: `/twins/{id}` and `/twins/{id}/modules/{module}`.

use super::answer::Answer;
use super::precondition::Precondition;
use super::request::Request;
use crate::error::HubError;
use crate::hub::Hub;
use crate::registry::{Device, TwinDocument, twin_etag};
use crate::twins::Change;

pub(super) fn get(hub: &Hub, id: &str) -> Result<Answer, HubError> {
    hub.identities(id)?.read(id, answer)
}

/// PATCH merges, PUT replaces the sections that it names; both answer the whole twin.
pub(super) fn write(hub: &Hub, id: &str, request: &Request, replace: bool) -> Result<Answer, HubError> {
    let change = Change::parse(request.json()?)?;
    let precondition = Precondition::of(&request.headers);
    hub.write(id, |device| {
        precondition.check(&twin_etag(&device.twin), id)?;
        hub.change_twin(device, &change, replace)?;
        Ok(answer(device))
    })
}

fn answer(device: &Device) -> Answer {
    Answer { etag: Some(twin_etag(&device.twin)), ..Answer::json(&TwinDocument(device)) }
}
