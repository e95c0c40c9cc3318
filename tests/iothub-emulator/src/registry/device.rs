//! All that the hub keeps of one device, or of one module.

use crate::clock::Timestamp;
use crate::configurations::Managed;
use crate::identity::{DeviceId, Identity, IdentityUpdate};
use crate::mqtt::Session;
use crate::twins::Twin;

/// Identity, twin and MQTT session in one record, under one lock: a desired patch and its notification cannot
/// be overtaken by the next one.
///
/// In this order in memory: a scan over a million devices waits for what it reads of each, and this way the lock, the twin's
/// reported and its desired tree are beside each other.
#[repr(C)]
pub(crate) struct Device {
    pub twin: Twin,
    pub identity: Identity,
    /// None until the device connects for the first time.
    pub session: Option<Box<Session>>,
    pub last_activity: Option<Timestamp>,
    pub connection_changed: Option<Timestamp>,
    /// None unless a configuration targets it.
    pub configurations: Option<Box<Managed>>,
}

impl Device {
    pub fn new(id: DeviceId, generation: u64, update: IdentityUpdate, now: Timestamp) -> Self {
        Self {
            identity: Identity::new(id, generation, update),
            twin: Twin::new(now),
            session: None,
            last_activity: None,
            connection_changed: None,
            configurations: None,
        }
    }

    /// A copy for a lagging index: it has no connection, and only looks as if.
    pub fn snapshot(&self) -> Self {
        Self {
            identity: self.identity.clone(),
            twin: self.twin.clone(),
            session: self.session.as_ref().map(|session| Box::new(session.appearance())),
            last_activity: self.last_activity,
            connection_changed: self.connection_changed,
            configurations: self.configurations.clone(),
        }
    }

    /// Ends its connection, if it has one.
    pub fn disconnect(&mut self, now: Timestamp) {
        if let Some(session) = self.session.as_mut().filter(|session| session.is_live()) {
            session.close();
            self.connection_changed = Some(now);
        }
    }

    pub fn is_connected(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_live())
    }

    pub fn connection_state(&self) -> &'static str {
        if self.is_connected() { "Connected" } else { "Disconnected" }
    }

    pub fn status(&self) -> &'static str {
        if self.identity.enabled { "enabled" } else { "disabled" }
    }
}
