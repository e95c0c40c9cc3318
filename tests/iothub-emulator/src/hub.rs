//! The hub: everything that REST and MQTT share.

use crate::auth::Authority;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::error::HubError;
use crate::faults::Faults;
use crate::identity::MasterKey;
use crate::registry::{Device, Registry};
use crate::twins::Change;

#[derive(Debug)]
pub(crate) struct Hub {
    pub authority: Authority,
    pub master_key: MasterKey,
    pub registry: Registry,
    pub counters: Counters,
    pub faults: Faults,
    pub clock: Clock,
}

impl Hub {
    /// Changes a twin from the service side and tells the device what was asked for of its desired
    /// properties. Tags notify nobody.
    pub fn change_twin(&self, device: &mut Device, change: &Change, replace: bool) -> Result<(), HubError> {
        let now = self.clock.now();
        if replace {
            device.twin.put(change, now)?;
        } else {
            device.twin.patch(change, now)?;
        }
        let version = device.twin.desired.version;
        if let Some(session) = device.session.as_mut().filter(|session| session.wants_desired())
            && let Some(payload) = change.notification(version)
        {
            let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
            let payload = serde_json::to_vec(&payload).unwrap_or_default();
            if session.send(topic, payload) {
                self.counters.count_notification();
            }
        }
        Ok(())
    }
}
