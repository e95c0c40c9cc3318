//! A hub with some devices, and an index that may lag behind them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use blobrollout::{fleet::Target, storage::link::Link};
use serde_json::{Map, Value};

/// The desired property of the rollout.
pub const PROPERTY: &str = "configurationBlob";

/// A device as the hub knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Changes with every write of tags or desired properties.
    pub etag: u64,
    /// The tag that targets ask for.
    pub site: &'static str,
    /// The desired properties.
    pub desired: Map<String, Value>,
    /// What it answers under the reported property.
    pub reported: Option<Value>,
    /// Whether it holds a connection.
    pub connected: bool,
}

impl Device {
    /// What stands under the rollout's property.
    pub fn property(&self) -> Option<&Value> {
        self.desired.get(PROPERTY)
    }

    /// The link in it.
    pub fn uri(&self) -> Option<&str> {
        self.property()?.get("uri")?.as_str()
    }

    /// The link in it, parsed.
    pub fn link(&self) -> Option<Link> {
        self.uri().and_then(Link::parse)
    }
}

/// Why a patch came to nothing.
#[derive(Debug, PartialEq)]
pub enum PatchError {
    /// No answer.
    Away,
    /// There is no such device.
    NotFound,
    /// The twin is not the one that was judged.
    Precondition,
    /// The hub refuses this.
    Refused,
}

/// The hub.
#[derive(Default)]
pub struct Hub {
    /// The truth.
    pub devices: BTreeMap<String, Device>,
    /// What queries see.
    pub index: BTreeMap<String, Device>,
    late: VecDeque<(i64, String, Option<Device>)>,
    /// How far the index is behind, in milliseconds.
    pub lag: i64,
    /// No call is answered.
    pub away: bool,
    /// No call about these is answered.
    pub failing: BTreeSet<String>,
    /// No change of these is accepted.
    pub refusing: BTreeSet<String>,
    etags: u64,
}

impl Hub {
    /// A hub whose index is so far behind.
    pub fn new(lag: i64) -> Self {
        Self { lag, ..Self::default() }
    }

    /// Changes a device, at time `now`.
    pub fn change(&mut self, id: &str, now: i64, change: impl FnOnce(&mut Device)) {
        self.etags += 1;
        if let Some(device) = self.devices.get_mut(id) {
            change(device);
            device.etag = self.etags;
        }
        self.indexed(id, now);
    }

    /// Adds a device, or removes one.
    pub fn put(&mut self, id: &str, now: i64, device: Option<Device>) {
        self.etags += 1;
        match device {
            Some(device) => drop(self.devices.insert(id.to_owned(), Device { etag: self.etags, ..device })),
            None => drop(self.devices.remove(id)),
        }
        self.indexed(id, now);
    }

    fn indexed(&mut self, id: &str, now: i64) {
        self.late.push_back((now + self.lag, id.to_owned(), self.devices.get(id).cloned()));
        self.catch_up(now);
    }

    /// Lets the index see what is old enough.
    pub fn catch_up(&mut self, now: i64) {
        while self.late.front().is_some_and(|(due, ..)| *due <= now) {
            let Some((_, id, device)) = self.late.pop_front() else { return };
            match device {
                Some(device) => drop(self.index.insert(id, device)),
                None => drop(self.index.remove(&id)),
            }
        }
    }

    /// A twin, read directly.
    pub fn twin(&self, id: &str) -> Result<Device, PatchError> {
        if self.away || self.failing.contains(id) {
            return Err(PatchError::Away);
        }
        self.devices.get(id).cloned().ok_or(PatchError::NotFound)
    }

    /// A merge patch on condition of an etag.
    pub fn patch(&mut self, id: &str, etag: u64, patch: &Value, now: i64) -> Result<(), PatchError> {
        let twin = self.twin(id)?;
        if self.refusing.contains(id) {
            return Err(PatchError::Refused);
        }
        if twin.etag != etag {
            return Err(PatchError::Precondition);
        }
        let desired = patch["properties"]["desired"].as_object().unwrap().clone();
        self.change(id, now, |device| merge(&mut device.desired, &desired));
        Ok(())
    }
}

fn merge(into: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match (value, into.get_mut(key)) {
            (Value::Null, _) => drop(into.remove(key)),
            (Value::Object(patch), Some(Value::Object(there))) => merge(there, patch),
            (Value::Object(patch), _) => {
                let mut made = Map::new();
                merge(&mut made, patch);
                into.insert(key.clone(), Value::Object(made));
            }
            (value, _) => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

/// Whether `target` picks the device `id`.
pub fn picks(target: &Target, id: &str, device: &Device) -> bool {
    match target {
        Target::Ids(ids) => ids.iter().any(|other| other == id),
        Target::Query(condition) if condition.contains("IS_DEFINED(deviceId)") => true,
        Target::Query(condition) => condition.contains(&format!("'{}'", device.site)),
    }
}
