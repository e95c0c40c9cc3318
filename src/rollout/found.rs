//! What tasks have found, and the one place where what a task has left is noted. Pure.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::{
    fault::{Failure, Fault},
    task::{CountKey, InventoryKey, StoreKey, SweepKey, Task},
};
use crate::{
    fleet::{Counts, Tally},
    storage::StoredBlob,
};

/// What tasks have found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The rollout's blobs.
    pub inventory: Record<InventoryKey, Vec<StoredBlob>>,
    /// What was stored.
    pub store: Record<StoreKey, ()>,
    /// How far the fleet is.
    pub count: Record<CountKey, Counts>,
    /// Since when the numbers of the last count stand.
    pub count_changed: Option<Timestamp>,
    /// What a count that failed has counted before, part by part.
    pub count_parts: Option<(CountKey, Vec<Counts>)>,
    /// What the last sweeps did.
    pub sweep: Record<SweepKey, Tally>,
    /// When the last sweep ended that has written anything.
    pub written: Option<Timestamp>,
    /// How many sweeps in a row have left something.
    pub leftovers: u32,
    /// The sweep that runs, and what it did so far.
    pub sweeping: Option<(SweepKey, Tally)>,
    /// What the count that runs is for.
    pub count_running: Option<CountKey>,
    /// The count that runs: parts done, and all of them.
    pub counting: Option<(usize, usize)>,
}

/// What has come of one kind of work: the last time that it succeeded, and the failures since.
#[derive(Clone, Debug)]
pub struct Record<K, T> {
    /// The last success.
    pub done: Option<Arc<Done<K, T>>>,
    /// The failures since then.
    pub failed: Option<Failed<K>>,
}

/// A success.
#[derive(Clone, Debug)]
pub struct Done<K, T> {
    /// What it was for.
    pub key: K,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What was found.
    pub outcome: T,
}

impl<K, T> Done<K, T> {
    /// Whether it began at `at` or after it. A begin in the future comes from a clock that was set back, and says nothing.
    pub fn began_since(&self, at: Timestamp, now: Timestamp) -> bool {
        self.began >= at && self.began <= now
    }
}

/// A failure.
#[derive(Clone, Debug)]
pub struct Failed<K> {
    /// What it was for.
    pub key: K,
    /// When the last attempt began.
    pub began: Timestamp,
    /// Why, and how often in a row.
    pub failure: Failure,
}

impl<K, T> Default for Record<K, T> {
    fn default() -> Self {
        Self { done: None, failed: None }
    }
}

impl<K: PartialEq, T> Record<K, T> {
    /// Takes down what came of an attempt. Failures of another key say nothing about this one.
    pub fn note(&mut self, key: K, began: Timestamp, ended: Timestamp, outcome: Result<T, Fault>) {
        match outcome {
            Ok(outcome) => {
                self.done = Some(Arc::new(Done { key, began, ended, outcome }));
                self.failed = None;
            }
            Err(fault) => {
                let before = self.failed.take().filter(|before| before.key == key);
                let failure = Failure::after(before.as_ref().map(|before| &before.failure), fault, ended);
                self.failed = Some(Failed { key, began, failure });
            }
        }
    }

    /// The failure of the last attempts for `key`.
    pub fn failure(&self, key: &K) -> Option<&Failure> {
        self.failed.as_ref().filter(|failed| failed.key == *key).map(|failed| &failed.failure)
    }

    /// The last success, if it was for `key`.
    pub fn done_for(&self, key: &K) -> Option<&Done<K, T>> {
        self.done.as_deref().filter(|done| done.key == *key)
    }
}

/// How far a task is.
#[derive(Clone, Debug, Default)]
pub enum Reached {
    /// It has just begun.
    #[default]
    Nothing,
    /// What was counted so far, part by part, and how many parts there are.
    Counted(Vec<Counts>, usize),
    /// What was swept so far.
    Swept(Tally),
}

/// What came of a task.
#[derive(Debug)]
pub enum Outcome {
    /// The rollout's blobs.
    Listed(Vec<StoredBlob>),
    /// It is stored.
    Stored,
    /// How far the fleet is.
    Counted(Counts),
    /// What was done.
    Swept(Tally),
}

impl Found {
    /// Takes in that `task` runs, and how far it is.
    pub fn running(&mut self, task: &Task, reached: &Reached) {
        match (task, reached) {
            (Task::Sweep(key, _), Reached::Swept(tally)) => {
                self.sweeping = Some((key.clone(), tally.clone()));
            }
            (Task::Sweep(key, _), _) => self.sweeping = Some((key.clone(), Tally::default())),
            (Task::Count(key, _), reached) => {
                self.count_running = Some(key.clone());
                if let Reached::Counted(parts, all) = reached {
                    self.counting = Some((parts.len(), *all));
                }
            }
            _ => (),
        }
    }

    /// Notes what a task has left that has ended by itself.
    pub fn note(
        &mut self,
        task: &Task,
        began: Timestamp,
        ended: Timestamp,
        outcome: Result<Outcome, Fault>,
        reached: Reached,
    ) {
        match (task, outcome) {
            (Task::Inventory(key), Ok(Outcome::Listed(blobs))) => {
                self.inventory.note(key.clone(), began, ended, Ok(blobs));
            }
            (Task::Inventory(key), Err(fault)) => self.inventory.note(key.clone(), began, ended, Err(fault)),
            (Task::Store(key, _), Ok(_)) => self.store.note(key.clone(), began, ended, Ok(())),
            (Task::Store(key, _), Err(fault)) => self.store.note(key.clone(), began, ended, Err(fault)),
            (Task::Count(key, _), Ok(Outcome::Counted(counts))) => {
                let before = self.count.done.as_ref().filter(|before| before.key.same_subject(key));
                if before.is_none_or(|before| !before.outcome.is_as_far_as(&counts, &key.blob)) {
                    self.count_changed = Some(ended);
                }
                self.count_parts = None;
                self.count.note(key.clone(), began, ended, Ok(counts));
            }
            (Task::Count(key, _), Err(fault)) => {
                if let Reached::Counted(parts, _) = reached {
                    self.count_parts = Some((key.clone(), parts));
                }
                self.count.note(key.clone(), began, ended, Err(fault));
            }
            (Task::Sweep(key, _), Ok(Outcome::Swept(tally))) => {
                if tally.written > 0 {
                    self.written = Some(ended);
                }
                self.leftovers = if tally.round.left > 0 { self.leftovers.saturating_add(1) } else { 0 };
                self.sweep.note(key.clone(), began, ended, Ok(tally));
            }
            (Task::Sweep(key, _), Err(fault)) => self.sweep.note(key.clone(), began, ended, Err(fault)),
            (task, Ok(outcome)) => {
                tracing::error!(?outcome, kind = ?task.kind(), "a task has left what is not its own");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::conditions::Reason, retry_class::RetryClass};

    #[test]
    fn failures_are_counted_for_one_key_and_forgotten_by_a_success() {
        let at: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let fault = || Fault::of(RetryClass::Transient, Reason::HubUnavailable, Reason::HubRefused, "away");
        let mut record: Record<&str, u32> = Record::default();
        let attempts = |record: &Record<&str, u32>, key| record.failure(&key).map(|failure| failure.attempts);
        record.note("a", at, at, Err(fault()));
        record.note("a", at, at, Err(fault()));
        assert_eq!((attempts(&record, "a"), attempts(&record, "b")), (Some(2), None));
        record.note("b", at, at, Err(fault()));
        assert_eq!((attempts(&record, "a"), attempts(&record, "b")), (None, Some(1)));
        record.note("b", at, at, Ok(5));
        assert_eq!((attempts(&record, "b"), record.done_for(&"b").map(|done| done.outcome)), (None, Some(5)));
        record.note("b", at, at, Err(fault()));
        assert_eq!(record.done_for(&"b").map(|done| done.outcome), Some(5), "what was found stays found");
    }
}
