//! Which tasks should be running, and when to look again. Pure.
//!
//! Each kind of work has one rule here that says when it is due. What is due stays so until it has been done, so a task that runs is
//! wanted until it ends, and one whose purpose has changed is not.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    delivery::Delivery,
    expiry::first_expiry,
    fault::Fault,
    object::Rollout,
    task::{Kind, SweepKey, Task},
    view::View,
};
use crate::{
    api::spec::BlobRollout,
    time::{due, plus},
};

/// How often the fleet is counted while answers come in, unless the interval is shorter or the hub's query budget smaller.
const IN_FLIGHT_PERIOD: Duration = Duration::from_secs(15);
/// How long after the last change of a count answers are still expected to come in.
const SETTLING_TIME: Duration = Duration::from_mins(10);
/// Pause before a sweep that has left something is followed by another; doubled with each that does so.
const RESWEEP_DELAY: Duration = Duration::from_secs(15);
/// Pause before the same content is stored again.
const RESTORE_DELAY: Duration = Duration::from_secs(15);
/// A sweep that runs gets all of the hub's queries but one part in so many, which is for counting.
const QUERY_PARTS_OF_A_SWEEP: u32 = 4;
/// Queries that a count takes at most for each condition, with the one of a sweep.
const QUERIES_PER_PART: u32 = 6;
/// Queries of one condition that a sweep leaves to others before the next one.
const QUERIES_PER_SWEEP: u32 = 4;
/// How often something is looked at whose change nobody tells: Secrets in a cluster-wide install.
const POLL_PERIOD: Duration = Duration::from_mins(1);
/// How often the progress of a task is told.
const PROGRESS_PERIOD: Duration = Duration::from_secs(15);

/// The tasks that should be running now, and when to look again.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The tasks.
    pub tasks: Vec<Task>,
    /// When to look again.
    pub wake: Timestamp,
}

impl Schedule {
    /// Whether work of this kind should be running.
    pub fn has(&self, kind: Kind) -> bool {
        self.tasks.iter().any(|task| task.kind() == kind)
    }

    fn add(&mut self, at: Option<Timestamp>, task: impl FnOnce() -> Option<Task>, now: Timestamp) {
        match at {
            Some(at) if at <= now => self.tasks.extend(task()),
            Some(at) => self.wake = self.wake.min(at),
            None => (),
        }
    }
}

/// Decides.
pub fn schedule(view: &View<'_>) -> Schedule {
    let now = view.now;
    let spec = &view.rollout.spec;
    let mut schedule = Schedule { tasks: Vec::new(), wake: plus(now, spec.interval) };
    // Nobody gets anything from a rollout that is being deleted.
    if view.rollout.deleted {
        return schedule;
    }
    if !view.facts.secrets_watched {
        schedule.wake = schedule.wake.min(plus(now, POLL_PERIOD));
    }
    schedule.add(inventory_due(view), || view.inventory_key.clone().map(Task::Inventory), now);
    // Somebody else writes there now.
    if view.choice.shared.is_none() {
        schedule.add(store_due(view), || store_task(view), now);
        if let Some(delivery) = &view.delivery {
            let count = || {
                let input = delivery.count_input(view.facts, &view.rates);
                Some(Task::Count(delivery.count_key.clone(), input))
            };
            schedule.add(Some(count_due(view, delivery)), count, now);
            let sweep = || {
                let input = delivery.sweep_input(view.facts, &view.rates, view.inventory, now);
                Some(Task::Sweep(delivery.sweep_key.clone(), Box::new(input)))
            };
            schedule.add(sweep_due(view, delivery), sweep, now);
        }
    }
    // When the first link in a twin dies, the status says something else, whatever can be asked by then.
    let dies = first_expiry(view).filter(|expiry| *expiry > now);
    schedule.wake = schedule.wake.min(dies.unwrap_or(Timestamp::MAX));
    if !schedule.tasks.is_empty() {
        schedule.wake = schedule.wake.min(plus(now, PROGRESS_PERIOD));
    }
    let read =
        [view.facts.asset.as_ref().err(), view.facts.account.as_ref().err(), view.facts.hub.as_ref().err()];
    let retry = |fault: &Fault| plus(now, fault.wait(view.facts.unseen, &view.rollout.uid));
    schedule.wake = read.into_iter().flatten().map(retry).fold(schedule.wake, Timestamp::min);
    schedule
}

/// Whether a sweep that runs for `key` may go on under a changed object: decided from the object alone, before anything else is asked, so
/// that nothing can stand between a user and the brake.
pub fn may_go_on(key: &SweepKey, object: &BlobRollout) -> bool {
    let rollout = Rollout::of(object);
    let spec = &rollout.spec;
    // A rollout that holds its devices narrows what it does by itself, but for its target.
    let target = spec.target.as_ref().is_ok_and(|target| *target == key.target) || key.hold;
    let property = spec.twin.as_ref().is_ok_and(|twin| twin.property == key.property);
    !rollout.deleted && rollout.uid == key.policy.uid && target && property && (!spec.suspend || key.hold)
}

/// The inventory is read once in an interval, and after anything that may have changed it.
fn inventory_due(view: &View<'_>) -> Option<Timestamp> {
    let key = view.inventory_key.as_ref()?;
    let record = &view.facts.found.inventory;
    if let Some(failure) = record.failure(key) {
        return Some(failure.next_attempt(&view.rollout.uid, view.now));
    }
    match record.done_for(key) {
        Some(done) if !view.inventory_is_stale() => {
            Some(due(done.began, view.rollout.spec.interval, view.now))
        }
        _ => Some(view.now),
    }
}

/// Storing rests on a listing that is later than all that was stored.
fn store_due(view: &View<'_>) -> Option<Timestamp> {
    let key = view.store_key.as_ref()?;
    if view.inventory_is_stale() {
        return None;
    }
    let record = &view.facts.found.store;
    if let Some(failure) = record.failure(key) {
        return Some(failure.next_attempt(&view.rollout.uid, view.now));
    }
    // Stored a moment ago, and lacking again: somebody removes it, or the service keeps something else than it was given.
    let content = (&key.sha256, &key.content_type);
    let again = record.done.as_ref().filter(|done| (&done.key.sha256, &done.key.content_type) == content);
    Some(again.map_or(view.now, |done| due(done.ended, RESTORE_DELAY, view.now)))
}

fn store_task(view: &View<'_>) -> Option<Task> {
    Some(Task::Store(view.store_key.clone()?, Box::new(view.choice.upkeep.clone()?)))
}

/// Counting is due once in an interval, oftener while answers come in and the hub's budget allows it, and after a sweep that has written.
fn count_due(view: &View<'_>, delivery: &Delivery<'_>) -> Timestamp {
    let (found, now) = (&view.facts.found, view.now);
    if let Some(failure) = found.count.failure(&delivery.count_key) {
        return failure.next_attempt(&view.rollout.uid, now);
    }
    let Some(count) = found.count.done_for(&delivery.count_key) else { return now };
    // One that runs is wanted until it ends, whatever has become of its reason.
    let runs = found.count_running.as_ref() == Some(&delivery.count_key);
    // A time in the future comes from a clock that was set back, and no count would ever be later.
    if runs || found.written.is_some_and(|written| written > count.began && written <= now) {
        return now;
    }
    let counts = &count.outcome;
    let linked = counts.linked(&delivery.count_key.blob);
    let complete = linked == counts.targeted
        && counts.received + counts.failed == linked
        && delivery.on_old_link(now) == Some(0);
    // An index that lags shows what was written some time after it was.
    let moved = found.count_changed.unwrap_or(count.began);
    let changed = found.written.map_or(moved, |written| written.max(moved));
    let sweeping = found.sweeping.is_some();
    let in_flight = sweeping || (!complete && due(changed, SETTLING_TIME, now) > now);
    let interval = view.rollout.spec.interval;
    let period = if in_flight { interval.min(IN_FLIGHT_PERIOD) } else { interval };
    let shares = if sweeping { QUERY_PARTS_OF_A_SWEEP } else { 1 };
    let queries = u32::try_from(delivery.parts).unwrap_or(u32::MAX).saturating_mul(QUERIES_PER_PART * shares);
    let regular = due(count.began, period.max(view.rates.time_to_query(queries)), now);
    let guards = !delivery.sweep_key.hold && guard_needs_count(view, delivery);
    if guards { regular.min(delivery_due(view, delivery)) } else { regular }
}

/// A sweep is due when none has been made for this delivery, when links run out, when the last one has left something, and once in an
/// interval for late joiners.
fn sweep_due(view: &View<'_>, delivery: &Delivery<'_>) -> Option<Timestamp> {
    let (key, now) = (&delivery.sweep_key, view.now);
    // What devices are to have is about to change.
    let storing = view.store_key.as_ref().is_some_and(|key| view.facts.found.store.failure(key).is_none());
    if !key.hold && (storing || guard_needs_count(view, delivery)) {
        return None;
    }
    if is_running(view, key) {
        return Some(now);
    }
    if key.hold { hold_due(view, delivery) } else { Some(delivery_due(view, delivery)) }
}

/// When a sweep is due that serves everybody, but for what may hold it back.
fn delivery_due(view: &View<'_>, delivery: &Delivery<'_>) -> Timestamp {
    let record = &view.facts.found.sweep;
    if let Some(failure) = record.failure(&delivery.sweep_key) {
        return failure.next_attempt(&view.rollout.uid, view.now);
    }
    let Some(done) = record.done_for(&delivery.sweep_key) else { return view.now };
    let queries = u32::try_from(delivery.parts).unwrap_or(u32::MAX).saturating_mul(QUERIES_PER_SWEEP);
    let period = view.rollout.spec.interval.max(view.rates.time_to_query(queries));
    due(done.began, period, view.now).min(unfinished(view, delivery))
}

/// Since an old count, tags may have changed, and the target may pick the whole hub. A sweep that has begun goes on.
fn guard_needs_count(view: &View<'_>, delivery: &Delivery<'_>) -> bool {
    delivery.is_unguarded && !is_running(view, &delivery.sweep_key)
}

/// Whether a sweep for `key` is under way.
fn is_running(view: &View<'_>, key: &SweepKey) -> bool {
    view.facts.found.sweeping.as_ref().is_some_and(|(running, _)| running == key)
}

/// When the last sweep for this delivery must be followed by another, whatever the interval is.
fn unfinished(view: &View<'_>, delivery: &Delivery<'_>) -> Timestamp {
    let Some(done) = view.facts.found.sweep.done_for(&delivery.sweep_key) else { return view.now };
    let round = &done.outcome.round;
    let good_since = done.outcome.round_began.unwrap_or(done.began);
    let mut at = if good_since > view.now { view.now } else { delivery.links.next_change(good_since) };
    let leftovers = view.facts.found.leftovers;
    let resweep = due(done.ended, RESWEEP_DELAY * (1 << leftovers.saturating_sub(1).min(5)), view.now);
    // Who is contested is approached ever more slowly, and needs no sweep of its own.
    if round.left > round.contested + round.newer {
        at = at.min(resweep);
    }
    // Who refuses a link is tried again once an hour, also where nobody can be counted.
    if round.refused > 0 {
        at = at.min(due(done.began, view.rollout.spec.interval, view.now));
    }
    let listed_since = view.inventory.is_some_and(|listed| listed.began_since(done.ended, view.now));
    if round.newer > 0 && listed_since {
        // An index that lags may name one unknown blob and the twin another, in turns, until it has caught up.
        at = at.min(if leftovers > 2 { resweep } else { view.now });
    }
    at
}

/// Who only keeps links alive works where somebody holds one that is not good: the count by link tells.
fn hold_due(view: &View<'_>, delivery: &Delivery<'_>) -> Option<Timestamp> {
    let (found, now) = (&view.facts.found, view.now);
    if let Some(failure) = found.sweep.failure(&delivery.sweep_key) {
        return Some(failure.next_attempt(&view.rollout.uid, now));
    }
    let done = found.sweep.done_for(&delivery.sweep_key);
    let evidence = delivery.fleet.filter(|fleet| done.is_none_or(|done| fleet.began >= done.ended));
    if let Some(on_old_link) = evidence.and_then(|_| delivery.on_old_link(now)) {
        return Some(match done {
            _ if on_old_link == 0 => delivery.links.next_change(now),
            // Who refuses a link is no reason to ask again and again.
            Some(done) if on_old_link <= done.outcome.round.refused => {
                due(done.began, view.rollout.spec.interval, now)
            }
            Some(done) => due(done.ended, RESWEEP_DELAY, now),
            None => now,
        });
    }
    if done.is_some() {
        return Some(unfinished(view, delivery));
    }
    // Nobody can count them; their links must live all the same.
    let uncounted = found.count.failure(&delivery.count_key).is_some() || view.rollout.spec.target.is_err();
    uncounted.then_some(now)
}
