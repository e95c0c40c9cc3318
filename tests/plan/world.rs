//! A world at rest, and ways to disturb it.

use std::{sync::Arc, time::Duration};

use blobrollout::{
    api::{BlobRollout, BlobRolloutStatus, conditions::Reason},
    fleet::{Counts, Tally},
    hub::connection::HubConnection,
    retry_class::RetryClass,
    rollout::{
        Plan, Rollout,
        asset::Asset,
        facts::Facts,
        fault::Fault,
        found::Found,
        plan,
        task::{CountKey, InventoryKey, Kind, SweepInput, SweepKey, Task},
        view::View,
    },
    storage::{BlobMetadata, StorageAccount, StoredBlob},
};
use bytes::Bytes;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

pub const PATH: &str = "plant/ns/recipes";

/// The object, what is known beside it, what the services really hold, and the time.
#[derive(Clone)]
pub struct World {
    pub object: Value,
    pub facts: Facts,
    /// What storage holds.
    pub blobs: Vec<StoredBlob>,
    /// What the twins say.
    pub fleet: Counts,
    pub now: Timestamp,
}

/// An instant.
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Whole minutes.
pub fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// Whole seconds.
pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// An account with one of many keys.
pub fn account(name: &str, key: &str) -> StorageAccount {
    let text = format!("AccountName={name};AccountKey={key};EndpointSuffix=core.windows.net");
    StorageAccount::parse(&text, false).unwrap()
}

/// A hub with one of many keys.
pub fn hub(host: &str, key: &str) -> HubConnection {
    let text = format!("HostName={host};SharedAccessKeyName=service;SharedAccessKey={key}");
    HubConnection::parse(&text).unwrap()
}

/// A disturbance.
pub fn away(reason: Reason) -> Fault {
    Fault { reason, message: "away".into(), class: RetryClass::Transient }
}

/// A thousand ids as long as a uuid.
pub fn thousand_ids() -> Value {
    json!({"deviceIds": (0..1000).map(|n| format!("{n:0>36}")).collect::<Vec<_>>()})
}

impl World {
    /// Twenty devices that have received the asset `hello`, looked at a moment ago.
    pub fn at_rest() -> Self {
        let object = json!({
            "apiVersion": "blobrollout.dev/v1alpha1",
            "kind": "BlobRollout",
            "metadata": {
                "namespace": "ns", "name": "recipes", "uid": "uid-1", "generation": 1, "annotations": {},
                "creationTimestamp": "2026-11-24T09:00:00Z",
            },
            "spec": {
                "source": {"configMapKeyRef": {"name": "recipes", "key": "recipes.json"}},
                "contentType": "application/json",
                "storage": {
                    "container": "rollouts", "prefix": "plant", "connectionStringSecretRef": {"name": "s", "key": "k"},
                },
                "hub": {"connectionStringSecretRef": {"name": "h", "key": "k"}},
                "target": {"query": "tags.site = 'plant-a'"},
            },
        });
        let facts = Facts {
            asset: Ok(Asset::new(Bytes::from("hello"))),
            account: Ok(account("account", "a2V5MQ==")),
            hub: Ok(hub("hub.azure-devices.net", "a2V5MQ==")),
            skew: minutes(15),
            secrets_watched: true,
            unseen: 0,
            found: Found::default(),
        };
        let now = at("2026-11-24T12:00:00Z");
        let mut world = Self { object, facts, blobs: Vec::new(), fleet: Counts::default(), now };
        world.blob("hello", at("2026-11-24T10:00:00.1234567Z"));
        world.list();
        world.all_hold("hello", 20);
        world.look();
        world.settle();
        assert_eq!(world.kinds(), [], "a world at rest");
        world
    }

    /// Plans.
    pub fn plan(&self) -> Plan {
        plan(&self.rollout(), &self.facts, self.now)
    }

    /// The object as the operator reads it.
    pub fn read(&self) -> BlobRollout {
        serde_json::from_value(self.object.clone()).unwrap()
    }

    /// The object as it is planned for.
    pub fn rollout(&self) -> Rollout {
        Rollout::of(&self.read())
    }

    /// The status that the plan gives becomes the object's.
    pub fn settle(&mut self) {
        let status = self.plan().status;
        self.object["status"] = serde_json::to_value(status).unwrap();
    }

    /// The object's status.
    pub fn before(&self) -> BlobRolloutStatus {
        self.rollout().before
    }

    /// Changes the spec, as a user does.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.object["spec"]);
        let generation = self.object["metadata"]["generation"].as_i64().unwrap();
        self.object["metadata"]["generation"] = json!(generation + 1);
    }

    /// Sets the annotation `name`.
    pub fn annotate(&mut self, name: &str, value: &str) {
        self.object["metadata"]["annotations"][name] = json!(value);
    }

    /// The kinds of work that are wanted.
    pub fn kinds(&self) -> Vec<Kind> {
        self.plan().tasks.iter().map(Task::kind).collect()
    }

    /// Whether work of this kind is wanted.
    pub fn wants(&self, kind: Kind) -> bool {
        self.kinds().contains(&kind)
    }

    /// How long until the plan looks again.
    pub fn wake(&self) -> Duration {
        Duration::try_from(self.plan().wake.duration_since(self.now)).unwrap_or_default()
    }

    /// What a condition says: its status and reason, or nothing where it is absent.
    pub fn said(&self, kind: &str) -> String {
        let conditions = self.plan().status.conditions;
        let found = conditions.iter().find(|condition| condition.type_ == kind);
        found.map_or_else(String::new, |found| format!("{} {}", found.status, found.reason))
    }

    /// What Ready says in a sentence.
    pub fn message(&self) -> String {
        let conditions = self.plan().status.conditions;
        conditions.into_iter().find(|condition| condition.type_ == "Ready").unwrap().message
    }

    /// The sweep that is wanted.
    pub fn sweep(&self) -> (SweepKey, SweepInput) {
        let sweep = self.plan().tasks.into_iter().find_map(|task| match task {
            Task::Sweep(key, input) => Some((key, *input)),
            _ => None,
        });
        sweep.unwrap_or_else(|| panic!("no sweep is wanted: {}", self.message()))
    }

    /// Which blobs are listed.
    pub fn inventory_key(&self) -> InventoryKey {
        View::of(&self.rollout(), &self.facts, self.now).inventory_key.unwrap()
    }

    /// What is counted.
    pub fn count_key(&self) -> CountKey {
        View::of(&self.rollout(), &self.facts, self.now).delivery.unwrap().count_key
    }

    /// What a sweep is for, wanted now or not.
    pub fn sweep_key(&self) -> SweepKey {
        View::of(&self.rollout(), &self.facts, self.now).delivery.unwrap().sweep_key
    }

    /// The source has other content.
    pub fn asset(&mut self, text: &'static str) {
        self.facts.asset = Ok(Asset::new(Bytes::from(text)));
    }

    /// Storage holds this content, which became the goal at `ts`.
    pub fn blob(&mut self, text: &str, ts: Timestamp) {
        let asset = Asset::new(Bytes::copy_from_slice(text.as_bytes()));
        let metadata = BlobMetadata {
            sha256: Some(asset.sha256.clone()),
            ts: Some(ts),
            first_ts: Some(ts),
            uid: Some("uid-1".into()),
            created: Some(at("2026-11-24T09:00:00Z")),
            generation: Some(1),
            ..BlobMetadata::default()
        };
        self.blobs.push(StoredBlob {
            name: format!("{PATH}/{}", asset.sha256),
            size: asset.bytes.len() as u64,
            etag: format!("\"etag of {text}\""),
            content_type: Some("application/json".into()),
            metadata,
        });
    }

    /// The account has another key.
    pub fn rotate_key(&mut self) {
        self.facts.account = Ok(account("account", "a2V5Mg=="));
    }

    /// What tasks have found, to change it.
    pub fn found(&mut self) -> &mut Found {
        &mut self.facts.found
    }

    /// The blobs have just been listed.
    pub fn list(&mut self) {
        let (key, now, blobs) = (self.inventory_key(), self.now, self.blobs.clone());
        self.found().inventory.note(key, now, now, Ok(blobs));
    }

    /// The fleet has just been counted.
    pub fn count(&mut self) {
        let (key, now, counts) = (self.count_key(), self.now, self.fleet.clone());
        let before = self.facts.found.count.done.as_ref().filter(|before| before.key.same_subject(&key));
        if before.is_none_or(|before| !before.outcome.is_as_far_as(&counts, &key.blob)) {
            self.found().count_changed = Some(now);
        }
        self.found().count_parts = None;
        self.found().count.note(key, now, now, Ok(counts));
    }

    /// A sweep has just ended, and has written nobody.
    pub fn swept(&mut self) {
        self.swept_with(|_| ());
    }

    /// A sweep has just ended like this.
    pub fn swept_with(&mut self, change: impl FnOnce(&mut Tally)) {
        let (key, now) = (self.sweep_key(), self.now);
        let mut tally = Tally { round_began: Some(now), ..Tally::default() };
        change(&mut tally);
        if tally.written > 0 {
            self.found().written = Some(now);
        }
        let leftovers = self.facts.found.leftovers;
        self.found().leftovers = if tally.round.left > 0 { leftovers + 1 } else { 0 };
        self.found().sweep.note(key, now, now, Ok(tally));
    }

    /// Everything has just been looked at, and nothing was to be done.
    pub fn look(&mut self) {
        self.list();
        self.count();
        self.swept();
    }

    /// A sweep for what is wanted now is under way.
    pub fn run_sweep(&mut self, tally: Tally) {
        let key = self.sweep_key();
        self.found().sweeping = Some((key, tally));
    }

    /// The sweep that was under way has ended in one way or another.
    pub fn stop_sweep(&mut self) {
        self.found().sweeping = None;
    }

    /// Counting has just failed.
    pub fn count_fails(&mut self, fault: Fault) {
        let (key, now) = (self.count_key(), self.now);
        self.found().count.note(key, now, now, Err(fault));
    }

    /// The sweep has just failed.
    pub fn sweep_fails(&mut self, fault: Fault) {
        let (key, now) = (self.sweep_key(), self.now);
        self.found().sweep.note(key, now, now, Err(fault));
    }

    /// Listing has just failed.
    pub fn list_fails(&mut self, fault: Fault) {
        let (key, now) = (self.inventory_key(), self.now);
        self.found().inventory.note(key, now, now, Err(fault));
    }

    /// Storing has just failed, and the blobs were listed again.
    pub fn store_fails(&mut self, fault: Fault) {
        let key = View::of(&self.rollout(), &self.facts, self.now).store_key.unwrap();
        let now = self.now;
        self.found().store.note(key, now, now, Err(fault));
        self.list();
    }

    /// The hub answers neither counts nor sweeps.
    pub fn hub_away(&mut self) {
        self.count_fails(away(Reason::HubUnavailable));
        self.sweep_fails(away(Reason::HubUnavailable));
    }

    /// The process has begun anew.
    pub fn restart(&mut self) {
        self.facts.found = Found::default();
    }

    /// Changes the counts that were found last.
    pub fn counted(&mut self) -> &mut Counts {
        &mut Arc::make_mut(self.facts.found.count.done.as_mut().unwrap()).outcome
    }
}
