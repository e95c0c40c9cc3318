//! Whether the fleet must be counted or swept now, and when next. Pure.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    decide::Step,
    fault::Fault,
    observed::{Counted, Hub, Observed, Storage, SweepKey, Swept},
    revision::{Choice, Revision},
};
use crate::{
    api::{Intent, conditions::Reason},
    fleet::{Goal, Tally, Target},
    storage::{
        grid::{Grid, GridSeed},
        link::BlobUri,
    },
    time::{format_duration, plus},
};

/// How often the fleet is counted while answers come in, unless the interval is shorter or the hub's query budget smaller.
const IN_FLIGHT: Duration = Duration::from_secs(15);
/// How long after the last change of a count answers are still expected to come in.
const SETTLING: Duration = Duration::from_mins(10);
/// Pause before a sweep that has left something is followed by another.
const AGAIN: Duration = Duration::from_secs(15);
/// A sweep that runs gets all of the hub's queries but one part in so many, which is for counting.
const PART_FOR_COUNTS: u32 = 4;
/// How old a count may be for the guard `maxDevices` to go by it.
const FRESH: Duration = Duration::from_mins(1);

/// What is counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The devices.
    pub target: Target,
    /// The desired property.
    pub property: String,
    /// The reported property.
    pub reported_property: String,
    /// The goal's blob.
    pub blob: BlobUri,
}

/// A sweep to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// What it is for.
    pub key: SweepKey,
    /// The revisions to deliver, one after the other: the goal alone, or, where only holders are served, each that they may hold.
    pub goals: Vec<Revised>,
    /// The desired property.
    pub property: String,
    /// The devices.
    pub target: Target,
    /// Which links are good.
    pub grid: Grid,
}

/// A revision as twins get it, with the blob's name, which its links are signed for.
#[derive(Clone, Debug, PartialEq)]
pub struct Revised {
    /// The blob's name in the container.
    pub name: String,
    /// What the twin is to say.
    pub goal: Goal,
}

/// The state of the delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// What to do next.
    pub step: Step,
    /// When to look again.
    pub next: Timestamp,
    /// The goal's address.
    pub blob: Option<BlobUri>,
    /// The last count of these very devices for this very goal.
    pub counted: Option<Counted>,
    /// Which links are good.
    pub grid: Grid,
    /// What stands in the way.
    pub fault: Option<Fault>,
    /// What the last sweep for this very delivery that ended well has done, or what the first one has done so far.
    pub tally: Option<Tally>,
    /// Whether that sweep has ended.
    pub swept: bool,
}

/// Plans the delivery of `choice`.
pub fn plan(
    seen: &Observed,
    intent: &Intent,
    storage: &Storage,
    choice: &Choice,
    now: Timestamp,
) -> Delivery {
    let mut delivery = Delivery {
        step: Step::Rest,
        next: plus(now, intent.interval),
        blob: None,
        counted: None,
        grid: grid(seen, intent, storage, intent.renew_before),
        fault: None,
        tally: None,
        swept: false,
    };
    let Some(goal) = &choice.goal else { return delivery };
    let Some(blob) = storage.signer.blob(&goal.name) else { return delivery };
    delivery.blob = Some(blob.clone());
    let hub = match &seen.hub {
        Ok(hub) => hub,
        Err(fault) => {
            delivery.next = plus(now, fault.wait(seen.blind, &seen.uid));
            delivery.fault = Some(fault.clone());
            return delivery;
        }
    };
    let subject = Subject {
        target: intent.target.clone(),
        property: intent.property.clone(),
        reported_property: intent.reported_property.clone(),
        blob,
    };
    let counted = seen.counted.as_ref().filter(|counted| counted.subject == subject);
    let Some(counted) = counted else {
        let (step, next, fault) = count_first(seen, subject, now);
        (delivery.step, delivery.next, delivery.fault) = (step, next, fault);
        return delivery;
    };
    delivery.counted = Some(counted.clone());
    let guard = guard(seen, intent, hub, counted);
    delivery.grid = grid(seen, intent, storage, guard.lead);
    let holders_only = intent.suspend || guard.fault.is_some();
    let sweep = sweep(seen, intent, (storage, hub), choice, &delivery.grid, holders_only);
    let sweep_at = sweep_due(seen, intent, &sweep.key, &delivery.grid, now);
    let mut count_at = count_due(seen, intent, hub, counted, &sweep.key, now);
    let failed = recount_failure(seen, counted);
    // Since an old count, tags may have changed, and the target may pick the whole hub.
    let count_first = !holders_only && intent.max_devices.is_some() && plus(counted.at, FRESH) <= now;
    if count_first && failed.is_none() {
        count_at = count_at.min(sweep_at);
    }
    if sweep_at <= now && !count_first {
        delivery.step = Step::Sweep(sweep.clone());
    } else if count_at <= now {
        delivery.step = Step::Count(subject);
    }
    delivery.next = if count_first { count_at } else { sweep_at.min(count_at) };
    delivery.progress(seen, &sweep.key);
    delivery.fault = guard.fault.or(delivery.fault).or(failed);
    delivery
}

impl Delivery {
    /// Takes over what the sweep for `key` has done or is doing. What one that ended has found holds until the next one has ended as
    /// well: on its way, that has not come to all of it yet.
    fn progress(&mut self, seen: &Observed, key: &SweepKey) {
        let running = seen.sweep.running.as_ref().filter(|(running, _)| running == key);
        self.tally = running.map(|(_, tally)| tally.clone());
        match seen.sweep.last.as_ref().filter(|last| last.key == *key).map(|last| &last.outcome) {
            Some(Ok(tally)) => {
                self.swept = true;
                self.tally = Some(tally.clone());
            }
            Some(Err(failed)) => self.fault = Some(failed.fault.clone()),
            None => (),
        }
    }
}

/// What the fleet's size says about the spec.
struct Guard {
    /// How long before its expiry a link must be renewed.
    lead: Duration,
    /// Why no device that has no link of ours may get one.
    fault: Option<Fault>,
}

fn guard(seen: &Observed, intent: &Intent, hub: &Hub, counted: &Counted) -> Guard {
    let targeted = counted.counts.targeted;
    if let Some(most) = intent.max_devices.filter(|most| targeted > *most) {
        let message = format!(
            "the target picks {targeted} devices and spec.target.maxDevices allows {most}: narrow the target or raise the guard. No \
             device gets a new revision until then; links are still renewed"
        );
        return Guard {
            lead: intent.renew_before,
            fault: Some(Fault::user(Reason::TooManyDevices, message)),
        };
    }
    let sweep = hub.rates.time_to_sweep(targeted);
    let lead = intent.renew_before.max(sweep.saturating_add(seen.skew));
    let most = intent.lifetime / 2;
    if lead <= most {
        return Guard { lead, fault: None };
    }
    let message = format!(
        "spec.sas.lifetime {} is too short: finding and writing {targeted} twins takes {} at this hub's rates, with an allowance of {} for clocks \
         that differ links must be renewed {} before they expire, and that may be at most half of the lifetime: set it to at least {}",
        format_duration(intent.lifetime),
        format_duration(sweep),
        format_duration(seen.skew),
        format_duration(lead),
        format_duration(lead.saturating_mul(2)),
    );
    Guard { lead: most, fault: Some(Fault::user(Reason::LifetimeTooShort, message)) }
}

fn grid(seen: &Observed, intent: &Intent, storage: &Storage, lead: Duration) -> Grid {
    Grid::new(&seed(seen, intent, storage), lead, seen.skew)
}

fn seed<'a>(seen: &'a Observed, intent: &Intent, storage: &'a Storage) -> GridSeed<'a> {
    GridSeed {
        uid: &seen.uid,
        lifetime: intent.lifetime,
        renew_requested_at: seen.renew_requested_at.as_deref(),
        key_fingerprint: &storage.fingerprint,
    }
}

fn sweep(
    seen: &Observed,
    intent: &Intent,
    (storage, hub): (&Storage, &Hub),
    choice: &Choice,
    grid: &Grid,
    holders_only: bool,
) -> Sweep {
    // Who only keeps links alive must keep those of every revision alive that a device may hold.
    let earlier = choice.earlier.iter().filter(|_| holders_only);
    let goals: Vec<Revised> =
        choice.goal.iter().chain(earlier).filter_map(|revision| revised(intent, storage, revision)).collect();
    let Intent { target, property, .. } = intent;
    let goal =
        format!("{goals:?} {target:?} {property} {:?} {}", seed(seen, intent, storage), hub.fingerprint);
    let key = SweepKey { goal, holders_only };
    Sweep { key, goals, property: intent.property.clone(), target: intent.target.clone(), grid: grid.clone() }
}

fn revised(intent: &Intent, storage: &Storage, revision: &Revision) -> Option<Revised> {
    let goal = Goal {
        blob: storage.signer.blob(&revision.name)?,
        ts: revision.ts,
        content_type: revision.content_type.clone(),
        sha256: intent.with_sha256.then(|| revision.sha256.clone()),
        size: intent.with_size.then_some(revision.size),
    };
    Some(Revised { name: revision.name.clone(), goal })
}

/// A sweep is due when none has been made for this delivery, when links run out, and once in an interval for late joiners. The one
/// that runs looks at the clock itself.
fn sweep_due(seen: &Observed, intent: &Intent, key: &SweepKey, grid: &Grid, now: Timestamp) -> Timestamp {
    if seen.sweep.running.as_ref().is_some_and(|(running, _)| running == key) {
        return plus(now, intent.interval);
    }
    match seen.sweep.last.as_ref().filter(|last| last.key == *key) {
        None => now,
        Some(Swept { outcome: Err(failed), .. }) => failed.next(&seen.uid),
        Some(Swept { outcome: Ok(tally), began, ended, .. }) => {
            let regular = plus(*began, intent.interval).min(grid.next_change(*began));
            if tally.left > 0 { regular.min(plus(*ended, AGAIN)) } else { regular }
        }
    }
}

fn count_first(seen: &Observed, subject: Subject, now: Timestamp) -> (Step, Timestamp, Option<Fault>) {
    let fault = seen.count_failed.as_ref().map(|failed| failed.fault.clone());
    match &seen.count_failed {
        Some(failed) if failed.next(&seen.uid) > now => (Step::Rest, failed.next(&seen.uid), fault),
        _ => (Step::Count(subject), now, fault),
    }
}

/// Counting is due once in an interval, oftener while answers come in and the hub's budget allows it, and after a sweep that has written.
fn count_due(
    seen: &Observed,
    intent: &Intent,
    hub: &Hub,
    counted: &Counted,
    key: &SweepKey,
    now: Timestamp,
) -> Timestamp {
    if let Some(failed) = seen.count_failed.as_ref().filter(|failed| failed.at > counted.at) {
        return failed.next(&seen.uid);
    }
    let last = seen.sweep.last.as_ref().filter(|last| last.key == *key && last.ended > counted.at);
    if last.and_then(|last| last.outcome.as_ref().ok()).is_some_and(|tally| tally.written > 0) {
        return now;
    }
    let counts = &counted.counts;
    let complete = counts.linked == counts.targeted && counts.pending == 0;
    let changed = counted.changed;
    let in_flight = seen.sweep.running.is_some() || (!complete && plus(changed, SETTLING) > now);
    let period = if in_flight {
        let parts = if seen.sweep.running.is_some() { PART_FOR_COUNTS } else { 1 };
        intent.interval.min(IN_FLIGHT).max(hub.rates.time_to_query(parts * queries(intent)))
    } else {
        intent.interval
    };
    plus(counted.at, period)
}

/// Queries that one look at the fleet takes: up to four counts and a sweep's for each condition.
fn queries(intent: &Intent) -> u32 {
    u32::try_from(5 * intent.target.conditions().count()).unwrap_or(u32::MAX / PART_FOR_COUNTS)
}

/// An old count is better than none, but that the last attempt failed must be told.
fn recount_failure(seen: &Observed, counted: &Counted) -> Option<Fault> {
    seen.count_failed.as_ref().filter(|failed| failed.at > counted.at).map(|failed| failed.fault.clone())
}
