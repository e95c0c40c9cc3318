//! Many identities or twins by one call: `POST /devices`. Each entry succeeds or fails by itself.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, ERROR_CODE};
use super::precondition::Precondition;
use super::request::Request;
use crate::error::{ErrorCode, HubError};
use crate::hub::Hub;
use crate::identity::{DeviceId, IdentityUpdate};
use crate::physics::Operation;
use crate::registry::{Device, device_etag, twin_etag};
use crate::twins::Change;

/// Most entries of a call ("export import device" model of the Python service SDK).
const ENTRIES_MAX: usize = 100;

/// What is to be done with an identity. The modes with a condition are these with an etag.
#[derive(Clone, Copy)]
enum Mode {
    Create,
    CreateOrUpdate,
    Update,
    Delete,
    UpdateTwin,
}

/// Import modes, compared without regard to case: Node writes `Update`, Python `update`. With true, the entry's etag
/// must be the current one.
const MODES: [(&str, Mode, bool); 9] = [
    ("create", Mode::Create, false),
    ("createOrUpdate", Mode::CreateOrUpdate, false),
    ("createOrUpdateIfMatchETag", Mode::CreateOrUpdate, true),
    ("update", Mode::Update, false),
    ("updateIfMatchETag", Mode::Update, true),
    ("delete", Mode::Delete, false),
    ("deleteIfMatchETag", Mode::Delete, true),
    ("updateTwin", Mode::UpdateTwin, false),
    ("updateTwinIfMatchETag", Mode::UpdateTwin, true),
];

struct Entry<'a> {
    device: &'a str,
    module: Option<&'a str>,
    mode: Mode,
    conditional: bool,
    body: &'a Value,
}

/// Waits for what the entries may take of the hub: each counts by itself ("IoT Hub quotas and throttling"). A call that is
/// refused as a whole is one operation.
pub(super) async fn admit(hub: &Hub, request: &Request) -> Result<(), HubError> {
    let body = request.json().unwrap_or_default();
    let entries = body.as_array().filter(|entries| entries.len() <= ENTRIES_MAX);
    let modes = entries.into_iter().flatten().map(|entry| Entry::read(entry).ok().map(|entry| entry.mode));
    let (mut identities, mut twins) = (0, 0);
    for mode in modes {
        match mode {
            Some(Mode::UpdateTwin) if hub.physics.limits().bulk_twins_are_updates => twins += 1,
            _ => identities += 1,
        }
    }
    if identities > 0 || twins == 0 {
        hub.admit(Operation::Registry, identities.max(1)).await?;
    }
    if twins > 0 {
        hub.admit(Operation::TwinUpdates, twins).await?;
    }
    Ok(())
}

pub(super) fn run(hub: &Hub, request: &Request) -> Result<Answer, HubError> {
    let body = request.json()?;
    let body = body.as_array().ok_or_else(|| HubError::invalid("The body must be an array of devices"))?;
    if body.len() > ENTRIES_MAX {
        return Err(HubError::invalid(format!("A bulk call can have {ENTRIES_MAX} entries at most")));
    }
    let entries = body.iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
    let mut named = BTreeSet::new();
    if let Some(twice) = entries.iter().find(|entry| !named.insert((entry.device, entry.module))) {
        let text = format!("Device {} is named more than once", twice.device);
        return Err(HubError::new(ErrorCode::DeviceDefinedMultipleTimes, text));
    }
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for entry in &entries {
        match entry.carry_out(hub) {
            Ok(None) => {}
            Ok(Some(twin_error)) => warnings.push(json!({
                "deviceId": entry.device,
                "warningCode": "DeviceRegisteredWithoutTwin",
                "warningStatus": twin_error.text,
            })),
            Err(error) => errors.push(entry.failure(&error)),
        }
    }
    let successful = errors.is_empty();
    let answer = Answer::json(&json!({ "isSuccessful": successful, "errors": errors, "warnings": warnings }));
    if successful {
        return Ok(answer);
    }
    let code = ErrorCode::BulkRegistryOperationFailure;
    Ok(Answer {
        status: Some(StatusCode::BAD_REQUEST),
        headers: vec![(ERROR_CODE, code.name().to_owned())],
        ..answer
    })
}

impl<'a> Entry<'a> {
    /// Reads what an entry is about; what it brings is judged when its turn comes.
    fn read(body: &'a Value) -> Result<Self, HubError> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let device = text("id").ok_or_else(|| HubError::invalid("Every entry must have an id"))?;
        let given = text("importMode").unwrap_or_default();
        let known = MODES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(given));
        let (_, mode, conditional) = known.ok_or_else(|| {
            let names = MODES.map(|(name, ..)| name).join(", ");
            HubError::invalid(format!("importMode must be one of {names}"))
        })?;
        Ok(Self { device, module: text("moduleId"), mode: *mode, conditional: *conditional, body })
    }

    /// Does what the entry asks for. A twin that could not be written beside a new identity is a warning, which is
    /// given back.
    fn carry_out(&self, hub: &Hub) -> Result<Option<HubError>, HubError> {
        let id = match self.module {
            None => DeviceId::parse(self.device)?,
            Some(module) => DeviceId::of_module(self.device, module)?,
        };
        let key = id.as_str().to_owned();
        match self.mode {
            Mode::Create => self.create(hub, id),
            Mode::CreateOrUpdate if hub.identities(&key)?.read(&key, |_| ()).is_err() => self.create(hub, id),
            Mode::CreateOrUpdate | Mode::Update => {
                let update = IdentityUpdate::parse(&id, self.body)?;
                hub.write(&key, |device| {
                    self.etag(&["eTag", "etag"])?.check(&device_etag(device), &key)?;
                    hub.update_identity(device, update)?;
                    Ok(self.write_twin(hub, device).err())
                })
            }
            Mode::Delete => {
                let etag = self.etag(&["eTag", "etag"])?;
                hub.remove(&key, |device| etag.check(&device_etag(device), &key))?;
                Ok(None)
            }
            Mode::UpdateTwin => {
                hub.physics.check_quota(&hub.clock)?;
                hub.write(&key, |device| {
                    self.etag(&["twinETag"])?.check(&twin_etag(&device.twin), &key)?;
                    hub.change_twin(device, &Change::parse(self.body.clone())?, false)
                })?;
                // As a PATCH of the same.
                hub.physics.charge(self.body.to_string().len(), &hub.clock);
                Ok(None)
            }
        }
    }

    fn create(&self, hub: &Hub, id: DeviceId) -> Result<Option<HubError>, HubError> {
        let update = IdentityUpdate::parse(&id, self.body)?;
        hub.create(id, update, |device| Ok(self.write_twin(hub, device).err()))
    }

    /// Writes tags and desired properties, if the entry has any beside the identity.
    fn write_twin(&self, hub: &Hub, device: &mut Device) -> Result<(), HubError> {
        let change = Change::parse(self.body.clone())?;
        if change.tags.is_some() || change.desired.is_some() {
            hub.change_twin(device, &change, false)?;
        }
        Ok(())
    }

    /// The etag that a mode with a condition asks for, with or without quotes.
    fn etag(&self, names: &[&str]) -> Result<Precondition, HubError> {
        if !self.conditional {
            return Ok(Precondition::Any);
        }
        let given = names.iter().find_map(|name| self.body.get(*name)).and_then(Value::as_str);
        match given.map(|etag| etag.trim_matches('"')) {
            Some("*") => Ok(Precondition::Any),
            Some(etag) => Ok(Precondition::Etag(etag.to_owned())),
            None => Err(HubError::invalid("An entry of this importMode must have an etag")),
        }
    }

    fn failure(&self, error: &HubError) -> Value {
        let mut failure = json!({
            "deviceId": self.device,
            "errorCode": error.code.name(),
            "errorStatus": error.text,
        });
        if let Some(module) = self.module {
            failure["moduleId"] = module.into();
        }
        failure
    }
}
