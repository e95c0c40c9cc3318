//! What every pass shares.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::{
    Client, Resource, ResourceExt,
    runtime::{
        events::Recorder,
        reflector::{ObjectRef, Store},
    },
};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::task::TaskTracker;

use super::memory::Memory;
use crate::{
    api::{BlobRollout, Intent},
    fleet::Owners,
    hub::pool::HubPool,
    metrics::Metrics,
};

/// What the installer decides for all rollouts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The one namespace to watch; all where it is absent.
    pub namespace: Option<String>,
    /// How far clocks may differ: links begin that much earlier and are renewed that much earlier.
    pub clock_skew: Duration,
    /// Whether storage may be reached without TLS.
    pub allow_http_storage: bool,
}

impl Options {
    /// Secrets are watched where the operator has one namespace; cluster-wide, the ones referred to are read once a minute.
    pub fn secrets_watched(&self) -> bool {
        self.namespace.is_some()
    }
}

/// What every pass shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Writes Events.
    pub recorder: Recorder,
    /// The installer's decisions.
    pub options: Options,
    /// Speaks to blob storage.
    pub storage_http: reqwest::Client,
    /// Clients of hubs, shared by host and policy.
    pub hubs: HubPool,
    /// What is remembered between passes.
    pub memory: Memory,
    /// All rollouts that we see.
    pub rollouts: Store<BlobRollout>,
    /// Asks for a pass.
    pub wake: UnboundedSender<ObjectRef<BlobRollout>>,
    /// The sweeps that run, for the end of the process to wait for.
    pub tasks: TaskTracker,
    /// Counters.
    pub metrics: Metrics,
}

impl Context {
    /// The time. The one place where the operator looks at a clock.
    pub fn now() -> Timestamp {
        Timestamp::now()
    }

    /// The live rollouts other than `object` that write `property`: links into their paths are theirs.
    pub fn owners(&self, object: &BlobRollout, property: &str) -> Owners {
        let mut owners = Owners::default();
        for other in self.rollouts.state() {
            if other.meta().uid == object.meta().uid
                || other.meta().deletion_timestamp.is_some()
                || other.spec.twin.property != property
            {
                continue;
            }
            let (Some(namespace), Ok(intent)) = (other.namespace(), Intent::parse(&other.spec)) else {
                continue;
            };
            owners.add(&intent.container, &intent.path(&namespace, &other.name_any()));
        }
        owners
    }
}
