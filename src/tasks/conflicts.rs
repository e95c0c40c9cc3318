//! Devices of a sweep that hold a link of another rollout.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::fleet::{Owned, Owner};

/// Most devices that are remembered for one owner. The others are looked at by the next sweep.
const MOST_DEVICES: usize = 10_000;

/// Conflicted devices by the owner of their links.
#[derive(Default)]
pub(super) struct Conflicts(Mutex<HashMap<String, Held>>);

/// An owner, and devices that hold its links.
type Held = (Arc<Owner>, Vec<String>);

impl Conflicts {
    /// One more. Of an owner that may not be read nobody can say whom it picks.
    pub fn add(&self, owner: Owned, device: &str) {
        let Owned::By(owner) = owner else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, devices) = all.entry(owner.uid.clone()).or_insert_with(|| (owner, Vec::new()));
        if devices.len() < MOST_DEVICES {
            devices.push(device.to_owned());
        }
    }

    /// All of them, which are forgotten.
    pub fn take(&self) -> Vec<Held> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain().map(|(_, entry)| entry).collect()
    }
}
