//! What a sweep has found and done. Bounded at any fleet size.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::counts::FailureSample;
use crate::storage::link::BlobUri;

/// Most devices that are named.
pub const SAMPLES: usize = 20;
/// Most unknown blobs that are named.
const UNKNOWN_BLOBS: usize = 100;

/// What a sweep has found and done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Twins written, in all rounds.
    pub written: u64,
    /// Of these, twins that had a link to the same blob.
    pub renewed: u64,
    /// The first expiry of the links written.
    pub first_expiry: Option<Timestamp>,
    /// Since when every link that the last round has not named is good.
    pub round_began: Option<Timestamp>,
    /// What the last round has found.
    pub round: Round,
}

/// What one round of a sweep has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Twins written.
    pub written: u64,
    /// Devices left alone because they hold a link of another rollout.
    pub conflicted: u64,
    /// Devices that were deleted meanwhile.
    pub gone: u64,
    /// Devices whose twin the hub refuses to change.
    pub refused: u64,
    /// Devices that are due and were not written: a call failed, or the twin kept changing.
    pub left: u64,
    /// Of the left, devices whose property somebody else keeps writing.
    pub contested: u64,
    /// Of the left, devices whose twin links to a blob that the inventory does not know, or that became the goal later.
    pub newer: u64,
    /// Those blobs.
    pub unknown: BTreeSet<BlobUri>,
    /// Some of the devices that were not written, with the reason.
    pub samples: Vec<FailureSample>,
}

impl Round {
    /// Names a device that was not written.
    pub fn sample(&mut self, device: &str, reason: impl Into<String>) {
        if self.samples.len() < SAMPLES && self.samples.iter().all(|sample| sample.device_id != device) {
            self.samples.push(FailureSample { device_id: device.to_owned(), reason: reason.into() });
        }
    }

    /// Notes a blob that is not known.
    pub fn unknown(&mut self, blob: BlobUri) {
        if self.unknown.len() < UNKNOWN_BLOBS {
            self.unknown.insert(blob);
        }
    }
}
