//! Devices and modules as a state file has them.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::{Device, Registry, SCAN_CHUNK};
use crate::clock::Timestamp;
use crate::configurations::Managed;
use crate::identity::Identity;
use crate::mqtt::{Filter, Session};
use crate::twins::Twin;

/// What outlives a run; a connection does not.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StoredDevice {
    pub identity: Identity,
    twin: Twin,
    subscriptions: Vec<Filter>,
    last_activity: Option<Timestamp>,
    connection_changed: Option<Timestamp>,
    configurations: Option<Box<Managed>>,
}

impl StoredDevice {
    fn of(device: &Device) -> Self {
        let session = device.session.as_ref();
        Self {
            identity: device.identity.clone(),
            twin: device.twin.clone(),
            subscriptions: session.map(|session| session.to_keep().to_vec()).unwrap_or_default(),
            last_activity: device.last_activity,
            connection_changed: device.connection_changed,
            configurations: device.configurations.clone(),
        }
    }

    fn into_device(self) -> Device {
        let session = (!self.subscriptions.is_empty()).then(|| Box::new(Session::kept(self.subscriptions)));
        Device {
            identity: self.identity,
            twin: self.twin,
            session,
            last_activity: self.last_activity,
            connection_changed: self.connection_changed,
            configurations: self.configurations,
        }
    }
}

impl Registry {
    /// Copies of the devices after `after`, as many as a scan looks at before it lets writers in; none at the end. What
    /// a twin holds is not copied, only counted once more.
    pub fn stored_after(&self, after: Option<&str>) -> Vec<StoredDevice> {
        let mut found = Vec::with_capacity(SCAN_CHUNK);
        self.scan(after, |device| {
            found.push(StoredDevice::of(device));
            if found.len() < SCAN_CHUNK { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        found
    }

    /// Puts a device where it was. Queries see it at once, also where they lag behind: it is as old as its file.
    pub fn put_back(&self, device: StoredDevice) {
        let device = device.into_device();
        self.go_on_after(device.identity.generation);
        if let Some(index) = &self.index {
            index.put_back(device.snapshot());
        }
        self.exclusive().insert(device.identity.id.clone(), Box::new(device.into()));
    }

    /// The last generation that was given to anything, also to what is gone.
    pub fn last_generation(&self) -> u64 {
        self.last_generation.load(Ordering::Relaxed)
    }

    /// Gives no generation up to this one any more.
    pub fn go_on_after(&self, generation: u64) {
        self.last_generation.fetch_max(generation, Ordering::Relaxed);
    }

    /// Grows whenever something may have changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}
