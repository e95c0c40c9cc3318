//! The status: computed whole from facts. What nobody has looked at yet stays as it was. Pure.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::{
    conditions::{same_asset, stated},
    progress::{Counted, Progress},
    revision::Revision,
    schedule::Schedule,
    view::View,
};
use crate::{
    api::{
        BlobRolloutStatus,
        conditions::conditions,
        status::{AssetStatus, DevicesStatus, FailureStatus, HubStatus, SasStatus},
    },
    fleet::FailureSample,
    storage::link::BlobUri,
    time::{minus, ts, whole_seconds},
};

/// Most failing devices that a status names.
const MOST_FAILURES: usize = 20;

/// The status of a rollout.
pub fn status(view: &View<'_>, schedule: &Schedule) -> BlobRolloutStatus {
    let before = &view.rollout.before;
    let progress = Progress::of(view);
    let stated = stated(view, schedule, &progress);
    let generation = Some(view.rollout.generation);
    let conditions = conditions(&stated, &before.conditions, generation, view.now);
    if view.rollout.deleted {
        return BlobRolloutStatus { observed_generation: generation, conditions, ..before.clone() };
    }
    let asset = asset(view).or_else(|| before.asset.clone());
    BlobRolloutStatus {
        observed_generation: generation,
        conditions,
        sas: sas(view, &progress).or_else(|| before.sas.clone()),
        last_handled_reconcile_request: reconcile_request(view),
        devices: devices(view, &progress),
        hub: hub(view),
        failures: failures(view, &progress),
        asset,
    }
}

/// The hub that the rollout is bound to: the one that has answered. A name that was mistyped binds nobody.
fn hub(view: &View<'_>) -> Option<HubStatus> {
    let answered = view.facts.found.count.done.as_ref().map(|done| &done.key.hub);
    let answered = answered.filter(|hub| view.hub == Some(*hub));
    answered
        .map(|hub| HubStatus { host_name: hub.host_name().to_owned() })
        .or_else(|| view.rollout.before.hub.clone())
}

fn asset(view: &View<'_>) -> Option<AssetStatus> {
    let Revision { name, sha256, size, ts: at, .. } = view.choice.goal.as_ref()?;
    let (account, settings) = view.storage?;
    let container = account.container_url(&settings.container);
    Some(AssetStatus {
        revision: sha256.chars().take(12).collect(),
        sha256: sha256.clone(),
        size: i64::try_from(*size).unwrap_or(i64::MAX),
        uri: BlobUri::of(&format!("{container}/{name}"))?.as_str().to_owned(),
        ts: ts(*at),
    })
}

fn time(at: Timestamp) -> Time {
    Time(whole_seconds(at))
}

fn sas(view: &View<'_>, progress: &Progress) -> Option<SasStatus> {
    let delivery = view.delivery.as_ref()?;
    let before = view.rollout.before.sas.clone().unwrap_or_default();
    let expiry_time = progress.first_expiry.map(time);
    // Before the fleet is counted nobody knows how early it must begin.
    let same = delivery.guard.is_none() && expiry_time == before.expiry_time;
    let renewal = progress.first_expiry.map(|expiry| time(minus(expiry, delivery.links.lead())));
    Some(SasStatus {
        expiry_time,
        renewal_time: before.renewal_time.filter(|_| same).or(renewal),
        devices_on_old_link: match progress.held {
            Some(held) => Some(number(held.on_old_link)),
            None => before.devices_on_old_link,
        },
        last_renewal_time: last_renewal(view).map(time).or(before.last_renewal_time),
        last_handled_renew_request: renew_request(view, progress).or(before.last_handled_renew_request),
    })
}

/// When the last renewal was done: the end of the sweep that has renewed links and has left none.
fn last_renewal(view: &View<'_>) -> Option<Timestamp> {
    let done = view.facts.found.sweep.done.as_ref()?;
    (done.outcome.renewed > 0 && done.outcome.round.left == 0).then_some(done.ended)
}

/// The request for a renewal that is done: no device is left on a link of before.
fn renew_request(view: &View<'_>, progress: &Progress) -> Option<String> {
    let request = view.rollout.renew_request.clone()?;
    let delivery = view.delivery.as_ref()?;
    let swept = view.facts.found.sweep.done.as_ref().is_some_and(|done| {
        done.key.policy == delivery.sweep_key.policy
            && done.key.hold == delivery.sweep_key.hold
            && done.outcome.round.left == 0
    });
    // Who holds its devices sweeps only where somebody holds an old link.
    let held = delivery.sweep_key.hold && progress.held.is_some_and(|held| held.on_old_link == 0);
    (swept || held).then_some(request)
}

/// The request to look at everything again that has been followed: each kind of work has been tried since.
fn reconcile_request(view: &View<'_>) -> Option<String> {
    let before = view.rollout.before.last_handled_reconcile_request.clone();
    let Some(request) = view.rollout.reconcile_request.clone() else { return before };
    let found = &view.facts.found;
    let listed = view
        .inventory_key
        .as_ref()
        .is_none_or(|key| found.inventory.done_for(key).is_some() || found.inventory.failure(key).is_some());
    // Where somebody else writes now, nothing but the inventory is looked at.
    let delivery = view.delivery.as_ref().filter(|_| view.choice.shared.is_none());
    let delivered = delivery.is_none_or(|delivery| {
        let counted = found.count.done_for(&delivery.count_key).is_some()
            || found.count.failure(&delivery.count_key).is_some();
        let swept = found.sweep.done_for(&delivery.sweep_key).is_some()
            || found.sweep.failure(&delivery.sweep_key).is_some()
            || delivery.sweep_key.hold;
        counted && swept
    });
    // Where somebody else keeps his blobs, nothing but the listing is ever tried.
    let shared = view.choice.shared.is_some();
    if listed && (delivered || shared) { Some(request) } else { before }
}

fn devices(view: &View<'_>, progress: &Progress) -> Option<DevicesStatus> {
    let before = view.rollout.before.devices.clone();
    let Some(counted) = progress.counted else {
        return before.filter(|_| same_asset(view) || view.choice.goal.is_none());
    };
    let Counted { targeted, linked, received, failed, pending, unreachable, .. } = counted;
    let former = before.clone().unwrap_or_default();
    let (conflicted, refused, remaining) = match &progress.round {
        Some(round) => (number(round.conflicted), number(round.refused), number(round.left)),
        None => (former.conflicted, former.refused, former.remaining),
    };
    let mut devices = DevicesStatus {
        targeted: number(targeted),
        linked: number(linked),
        received: number(received),
        failed: number(failed),
        pending: number(pending),
        unreachable: number(unreachable),
        conflicted,
        refused,
        remaining,
        summary: format!("{received}/{targeted}"),
        observed_time: None,
    };
    // The same numbers keep their time: a world that stands still costs no write.
    let same = before.is_some() && DevicesStatus { observed_time: None, ..former.clone() } == devices;
    let counted_at =
        view.delivery.as_ref().and_then(|delivery| delivery.count).map(|count| time(count.ended));
    devices.observed_time =
        if same && former.observed_time.is_some() { former.observed_time } else { counted_at };
    Some(devices)
}

/// Devices that could not be written come first: they are the operator's to explain.
fn failures(view: &View<'_>, progress: &Progress) -> Vec<FailureStatus> {
    let answered = view.delivery.as_ref().and_then(|delivery| delivery.count);
    if progress.round.is_none() && answered.is_none() {
        // Nothing new is known about them, as after a restart.
        return if same_asset(view) { view.rollout.before.failures.clone() } else { Vec::new() };
    }
    let unwritten = match &progress.round {
        Some(round) => round.samples.clone(),
        None => unwritten_before(view),
    };
    let answered = answered.iter().flat_map(|count| &count.outcome.failures);
    let mut failures: Vec<FailureStatus> = Vec::new();
    for sample in unwritten.iter().chain(answered) {
        if failures.len() < MOST_FAILURES && failures.iter().all(|known| known.device_id != sample.device_id)
        {
            let (device_id, reason) = (sample.device_id.clone(), sample.reason.clone());
            failures.push(FailureStatus { device_id, reason });
        }
    }
    failures
}

/// The devices that could not be written, as was told before: they come first, and their number is told.
fn unwritten_before(view: &View<'_>) -> Vec<FailureSample> {
    let before = &view.rollout.before;
    let Some(devices) = before.devices.as_ref().filter(|_| same_asset(view)) else { return Vec::new() };
    let unwritten = devices.conflicted + devices.refused + devices.remaining;
    let told = before.failures.iter().take(usize::try_from(unwritten).unwrap_or_default());
    told.map(|told| FailureSample { device_id: told.device_id.clone(), reason: told.reason.clone() })
        .collect()
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
