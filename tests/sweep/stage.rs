//! A hub, a storage and what a task needs, in a time of their own.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use blobrollout::{
    clock::Clock,
    fleet::{Goal, Owner, Owners, Tally, Target, attempts::Attempts},
    hub::{connection::HubConnection, registry::HubRegistry, sku::Rates},
    metrics::Metrics,
    rollout::{
        fault::Fault,
        links::LinkPolicy,
        task::{SweepInput, SweepKey},
    },
    storage::{
        StorageAccount,
        link::{BlobUri, Link},
    },
    tasks::{Assignment, Reached, Tools, sweep::sweep},
    time::{plus, ts},
};
use iothub_emulator::{Emulator, Route, Settings};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{storage::Storage, time};

pub const LIFETIME: Duration = Duration::from_hours(168);
pub const LEAD: Duration = Duration::from_hours(56);
pub const PROPERTY: &str = "recipes";
/// Rates that hold up nobody.
pub const FAST: Rates = Rates { twin_writes: 100_000.0, twin_reads: 100_000.0, queries: 100_000.0 };

pub struct Stage {
    pub hub: Emulator,
    pub storage: Storage,
    pub tools: Tools,
    /// What is remembered from one sweep to the next.
    pub attempts: Arc<Mutex<Attempts>>,
    pub policy: LinkPolicy,
    connection: HubConnection,
}

/// What a sweep is for.
#[derive(Clone)]
pub struct Order {
    pub key: SweepKey,
    pub input: SweepInput,
}

impl Stage {
    /// With devices `sensor-001` and so on, at plant a.
    pub async fn with(devices: u32) -> Self {
        Self::set_up(devices, Settings::default()).await
    }

    /// The same, at a hub whose queries see it as it was so long ago.
    pub async fn lagging(devices: u32, lag: Duration) -> Self {
        let mut settings = Settings::default();
        settings.queries.index_lag = lag;
        let stage = Self::set_up(devices, settings).await;
        stage.hub.clock().advance(lag);
        stage
    }

    async fn set_up(devices: u32, settings: Settings) -> Self {
        let hands = time::begin();
        let hub = Emulator::start(Settings { clock: hands.clone(), ..settings }).await.unwrap();
        for number in 1..=devices {
            hub.create_device(&sensor(number), &json!({"site": "plant-a"})).unwrap();
        }
        let storage = Storage::start().await;
        let clock = Clock::new(move || time::instant(&hands));
        let ca = reqwest::Certificate::from_pem(hub.ca_pem().as_bytes()).unwrap();
        // As the operator's own, which trusts the machine's authorities alone.
        let http = reqwest::Client::builder().tls_certs_merge([ca]).timeout(Duration::from_mins(1));
        let cluster = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
        let tools = Tools {
            client: kube::Client::try_from(cluster).unwrap(),
            storage_http: blobrollout::storage::http_client().unwrap(),
            hubs: HubRegistry::new(http.build().unwrap(), clock.clone()),
            owners: Arc::new(Owners::new(None)),
            clock,
            metrics: Metrics::default(),
        };
        let policy = LinkPolicy {
            uid: "uid-1".into(),
            account: StorageAccount::parse(&storage.connection_string(), true).unwrap(),
            container: "rollouts".into(),
            lifetime: LIFETIME,
            renew_request: None,
            skew: Duration::from_mins(15),
        };
        let connection = HubConnection::parse(&hub.policy_connection_string("service").unwrap()).unwrap();
        Self { hub, storage, tools, attempts: Arc::default(), policy, connection }
    }

    /// The rollout's revision of this number. The higher ones became the goal later.
    pub fn revision(&self, number: u32) -> Goal {
        self.revision_of("ns/recipes", number)
    }

    /// The same of the rollout whose blobs are below `path`.
    pub fn revision_of(&self, path: &str, number: u32) -> Goal {
        let name = format!("{path}/{number:064x}");
        let at = plus("2025-05-01T00:00:00Z".parse().unwrap(), Duration::from_hours(number.into()));
        Goal {
            blob: self.policy.signer().blob(&name).unwrap(),
            name,
            ts: at,
            first_ts: at,
            content_type: "application/json".into(),
            sha256: None,
            size: Some(5),
        }
    }

    /// The order to deliver `goal`, which the inventory knows together with `others`, to all devices at plant a.
    pub fn deliver(&self, goal: &Goal, others: &[Goal]) -> Order {
        let key = SweepKey {
            hub: self.connection.clone(),
            target: Target::parse(Some("tags.site = 'plant-a'"), None).unwrap(),
            property: PROPERTY.into(),
            goal: goal.clone(),
            hold: false,
            policy: self.policy.clone(),
            request: None,
        };
        let revisions = [goal].into_iter().chain(others).cloned().collect();
        let input = SweepInput {
            rates: FAST,
            lead: LEAD,
            urgent: false,
            room: 5000,
            revisions,
            held: Vec::new(),
            gone: BTreeSet::new(),
        };
        Order { key, input }
    }

    /// What a task gets, and how far it is.
    pub fn assignment(&self) -> (Assignment, watch::Receiver<Reached>) {
        let (reached, seen) = watch::channel(Reached::default());
        let assignment = Assignment {
            rollout: ObjectRef::new("recipes").within("ns"),
            uid: self.policy.uid.clone(),
            cancel: CancellationToken::new(),
            reached,
            attempts: Arc::clone(&self.attempts),
        };
        (assignment, seen)
    }

    /// Sweeps until it is over.
    pub async fn try_to_sweep(&self, order: &Order) -> Result<Tally, Fault> {
        let (assignment, _seen) = self.assignment();
        sweep(order.key.clone(), order.input.clone(), &assignment, &self.tools).await
    }

    /// The same, which must succeed.
    pub async fn sweep(&self, order: &Order) -> Tally {
        self.try_to_sweep(order).await.unwrap()
    }

    pub fn now(&self) -> Timestamp {
        self.tools.clock.now()
    }

    pub fn connection(&self) -> HubConnection {
        self.connection.clone()
    }

    /// A link to a revision that was minted so long ago.
    pub fn link(&self, revision: &Goal, ago: Duration) -> String {
        let minted = self.now().saturating_sub(ago).unwrap();
        self.policy.links(LEAD).mint(&revision.name, minted).unwrap().expose().to_owned()
    }

    /// What a twin says that was given a revision so long ago.
    pub fn given(&self, revision: &Goal, ago: Duration) -> Value {
        let (uri, at) = (self.link(revision, ago), ts(revision.ts));
        json!({"uri": uri, "ts": at, "contentType": "application/json", "size": 5})
    }

    /// Somebody writes the property.
    pub fn put(&self, device: &str, there: &Value) {
        self.hub.patch_twin(device, &json!({"properties": {"desired": {PROPERTY: there}}})).unwrap();
    }

    /// What stands under the property.
    pub fn there(&self, device: &str) -> Value {
        self.hub.twin(device).unwrap()["properties"]["desired"][PROPERTY].clone()
    }

    /// Whether a device holds a revision, with a link that is live beyond the lead, and nothing else.
    pub fn holds(&self, device: &str, revision: &Goal) -> bool {
        let there = self.there(device);
        let link = there["uri"].as_str().and_then(Link::parse);
        let live =
            link.is_some_and(|link| *link.blob() == revision.blob && link.expiry() > plus(self.now(), LEAD));
        let told = there["ts"].as_str().is_some_and(|at| *at >= *ts(revision.first_ts));
        let fields = (&there["contentType"], &there["size"]) == (&json!("application/json"), &json!(5));
        live && told && fields && there.as_object().is_some_and(|there| there.len() == 4)
    }

    /// Twins that were written over the wire.
    pub fn written(&self) -> u64 {
        self.hub.counts().with_status(Route::PatchTwin, 200)
    }

    pub fn patches(&self) -> u64 {
        self.hub.counts().of(Route::PatchTwin)
    }

    pub fn queries(&self) -> u64 {
        self.hub.counts().of(Route::Query)
    }

    /// From now on the rollout `ns/other` is live.
    pub fn enter_other(&self, target: Option<Target>) {
        let owner = Owner {
            name: "ns/other".into(),
            uid: "uid-2".into(),
            property: PROPERTY.into(),
            hub: None,
            target,
        };
        self.tools.owners.put("rollouts", "ns/other", owner);
    }
}

impl Order {
    /// The same, with every device kept where it is; the last count has seen these.
    pub fn held_at(mut self, held: Vec<BlobUri>) -> Self {
        self.key.hold = true;
        self.input.held = held;
        self
    }
}

pub fn sensor(number: u32) -> String {
    format!("sensor-{number:03}")
}
