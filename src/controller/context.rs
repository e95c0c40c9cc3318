//! What every pass shares.

use std::{sync::Arc, time::Duration};

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
use crate::{api::BlobRollout, fleet::Owners, hub::registry::HubRegistry, metrics::Metrics};

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
    /// Clients of hubs, which share what a hub counts together.
    pub hubs: HubRegistry,
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
        owners(&self.rollouts.state(), object, property)
    }
}

/// One whose spec is invalid at the moment is live all the same, and its devices are not free to be taken.
fn owners(all: &[Arc<BlobRollout>], object: &BlobRollout, property: &str) -> Owners {
    let mut owners = Owners::default();
    for other in all {
        let (meta, storage) = (other.meta(), &other.spec.storage);
        let same = meta.uid == object.meta().uid;
        if same || meta.deletion_timestamp.is_some() || other.spec.twin.property != property {
            continue;
        }
        let namespace = other.namespace().unwrap_or_default();
        owners.add(&storage.container, &storage.path(&namespace, &other.name_any()));
    }
    owners
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::storage::link::BlobUri;

    fn rollout(name: &str, meta: &Value, property: &str, base64: &str) -> Arc<BlobRollout> {
        let mut object = json!({
            "apiVersion": "blobrollout.dev/v1alpha1", "kind": "BlobRollout",
            "metadata": {"name": name, "namespace": "ns", "uid": name},
            "spec": {
                "source": {"inline": {"base64": base64}},
                "storage": {"container": "rollouts", "prefix": "plant", "connectionStringSecretRef": {"name": "s", "key": "k"}},
                "hub": {"connectionStringSecretRef": {"name": "h", "key": "k"}},
                "target": {"query": "a = 1"},
                "twin": {"property": property},
            },
        });
        object["metadata"].as_object_mut().unwrap().extend(meta.as_object().unwrap().clone());
        Arc::new(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn every_live_rollout_of_the_property_keeps_its_devices() {
        let gone = json!({"deletionTimestamp": "2026-11-24T12:00:00Z"});
        let all = [
            rollout("me", &json!({}), "p", "YQ=="),
            rollout("valid", &json!({}), "p", "YQ=="),
            rollout("invalid", &json!({}), "p", "no base64!"),
            rollout("other", &json!({}), "q", "YQ=="),
            rollout("deleted", &gone, "p", "YQ=="),
        ];
        let owners = owners(&all, &all[0], "p");
        for (name, want) in
            [("me", false), ("valid", true), ("invalid", true), ("other", false), ("deleted", false)]
        {
            let uri = format!("https://a/rollouts/plant/ns/{name}/{}", "0".repeat(64));
            assert_eq!(owners.own(&BlobUri::of(&uri).unwrap()), want, "{name}");
        }
    }
}
