//! Devices made by the thousand.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::HubError;
use crate::hub::Hub;
use crate::identity::{DeviceId, IdentityUpdate};
use crate::registry::Device;
use crate::template;
use crate::twins::{Change, checked_reported_patch};

/// Devices to be made: `count` of them, numbered from `first`. In ids, tags and properties `{n}` stands for the
/// device's number, `{n:05}` for it with leading zeros, `{n%10}` for the remainder of a division.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seed {
    /// How many.
    pub count: u32,
    /// The number of the first one.
    #[serde(default = "one")]
    pub first: u32,
    /// Template of the ids.
    #[serde(default = "default_id")]
    pub id: String,
    /// Template of the tags, an object; null for none.
    #[serde(default)]
    pub tags: Value,
    /// Template of the desired properties, an object; null for none.
    #[serde(default)]
    pub desired: Value,
    /// Template of the reported properties, an object; null for none.
    #[serde(default)]
    pub reported: Value,
}

impl Default for Seed {
    /// No devices; ids are `device-00001` and so on.
    fn default() -> Self {
        Self {
            count: 0,
            first: one(),
            id: default_id(),
            tags: Value::Null,
            desired: Value::Null,
            reported: Value::Null,
        }
    }
}

impl Seed {
    /// The ids of the devices, in the order in which they are made.
    pub fn ids(&self) -> impl Iterator<Item = String> {
        self.numbers().map(|number| template::fill(&self.id, number))
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        (self.first..=u32::MAX).take(usize::try_from(self.count).unwrap_or(usize::MAX))
    }
}

/// What is to become of devices that are there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Refused,
    Stay,
}

/// Makes the devices. Those made before one that cannot be stay.
pub(crate) fn seed(hub: &Hub, seed: &Seed, existing: Existing) -> Result<(), HubError> {
    for number in seed.numbers() {
        let now = hub.clock.now();
        let id = DeviceId::parse(&template::fill(&seed.id, number))?;
        if existing == Existing::Stay && hub.registry.read(id.as_str(), |_| ()).is_ok() {
            continue;
        }
        hub.registry
            .create(id, IdentityUpdate::generated(), now, |device| fill(hub, seed, device, number))?;
    }
    Ok(())
}

/// Fills the twin of the device with this number.
fn fill(hub: &Hub, seed: &Seed, device: &mut Device, number: u32) -> Result<(), HubError> {
    let filled = |template: &Value| template::fill_json(template, number);
    let change =
        Change::parse(json!({"tags": filled(&seed.tags), "properties": {"desired": filled(&seed.desired)}}))?;
    if change.tags.is_some() || change.desired.is_some() {
        hub.change_twin(device, &change, false)?;
    }
    if !seed.reported.is_null() {
        device.twin.report(&checked_reported_patch(filled(&seed.reported))?, hub.clock.now())?;
    }
    Ok(())
}

fn one() -> u32 {
    1
}

fn default_id() -> String {
    "device-{n:05}".to_owned()
}
