//! The status: computed whole from what was seen and decided. Pure.

use std::collections::HashSet;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::{
    decide::Step,
    delivery::Delivery,
    fault::Fault,
    observed::{Counted, Observed},
    revision::{Choice, Revision},
    verdict,
};
use crate::{
    api::{
        BlobRolloutStatus,
        conditions::{Say, conditions},
        status::{AssetStatus, DevicesStatus, FailureStatus, HubStatus, SasStatus},
    },
    time::{minus, ts, whole_seconds},
};

/// Most failing devices that a status names.
const FAILURES: usize = 20;

/// What the decision has come to so far.
pub struct Story<'a> {
    /// The revision.
    pub choice: &'a Choice,
    /// Its delivery.
    pub delivery: &'a Delivery,
    /// What is done next.
    pub step: &'a Step,
}

/// The status of a rollout that stands still for a fault that no part of it can do without.
pub fn blocked(seen: &Observed, fault: &Fault, now: Timestamp) -> BlobRolloutStatus {
    let say = verdict::on_fault(seen, fault);
    BlobRolloutStatus {
        observed_generation: seen.generation,
        conditions: with_conditions(seen, &say, now),
        ..seen.before.clone()
    }
}

/// The status of a rollout under way.
pub fn tell(seen: &Observed, story: &Story<'_>, now: Timestamp) -> BlobRolloutStatus {
    let goal = story.choice.goal.as_ref().and_then(|goal| asset(goal, story.delivery));
    // Where there is none, devices have what they had.
    let asset = goal.or_else(|| seen.before.asset.clone());
    let counted = story.delivery.counted.as_ref();
    let same = asset == seen.before.asset;
    BlobRolloutStatus {
        observed_generation: seen.generation,
        conditions: with_conditions(seen, &verdict::on_delivery(seen, story, counted), now),
        sas: asset.as_ref().map(|_| sas(seen, story.delivery, same, now)),
        devices: counted
            .map(|counted| devices(seen, counted, story.delivery))
            .or_else(|| seen.before.devices.clone().filter(|_| same)),
        hub: hub(seen),
        last_handled_reconcile_request: seen.before.last_handled_reconcile_request.clone(),
        failures: match counted {
            // Nothing new is known about them, as after a restart.
            None if same => seen.before.failures.clone(),
            _ => failures(counted, story.delivery),
        },
        asset,
    }
}

/// The hub that the rollout is bound to: the one that has answered. A name that was mistyped binds nobody.
fn hub(seen: &Observed) -> Option<HubStatus> {
    let answered = seen.hub.as_ref().ok().filter(|_| seen.counted.is_some());
    answered.map(|hub| HubStatus { host_name: hub.host_name.clone() }).or_else(|| seen.before.hub.clone())
}

fn with_conditions(
    seen: &Observed,
    say: &[Say],
    now: Timestamp,
) -> Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    conditions(say, &seen.before.conditions, seen.generation, now)
}

fn asset(goal: &Revision, delivery: &Delivery) -> Option<AssetStatus> {
    Some(AssetStatus {
        revision: goal.sha256.chars().take(12).collect(),
        sha256: goal.sha256.clone(),
        size: i64::try_from(goal.size).unwrap_or(i64::MAX),
        uri: delivery.blob.as_ref()?.as_str().to_owned(),
        ts: ts(goal.ts),
    })
}

/// The first expiry among the links in the twins stays the first until it is no longer good; then a renewal leaves only the
/// latest. Where nothing is known, the earlier one is said.
fn sas(seen: &Observed, delivery: &Delivery, same: bool, now: Timestamp) -> SasStatus {
    let good = delivery.grid.good_expiries(now);
    let known =
        seen.before.sas.as_ref().filter(|_| same).and_then(|sas| sas.expiry_time.as_ref()).map(|time| time.0);
    let all_new = delivery.swept
        && !same
        && seen
            .counted
            .as_ref()
            .zip(delivery.tally.as_ref())
            .is_some_and(|(counted, tally)| tally.written >= counted.counts.targeted);
    let latest = good.first().copied().unwrap_or(now);
    let expires = match known {
        // Until a sweep has replaced them, the former links are what twins hold.
        Some(known) if good.contains(&known) || !delivery.swept => known,
        Some(_) => latest,
        None if all_new => latest,
        None => good.last().copied().unwrap_or(latest),
    };
    SasStatus {
        expiry_time: Some(time(expires)),
        renewal_time: Some(time(minus(expires, delivery.grid.lead()))),
        ..SasStatus::default()
    }
}

/// A status has whole seconds; what is finer would differ from what is read back.
fn time(at: Timestamp) -> Time {
    Time(whole_seconds(at))
}

fn devices(seen: &Observed, counted: &Counted, delivery: &Delivery) -> DevicesStatus {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let counts = &counted.counts;
    let conflicted = delivery.tally.as_ref().map_or_else(
        || seen.before.devices.as_ref().map_or(0, |before| before.conflicted),
        |tally| number(tally.conflicted),
    );
    let mut devices = DevicesStatus {
        targeted: number(counts.targeted),
        linked: number(counts.linked),
        received: number(counts.received),
        failed: number(counts.failed),
        pending: number(counts.pending),
        unreachable: number(counts.unreachable),
        conflicted,
        summary: format!("{}/{}", counts.received, counts.targeted),
        ..DevicesStatus::default()
    };
    // The same numbers keep their time: a world that stands still costs no write.
    let before = seen.before.devices.clone().unwrap_or_default();
    let since = DevicesStatus { observed_time: None, ..before.clone() };
    devices.observed_time = if since == devices { before.observed_time } else { Some(time(counted.at)) };
    devices
}

/// Devices that could not be written come first: they are ours to explain. Each is named once, as the list's key must be.
fn failures(counted: Option<&Counted>, delivery: &Delivery) -> Vec<FailureStatus> {
    let refused = delivery.tally.iter().flat_map(|tally| &tally.refusals);
    let answered = counted.iter().flat_map(|counted| &counted.failures);
    let mut named = HashSet::new();
    refused
        .chain(answered)
        .filter(|sample| named.insert(&sample.device_id))
        .take(FAILURES)
        .map(|sample| FailureStatus { device_id: sample.device_id.clone(), reason: sample.reason.clone() })
        .collect()
}
