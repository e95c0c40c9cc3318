//! Statuses that could not be written.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use kube::ResourceExt;

use crate::api::BlobRollout;

/// Statuses that could not be written: how often in a row, by the rollout's uid.
#[derive(Default)]
pub struct Unwritten(Mutex<HashMap<String, u32>>);

impl Unwritten {
    /// Once more; returns how often in a row by now.
    pub fn failed(&self, object: &BlobRollout) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = all.entry(object.uid().unwrap_or_default()).or_default();
        *times = times.saturating_add(1);
        *times
    }

    /// It was written, or the rollout is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}
