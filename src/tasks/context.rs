//! What tasks get, what they leave, and what the errors of the services mean for a rollout.

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
    rollout::{fault::Fault, found::Reached},
    storage::StoreError,
};

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

/// What an error of blob storage means for a rollout.
pub fn storage_fault(error: &StoreError) -> Fault {
    Fault::of(error.retry_class(), Reason::StorageUnavailable, Reason::StorageRefused, error.to_string())
}

/// What an error of the hub means for a rollout.
pub fn hub_fault(error: &HubError) -> Fault {
    let refused = match error {
        HubError::BadRequest { .. } => Reason::QueryRefused,
        _ => Reason::HubRefused,
    };
    Fault::of(error.retry_class(), Reason::HubUnavailable, refused, error.to_string())
}
