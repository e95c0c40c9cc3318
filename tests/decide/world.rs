//! A world at rest, and ways to disturb it.

use std::time::Duration;

use blobrollout::{
    api::{BlobRolloutSpec, BlobRolloutStatus, Intent, conditions::Reason},
    controller::{
        decide::{Plan, Step, decide},
        delivery::{Subject, Sweep},
        fault::Fault,
        observed::{Asset, Counted, Failed, Hub, Observed, Storage, SweepKey, SweepState, Swept},
    },
    fleet::{Counts, Owners, Tally},
    follow::Follow,
    storage::{BlobMetadata, StoredBlob, key::AccountKey, sas::LinkSigner},
};
use bytes::Bytes;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

const PATH: &str = "plant/ns/recipes";
const CONTAINER: &str = "https://account.blob.core.windows.net/rollouts";

/// What is seen, and when.
pub struct World {
    pub seen: Observed,
    pub spec: Value,
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

fn key(byte: u8) -> AccountKey {
    AccountKey::new("account", vec![byte; 32])
}

impl World {
    /// Twenty devices that have received the asset `hello`, looked at a moment ago.
    pub fn at_rest() -> Self {
        let spec = json!({
            "source": {"configMapKeyRef": {"name": "recipes", "key": "recipes.json"}},
            "contentType": "application/json",
            "storage": {"container": "rollouts", "prefix": "plant", "connectionStringSecretRef": {"name": "s", "key": "k"}},
            "hub": {"connectionStringSecretRef": {"name": "h", "key": "k"}},
            "target": {"query": "tags.site = 'plant-a'"},
        });
        let intent = parse(&spec);
        let rates = intent.as_ref().map(|intent| intent.sku.rates(intent.share)).unwrap();
        let storage = Storage {
            container_uri: CONTAINER.into(),
            fingerprint: key(1).fingerprint(),
            signer: LinkSigner::new(key(1), CONTAINER, "rollouts"),
            blobs: Vec::new(),
        };
        let seen = Observed {
            generation: Some(1),
            uid: "uid-1".into(),
            path: PATH.into(),
            renew_requested_at: None,
            before: BlobRolloutStatus::default(),
            intent,
            asset: Ok(Asset::new(Bytes::from("hello"))),
            storage: Ok(storage),
            hub: Ok(Hub { host_name: "hub.azure-devices.net".into(), fingerprint: "1".into(), rates }),
            owners: Owners::default(),
            counted: None,
            sweep: SweepState::default(),
            skew: minutes(15),
            secrets_watched: true,
            blind: 0,
            upkeep_failed: None,
            count_failed: None,
        };
        let mut world = Self { seen, spec, now: at("2026-11-24T12:00:00Z") };
        world.blob("hello", at("2026-11-24T10:00:00.1234567Z"));
        world.count(20, 20, 20, 0);
        world.sweep_now();
        let plan = world.decide();
        assert_eq!(plan.step, Step::Rest, "a world at rest");
        world.seen.before = plan.status;
        world
    }

    /// Decides.
    pub fn decide(&self) -> Plan {
        decide(&self.seen, self.now)
    }

    /// What a condition says: its status and reason, or nothing where it is absent.
    pub fn said(&self, kind: &str) -> String {
        let conditions = self.decide().status.conditions;
        let found = conditions.iter().find(|condition| condition.type_ == kind);
        found.map_or_else(String::new, |found| format!("{} {}", found.status, found.reason))
    }

    /// Parses the spec again after a change of it.
    pub fn parse(&mut self) {
        self.seen.intent = parse(&self.spec);
        self.seen.generation = self.seen.generation.map(|generation| generation + 1);
    }

    /// The source has other content.
    pub fn asset(&mut self, text: &'static str) {
        self.seen.asset = Ok(Asset::new(Bytes::from(text)));
    }

    /// Storage holds this content, which became the goal at `ts`.
    pub fn blob(&mut self, text: &'static str, ts: Timestamp) {
        let asset = Asset::new(Bytes::from(text));
        let blob = StoredBlob {
            name: format!("{PATH}/{}", asset.sha256),
            size: asset.bytes.len() as u64,
            etag: format!("\"etag of {text}\""),
            content_type: Some("application/json".into()),
            metadata: BlobMetadata {
                sha256: Some(asset.sha256),
                ts: Some(ts),
                uid: Some("uid-1".into()),
                ..BlobMetadata::default()
            },
        };
        self.storage_mut().blobs.push(blob);
    }

    /// What storage holds.
    pub fn storage(&self) -> &Storage {
        self.seen.storage.as_ref().unwrap()
    }

    /// What storage holds, to change it.
    pub fn storage_mut(&mut self) -> &mut Storage {
        self.seen.storage.as_mut().unwrap()
    }

    /// The account has another key.
    pub fn rotate_key(&mut self) {
        let storage = self.storage_mut();
        storage.fingerprint = key(2).fingerprint();
        storage.signer = LinkSigner::new(key(2), CONTAINER, "rollouts");
    }

    fn subject(&self) -> Subject {
        let goal = self.storage().blobs.iter().max_by_key(|blob| blob.metadata.ts).unwrap();
        let intent = self.seen.intent.as_ref().unwrap();
        Subject {
            target: intent.target.clone(),
            property: intent.property.clone(),
            reported_property: intent.reported_property.clone(),
            blob: self.storage().signer.blob(&goal.name).unwrap(),
        }
    }

    /// The fleet has just been counted for the goal.
    pub fn count(&mut self, targeted: u64, linked: u64, received: u64, failed: u64) {
        let pending = linked - received - failed;
        let counts = Counts { targeted, linked, received, failed, pending, unreachable: 0 };
        let subject = self.subject();
        self.seen.counted =
            Some(Counted { at: self.now, changed: self.now, subject, counts, failures: Vec::new() });
    }

    /// The fleet has been counted with the numbers that `status` shows.
    pub fn count_as_before(&mut self, status: &BlobRolloutStatus) {
        let devices = status.devices.clone().unwrap();
        let number = |n: i64| u64::try_from(n).unwrap();
        self.count(
            number(devices.targeted),
            number(devices.linked),
            number(devices.received),
            number(devices.failed),
        );
    }

    fn wanted(&self) -> Sweep {
        let mut asking = self.seen.clone();
        asking.sweep = SweepState::default();
        match decide(&asking, self.now).step {
            Step::Sweep(sweep) => sweep,
            step => panic!("a world without a sweep asks for {step:?}"),
        }
    }

    /// The sweep that is wanted has just been made and has found nothing to write.
    pub fn sweep_now(&mut self) {
        let key = self.wanted().key;
        self.swept(key, 0);
    }

    /// A sweep for `key` has just ended.
    pub fn swept(&mut self, key: SweepKey, written: u64) {
        let tally = Tally { written, ..Tally::default() };
        self.seen.sweep = SweepState {
            running: None,
            last: Some(Swept { key, began: self.now, ended: self.now, outcome: Ok(tally) }),
        };
    }

    /// Changes what the last sweep has done.
    pub fn tally(&mut self, change: impl FnOnce(&mut Tally)) {
        match self.seen.sweep.last.as_mut().map(|last| &mut last.outcome) {
            Some(Ok(tally)) => change(tally),
            _ => panic!("no sweep has ended well"),
        }
    }

    /// The sweep that is wanted has failed `times` times more than once, a moment ago.
    pub fn sweep_failed(&mut self, follow: Follow, times: u32) {
        let fault = Fault { reason: Reason::HubUnavailable, message: "down".into(), follow };
        let key = self.wanted().key;
        let failed = Failed { fault, at: self.now, times };
        self.seen.sweep.last = Some(Swept { key, began: self.now, ended: self.now, outcome: Err(failed) });
    }

    /// Storing has failed a moment ago.
    pub fn upkeep_failed(&mut self, follow: Follow) {
        let fault = Fault { reason: Reason::StorageRefused, message: "no".into(), follow };
        self.seen.upkeep_failed = Some(Failed { fault, at: self.now, times: 0 });
    }

    /// A sweep for `key` runs.
    pub fn run(&mut self, key: SweepKey) {
        self.seen.sweep.running = Some((key, Tally::default()));
    }

    /// The process has begun anew.
    pub fn forget(&mut self) {
        self.seen.counted = None;
        self.seen.sweep = SweepState::default();
    }
}

fn parse(spec: &Value) -> Result<Intent, Fault> {
    let spec: BlobRolloutSpec = serde_json::from_value(spec.clone()).unwrap();
    Intent::parse(&spec).map_err(Fault::from)
}
