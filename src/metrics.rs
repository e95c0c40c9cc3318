//! What Prometheus may know. Labels come from enumerations alone, so their number is bounded and none can carry a secret.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use kube::{Resource, ResourceExt};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{
    api::{
        BlobRollout,
        conditions::{READY, is_true},
        status::DevicesStatus,
    },
    controller::decide::Plan,
    fleet::Tally,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

/// All metrics of the process; clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    passes: Family<ByReason, Counter>,
    twin_writes: Counter,
    devices: Family<ByState, Gauge>,
    rollouts: Family<ByState, Gauge>,
    first_expiry: Gauge<f64, AtomicU64>,
    /// What each rollout adds to the sums above.
    seen: Arc<Mutex<HashMap<String, Seen>>>,
}

#[derive(Default)]
struct Seen {
    ready: bool,
    devices: DevicesStatus,
    expires: Option<f64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("blobrollout");
        let passes = Family::default();
        registry.register("passes", "Passes over a rollout, by the reason of Ready after it", passes.clone());
        let twin_writes = Counter::default();
        registry.register("twin_writes", "Twins written", twin_writes.clone());
        let devices = Family::default();
        registry.register("devices", "Devices of all rollouts, by state", devices.clone());
        let rollouts = Family::default();
        registry.register("rollouts", "Rollouts, by whether they are ready", rollouts.clone());
        let first_expiry = Gauge::default();
        registry.register(
            "first_expiry_timestamp_seconds",
            "When the first link of all rollouts expires unless it is renewed",
            first_expiry.clone(),
        );
        Self {
            registry: Arc::new(registry),
            passes,
            twin_writes,
            devices,
            rollouts,
            first_expiry,
            seen: Arc::default(),
        }
    }
}

impl Metrics {
    /// A sweep has ended.
    pub fn swept(&self, tally: &Tally) {
        self.twin_writes.inc_by(tally.written);
    }

    /// A pass has ended.
    pub fn observed(&self, object: &BlobRollout, plan: &Plan) {
        let conditions = &plan.status.conditions;
        let reason = conditions.iter().find(|condition| condition.type_ == READY);
        let reason = reason.map(|condition| condition.reason.clone()).unwrap_or_default();
        self.passes.get_or_create(&ByReason { reason }).inc();
        let expires = plan.status.sas.as_ref().and_then(|sas| sas.expiry_time.as_ref());
        let seen = Seen {
            ready: is_true(conditions, READY),
            devices: plan.status.devices.clone().unwrap_or_default(),
            expires: expires
                .map(|time| time.0.as_second())
                .and_then(|second| i32::try_from(second).ok())
                .map(f64::from),
        };
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(object.meta().uid.clone().unwrap_or_else(|| object.name_any()), seen);
        self.sum(&all);
    }

    /// A rollout is gone.
    pub fn forget(&self, uid: &str) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(uid);
        self.sum(&all);
    }

    fn sum(&self, all: &HashMap<String, Seen>) {
        let devices = |of: fn(&DevicesStatus) -> i64| all.values().map(|seen| of(&seen.devices)).sum::<i64>();
        for (state, count) in [
            ("targeted", devices(|d| d.targeted)),
            ("linked", devices(|d| d.linked)),
            ("received", devices(|d| d.received)),
            ("failed", devices(|d| d.failed)),
            ("pending", devices(|d| d.pending)),
            ("unreachable", devices(|d| d.unreachable)),
            ("conflicted", devices(|d| d.conflicted)),
        ] {
            self.devices.get_or_create(&ByState { state }).set(count);
        }
        let ready = all.values().filter(|seen| seen.ready).count();
        for (state, count) in [("ready", ready), ("not_ready", all.len() - ready)] {
            self.rollouts.get_or_create(&ByState { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.first_expiry.set(all.values().filter_map(|seen| seen.expires).fold(f64::INFINITY, f64::min));
    }

    /// The text that Prometheus reads.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _infallible = encode(&mut text, &self.registry);
        text
    }
}
