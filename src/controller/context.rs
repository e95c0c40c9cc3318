//! What every reconcile shares.

use std::{sync::Arc, time::Duration};

use kube::{Client, runtime::events::Recorder};

use super::{sightings::Sightings, supervisor::Supervisor, unwritten::Unwritten};
use crate::{clock::Clock, metrics::Metrics};

/// What the installer decides for all rollouts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The one namespace to watch; all where it is absent.
    pub namespace: Option<String>,
    /// How far clocks may differ: links begin that much earlier and are renewed that much earlier.
    pub clock_skew: Duration,
    /// Whether storage may be reached without TLS.
    pub allow_http_storage: bool,
    /// Tells the time to the whole process.
    pub clock: Clock,
}

impl Options {
    /// Secrets are watched where the operator has one namespace; cluster-wide, the ones referred to are read once a minute.
    pub fn secrets_watched(&self) -> bool {
        self.namespace.is_some()
    }
}

/// What every reconcile shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Writes Events.
    pub recorder: Recorder,
    /// The installer's decisions.
    pub options: Options,
    /// Runs the tasks.
    pub supervisor: Arc<Supervisor>,
    /// What was last seen of the objects that rollouts refer to.
    pub sightings: Sightings,
    /// Statuses that could not be written.
    pub unwritten: Unwritten,
    /// Counters.
    pub metrics: Metrics,
}
