//! What one process remembers of each rollout between two passes. Nothing here is needed: a restart reads twins and blobs again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::observed::{Counted, Failed, SweepKey, SweepState, Swept};
use crate::fleet::Tally;

/// What is remembered, by the object's uid.
#[derive(Debug, Default)]
pub struct Memory {
    rollouts: Mutex<HashMap<String, Rollout>>,
}

/// What is remembered of one rollout.
#[derive(Debug, Default)]
pub struct Rollout {
    /// The last count.
    pub counted: Option<Counted>,
    /// The failure of the last attempt to count.
    pub count_failed: Option<Failed>,
    /// The failure of the last attempt to store.
    pub upkeep_failed: Option<Failed>,
    /// Passes in a row that have not seen all they wanted to see.
    pub blind: u32,
    /// Under which credentials and for which generation the failures above were met.
    pub circumstances: String,
    /// The sweep that runs.
    pub running: Option<Running>,
    /// The sweep that ended last.
    pub swept: Option<Swept>,
}

/// A sweep that runs.
#[derive(Debug)]
pub struct Running {
    /// What it is for.
    pub key: SweepKey,
    /// Ends it.
    pub cancel: CancellationToken,
    /// What it did so far.
    pub tally: watch::Receiver<Tally>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Rollout>> {
        // A panic elsewhere leaves plain data behind, which the next pass replaces.
        self.rollouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on what is remembered of the rollout `uid`.
    pub fn with<T>(&self, uid: &str, work: impl FnOnce(&mut Rollout) -> T) -> T {
        work(self.lock().entry(uid.to_owned()).or_default())
    }

    /// Of which rollouts anything is remembered, by uid.
    pub fn known(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Forgets the rollout `uid` and ends its sweep.
    pub fn forget(&self, uid: &str) {
        if let Some(Rollout { running: Some(running), .. }) = self.lock().remove(uid) {
            running.cancel.cancel();
        }
    }

    /// Forgets every rollout and ends every sweep.
    pub fn forget_all(&self) {
        for (_, rollout) in self.lock().drain() {
            if let Some(running) = rollout.running {
                running.cancel.cancel();
            }
        }
    }

    /// The rollout's sweep, as `decide` wants it.
    pub fn sweep(&self, uid: &str) -> SweepState {
        self.with(uid, |rollout| SweepState {
            running: rollout
                .running
                .as_ref()
                .map(|running| (running.key.clone(), running.tally.borrow().clone())),
            last: rollout.swept.clone(),
        })
    }

    /// Failures met under other circumstances say nothing about now.
    pub fn enter(&self, uid: &str, circumstances: String) {
        self.with(uid, |rollout| {
            if rollout.circumstances != circumstances {
                rollout.circumstances = circumstances;
                rollout.count_failed = None;
                rollout.upkeep_failed = None;
                rollout.swept.take_if(|swept| swept.outcome.is_err());
            }
        });
    }
}
