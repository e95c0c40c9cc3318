//! The hub: everything that REST and MQTT share.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::Value;

use crate::auth::Authority;
use crate::clock::Clock;
use crate::counters::{Counters, Counts};
use crate::error::HubError;
use crate::faults::Faults;
use crate::identity::MasterKey;
use crate::physics::{Operation, Physics};
use crate::registry::{Device, Registry};
use crate::simulation::Simulation;
use crate::twins::Change;

#[derive(Debug)]
pub(crate) struct Hub {
    pub authority: Authority,
    pub master_key: MasterKey,
    pub registry: Registry,
    pub counters: Counters,
    pub faults: Faults,
    pub physics: Physics,
    pub simulation: Simulation,
    pub clock: Clock,
}

impl Hub {
    /// Waits for what `count` operations of a class may take of the hub, on its clock; 429001 if that would be too
    /// long.
    pub async fn admit(&self, operation: Operation, count: u32) -> Result<(), HubError> {
        let wait = self.physics.reserve(operation, count, &self.clock)?;
        if !wait.is_zero() {
            self.counters.count_delayed();
            self.clock.sleep(wait).await;
        }
        Ok(())
    }

    /// Changes a twin from the service side and tells the device what was asked for of its desired
    /// properties. Tags notify nobody.
    pub fn change_twin(&self, device: &mut Device, change: &Change, replace: bool) -> Result<(), HubError> {
        let now = self.clock.now();
        if replace {
            device.twin.put(change, now)?;
        } else {
            device.twin.patch(change, now)?;
        }
        self.simulation.changed(device, change, self.clock.elapsed());
        let version = device.twin.desired.version;
        if let Some(session) = device.session.as_mut().filter(|session| session.wants_desired())
            && let Some(payload) = change.notification(version)
        {
            let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
            let payload = serde_json::to_vec(&payload).unwrap_or_default();
            let bytes = payload.len();
            if session.send(topic, payload) {
                self.counters.count_notification();
                self.physics.charge(bytes, &self.clock);
            }
        }
        Ok(())
    }

    /// Patches the twins of all devices, one after the other; gives their number. One that gets too large stops it.
    pub fn patch_all(&self, patch: &Value) -> Result<u64, HubError> {
        let change = Change::parse(patch)?;
        let mut count = 0;
        let mut refused = None;
        self.registry.scan_mut(|device| match self.change_twin(device, &change, false) {
            Ok(()) => {
                count += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                refused = Some(error);
                ControlFlow::Break(())
            }
        });
        refused.map_or(Ok(count), Err)
    }

    /// The counters now.
    pub fn counts(&self) -> Counts {
        self.counters.snapshot(self.physics.messages(&self.clock))
    }

    /// Writes of desired properties by device, for devices that had one: every such write is one more `$version`.
    pub fn desired_writes(&self) -> BTreeMap<String, u64> {
        let mut writes = BTreeMap::new();
        self.registry.scan(None, |device| {
            let version = device.twin.desired.version;
            if version > 1 {
                writes.insert(device.identity.id.to_string(), version - 1);
            }
            ControlFlow::Continue(())
        });
        writes
    }
}
