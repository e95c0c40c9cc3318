//! The kinds of work, each with what it is for. A task runs on while its key is among those wanted, and ends when it is not.

use std::{collections::BTreeSet, time::Duration};

use super::{links::LinkPolicy, revision::Upkeep, validate::StorageSettings};
use crate::{
    fleet::{Counts, Goal, Target},
    hub::{connection::HubConnection, sku::Rates},
    storage::{StorageAccount, link::BlobUri},
};

#[allow(clippy::large_enum_variant, reason = "a rollout has a handful of them")]
/// Work that should run now.
#[derive(Clone, Debug)]
pub enum Task {
    /// Lists the rollout's blobs.
    Inventory(InventoryKey),
    /// Stores what storage lacks.
    Store(StoreKey, Box<Upkeep>),
    /// Counts the fleet.
    Count(CountKey, CountInput),
    /// Gives devices their links.
    Sweep(SweepKey, Box<SweepInput>),
}

/// A kind of work. Of each a rollout runs at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Lists the rollout's blobs.
    Inventory,
    /// Stores what storage lacks.
    Store,
    /// Counts the fleet.
    Count,
    /// Gives devices their links.
    Sweep,
}

/// Which blobs are listed.
#[derive(Clone, Debug, PartialEq)]
pub struct InventoryKey {
    /// The account, with its key.
    pub account: StorageAccount,
    /// The container and the path in it.
    pub storage: StorageSettings,
    /// The value of the annotation that makes everything be looked at again.
    pub request: Option<String>,
}

impl InventoryKey {
    /// Whether a listing for `other` tells of the same blobs: neither the account's key nor a request changes what is there.
    pub fn same_blobs(&self, other: &Self) -> bool {
        self.account.is_same_place(&other.account)
            && (&self.storage.container, &self.storage.path)
                == (&other.storage.container, &other.storage.path)
    }
}

/// What is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreKey {
    /// The account, with its key.
    pub account: StorageAccount,
    /// The container and the path in it.
    pub storage: StorageSettings,
    /// The generation that asks for it.
    pub generation: i64,
    /// The asset's digest.
    pub sha256: String,
    /// Its media type.
    pub content_type: String,
    /// The blob as it was judged; nothing where it is not there.
    pub etag: Option<String>,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq)]
pub struct CountKey {
    /// The hub, with its credential.
    pub hub: HubConnection,
    /// The devices.
    pub target: Target,
    /// The desired property.
    pub property: String,
    /// The reported property.
    pub reported_property: String,
    /// The address below which all links of the rollout lead, without a slash at its end.
    pub path: String,
    /// The revision whose answers are counted.
    pub blob: BlobUri,
    /// The value of the annotation that makes everything be looked at again.
    pub request: Option<String>,
}

impl CountKey {
    /// Whether a count for `other` tells about this as well.
    pub fn same_subject(&self, other: &Self) -> bool {
        Self { request: self.request.clone(), ..other.clone() } == *self
    }
}

/// What a count starts with.
#[derive(Clone, Debug)]
pub struct CountInput {
    /// How fast the hub may be asked.
    pub rates: Rates,
    /// Characters that a query leaves for the target's condition.
    pub room: usize,
    /// What an attempt before this one has counted, part by part.
    pub counted: Vec<Counts>,
}

/// What a sweep is for. While this stays the same, a sweep that runs is the right one.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepKey {
    /// The hub, with its credential.
    pub hub: HubConnection,
    /// The devices.
    pub target: Target,
    /// The desired property.
    pub property: String,
    /// The revision to deliver.
    pub goal: Goal,
    /// Whether every device keeps the revision that it holds, and nobody gets a new one.
    pub hold: bool,
    /// What links depend on.
    pub policy: LinkPolicy,
    /// The value of the annotation that makes everything be looked at again.
    pub request: Option<String>,
}

impl SweepKey {
    /// Whether a sweep for `other` has delivered the same. Its links may be older ones: a renewal takes nothing back.
    pub fn same_delivery(&self, other: &Self) -> bool {
        (&self.target, &self.property, &self.goal, self.hold, self.policy.lifetime)
            == (&other.target, &other.property, &other.goal, other.hold, other.policy.lifetime)
    }
}

/// What a sweep starts with.
#[derive(Clone, Debug)]
pub struct SweepInput {
    /// How fast the hub may be asked.
    pub rates: Rates,
    /// How long before its expiry a link is renewed.
    pub lead: Duration,
    /// Whether links are about to die: then its queries go before others.
    pub urgent: bool,
    /// Characters that a query leaves for the target's condition.
    pub room: usize,
    /// Everything that the inventory knows.
    pub revisions: Vec<Goal>,
    /// Of these, the ones that devices may hold, as the last count says.
    pub held: Vec<BlobUri>,
    /// Blobs that twins link to, and of which a listing since knows nothing later.
    pub gone: BTreeSet<BlobUri>,
}

impl Task {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Inventory(_) => Kind::Inventory,
            Self::Store(..) => Kind::Store,
            Self::Count(..) => Kind::Count,
            Self::Sweep(..) => Kind::Sweep,
        }
    }

    /// Whether both are for the same.
    pub fn same_key(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inventory(one), Self::Inventory(other)) => one == other,
            (Self::Store(one, _), Self::Store(other, _)) => one == other,
            (Self::Count(one, _), Self::Count(other, _)) => one == other,
            (Self::Sweep(one, _), Self::Sweep(other, _)) => one == other,
            _ => false,
        }
    }
}
