//! The devices as they were some time ago: what queries see of a hub whose index is not up to date.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Device, Registry};
use crate::clock::{Clock, Timestamp};
use crate::identity::DeviceId;

pub(super) struct Index {
    lag: Duration,
    clock: Clock,
    /// What is not to be seen yet, in the order in which it happened.
    pending: Mutex<VecDeque<Change>>,
    seen: Registry,
}

struct Change {
    at: Timestamp,
    id: DeviceId,
    /// None: it was removed.
    device: Option<Device>,
}

impl Index {
    pub fn new(lag: Duration, clock: Clock) -> Self {
        Self { lag, clock, pending: Mutex::default(), seen: Registry::default() }
    }

    pub fn note(&self, id: DeviceId, device: Option<Device>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.push_back(Change { at: self.clock.now(), id, device });
        self.take_over(&mut pending);
    }

    /// Shows a device at once: it is older than the lag.
    pub fn put_back(&self, device: Device) {
        self.seen.exclusive().insert(device.identity.id.clone(), Box::new(device.into()));
    }

    /// The devices as they were.
    pub fn now(&self) -> &Registry {
        self.take_over(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        &self.seen
    }

    fn take_over(&self, pending: &mut VecDeque<Change>) {
        let now = self.clock.now();
        let mut seen = None;
        while let Some(change) = pending.pop_front_if(|change| change.at.plus(self.lag) <= now) {
            let devices = seen.get_or_insert_with(|| self.seen.exclusive());
            match change.device {
                Some(device) => drop(devices.insert(change.id, Box::new(Mutex::new(device)))),
                None => drop(devices.remove(&change.id)),
            }
        }
    }
}
