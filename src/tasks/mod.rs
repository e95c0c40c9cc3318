//! The work that is done beside the reconciles: everything that asks storage, the hub, or a source. A file for each kind.
//!
//! A task gets what it needs as plain data, makes its clients by itself, looks at its token before every write, and leaves what it
//! found. Every call in it has a deadline; the whole has none where the hub's rates decide how long it takes.

pub mod count;
mod give;
pub mod inventory;
pub mod probe;
pub mod store;
pub mod sweep;
mod takeover;

use std::sync::{Arc, Mutex};

use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{BlobRollout, conditions::Reason},
    clock::Clock,
    fleet::{Owners, attempts::Attempts},
    hub::{error::HubError, registry::HubRegistry},
    metrics::Metrics,
    rollout::{fault::Fault, task::Task},
    storage::StoreError,
};

pub use crate::rollout::found::{Outcome, Reached};

/// What all tasks share.
pub struct Tools {
    /// The API server.
    pub client: kube::Client,
    /// Speaks to blob storage.
    pub storage_http: reqwest::Client,
    /// Clients of hubs, which share what each hub allows.
    pub hubs: HubRegistry,
    /// The live rollouts, whose links are left alone.
    pub owners: Arc<Owners>,
    /// Tells the time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
}

/// What a task gets beside what it is for.
pub struct Assignment {
    /// The rollout.
    pub rollout: ObjectRef<BlobRollout>,
    /// Its uid.
    pub uid: String,
    /// Ends the task before its next write.
    pub cancel: CancellationToken,
    /// Shows how far it is.
    pub reached: watch::Sender<Reached>,
    /// What became of the last attempts to write devices of the rollout.
    pub attempts: Arc<Mutex<Attempts>>,
}

/// Does `task`.
pub async fn run(task: Task, assignment: Assignment, tools: Arc<Tools>) -> Result<Outcome, Fault> {
    match task {
        Task::Inventory(key) => inventory::inventory(&key, &tools).await.map(Outcome::Listed),
        Task::Store(key, upkeep) => {
            store::store(&key, &upkeep, &assignment, &tools).await.map(|()| Outcome::Stored)
        }
        Task::Count(key, input) => count::count(&key, input, &assignment, &tools).await.map(Outcome::Counted),
        Task::Sweep(key, input) => sweep::sweep(key, *input, &assignment, &tools).await.map(Outcome::Swept),
    }
}

/// What an error of blob storage means for a rollout.
pub fn storage_fault(error: &StoreError) -> Fault {
    Fault::of(error.follow(), Reason::StorageUnavailable, Reason::StorageRefused, error.to_string())
}

/// What an error of the hub means for a rollout.
pub fn hub_fault(error: &HubError) -> Fault {
    let refused = match error {
        HubError::BadRequest { .. } => Reason::QueryRefused,
        _ => Reason::HubRefused,
    };
    Fault::of(error.follow(), Reason::HubUnavailable, refused, error.to_string())
}
