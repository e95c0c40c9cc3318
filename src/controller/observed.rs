//! What one pass has seen of the world: plain data, so that the decision needs no client.

use std::time::Duration;

use bytes::Bytes;
use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{delivery::Subject, fault::Fault};
use crate::{
    api::{BlobRolloutStatus, Intent},
    fleet::{Counts, FailureSample, Owners, Tally},
    hub::sku::Rates,
    storage::{StoredBlob, sas::LinkSigner},
    time::plus,
};

/// Everything a decision rests on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The object's generation.
    pub generation: Option<i64>,
    /// The object's uid.
    pub uid: String,
    /// What the names of the rollout's blobs begin with, without the slash before the digest; empty while the spec is invalid.
    pub path: String,
    /// The value of the annotation that asks for a renewal.
    pub renew_requested_at: Option<String>,
    /// The status as it stands.
    pub before: BlobRolloutStatus,
    /// What the user wants.
    pub intent: Result<Intent, Fault>,
    /// The asset as its source has it.
    pub asset: Result<Asset, Fault>,
    /// Blob storage and what it holds of this rollout.
    pub storage: Result<Storage, Fault>,
    /// The hub.
    pub hub: Result<Hub, Fault>,
    /// The other live rollouts that write the same twin property.
    pub owners: Owners,
    /// When the fleet was last counted, and what came of it.
    pub counted: Option<Counted>,
    /// The sweep that runs, and the last one that ended.
    pub sweep: SweepState,
    /// The installer's allowance for clocks that differ.
    pub skew: Duration,
    /// Whether changes of a Secret wake us.
    pub secrets_watched: bool,
    /// How many passes in a row have not seen all they wanted to see.
    pub blind: u32,
    /// The failure of the last attempt to store.
    pub upkeep_failed: Option<Failed>,
    /// The failure of the last attempt to count.
    pub count_failed: Option<Failed>,
}

/// An attempt that failed, and those before it.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Why.
    pub fault: Fault,
    /// When.
    pub at: Timestamp,
    /// How many in a row, this one included.
    pub times: u32,
}

impl Failed {
    /// When the next attempt is due; `seed` tells rollouts apart.
    pub fn next(&self, seed: &str) -> Timestamp {
        plus(self.at, self.fault.wait(self.times, seed))
    }
}

/// An asset: bytes and their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The content.
    pub bytes: Bytes,
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
}

impl Asset {
    /// Digests `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        let sha256 = format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(&bytes)));
        Self { bytes, sha256 }
    }
}

/// Blob storage and what it holds of this rollout.
#[derive(Clone, Debug)]
pub struct Storage {
    /// The container's address, without a slash at its end.
    pub container_uri: String,
    /// Tells the key in force from others.
    pub fingerprint: String,
    /// Signs links with the key in force.
    pub signer: LinkSigner,
    /// The rollout's blobs.
    pub blobs: Vec<StoredBlob>,
}

/// The hub.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Its host name.
    pub host_name: String,
    /// Tells the credential in force from others.
    pub fingerprint: String,
    /// How fast we may go.
    pub rates: Rates,
}

/// A look at the fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// When.
    pub at: Timestamp,
    /// Since when these numbers stand.
    pub changed: Timestamp,
    /// What was counted.
    pub subject: Subject,
    /// The numbers.
    pub counts: Counts,
    /// Devices that answered `failed`, up to 20.
    pub failures: Vec<FailureSample>,
}

/// The sweep that runs, and the last one that ended.
#[derive(Clone, Debug, Default)]
pub struct SweepState {
    /// What the running sweep is for, with its tally so far.
    pub running: Option<(SweepKey, Tally)>,
    /// The last one that ended.
    pub last: Option<Swept>,
}

/// A sweep that ended.
#[derive(Clone, Debug)]
pub struct Swept {
    /// What it was for.
    pub key: SweepKey,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What it did, or what stopped it.
    pub outcome: Result<Tally, Failed>,
}

/// What a sweep is for. While this stays the same, a sweep that runs is the right one, and one that ended has done its work
/// until links run out or the interval has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepKey {
    /// The goal and the target in full, which links count as good, and the hub's credential: a sweep goes on with that it began with.
    pub goal: String,
    /// Whether only the devices that hold one of our links are served.
    pub holders_only: bool,
}
