//! Statuses that could not be written.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::conditions::Reason,
    retry_class::RetryClass,
    rollout::fault::{Failure, Fault},
};

/// Statuses that could not be written, by the rollout's uid.
#[derive(Default)]
pub struct Unwritten(Mutex<HashMap<String, Failure>>);

impl Unwritten {
    /// When the next attempt to write is due, where the last one has failed.
    pub fn next_attempt(&self, uid: &str, now: Timestamp) -> Option<Timestamp> {
        self.locked().get(uid).map(|failure| failure.next_attempt(uid, now))
    }

    /// It could not be written once more. Returns when the next attempt is due.
    pub fn failed(&self, uid: &str, error: &kube::Error, now: Timestamp) -> Timestamp {
        let fault =
            Fault { reason: Reason::Progressing, message: error.to_string(), class: RetryClass::Transient };
        let mut all = self.locked();
        let failure = Failure::after(all.get(uid), fault, now);
        let at = failure.next_attempt(uid, now);
        all.insert(uid.to_owned(), failure);
        at
    }

    /// It was written, or the rollout is gone.
    pub fn forget(&self, uid: &str) {
        self.locked().remove(uid);
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
