//! What is known of a rollout: what the API server holds beside the object, and what tasks have found, with when and for what.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;

use super::{
    asset::Asset,
    fault::{Failure, Fault},
    task::{CountKey, InventoryKey, Kind, StoreKey, SweepKey},
};
use crate::{
    fleet::{Counts, Tally},
    hub::connection::HubConnection,
    storage::{StorageAccount, StoredBlob},
};

/// Everything that a plan rests on beside the object.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The asset as its source has it.
    pub asset: Result<Asset, Fault>,
    /// The storage account, with its key.
    pub account: Result<StorageAccount, Fault>,
    /// The hub, with its credential.
    pub hub: Result<HubConnection, Fault>,
    /// The installer's allowance for clocks that differ.
    pub skew: Duration,
    /// Whether changes of a Secret wake the rollout.
    pub secrets_watched: bool,
    /// How many looks in a row have not seen one of the first three.
    pub unseen: u32,
    /// What tasks have found.
    pub found: Found,
}

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
    /// The kinds of work that run.
    pub running: Vec<Kind>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::conditions::Reason, follow::Follow};

    #[test]
    fn failures_are_counted_for_one_key_and_forgotten_by_a_success() {
        let at: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let fault = || Fault::of(Follow::TryAgain, Reason::HubUnavailable, Reason::HubRefused, "away");
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
