//! The one decision: from what was seen to the next action and the next wake-up. Pure, so that every rule is a row of a table.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    delivery::{self, Delivery, Sweep},
    fault::Fault,
    observed::Observed,
    revision::{Choice, Upkeep, choose},
    story::{self, Story},
};
use crate::{
    api::{BlobRolloutStatus, Intent},
    time::until,
};

/// What to do next. One thing at a time: each is safe to repeat, and the next pass sees what came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing.
    Rest,
    /// Store what storage lacks.
    Store(Upkeep),
    /// Count the fleet.
    Count(delivery::Subject),
    /// Begin a sweep, in place of the one that runs.
    Sweep(Sweep),
}

/// What comes of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do next.
    pub step: Step,
    /// The whole status as it should stand now.
    pub status: BlobRolloutStatus,
    /// How long until the next look, unless something wakes us.
    pub wake: Duration,
}

/// How often we look at something whose change nobody tells us: Secrets in a cluster-wide install.
const POLL: Duration = Duration::from_mins(1);

/// Decides.
pub fn decide(seen: &Observed, now: Timestamp) -> Plan {
    let intent = match &seen.intent {
        Ok(intent) => intent,
        Err(fault) => return blocked(seen, fault, now),
    };
    let storage = match &seen.storage {
        Ok(storage) => storage,
        Err(fault) => return blocked(seen, fault, now),
    };
    let choice = choose(seen, intent, storage, now);
    let delivery = delivery::plan(seen, intent, storage, &choice, now);
    let step = next_step(seen, &choice, &delivery, now);
    let status = story::tell(seen, &Story { choice: &choice, delivery: &delivery, step: &step }, now);
    Plan { step, status, wake: wake(seen, intent, &choice, &delivery, now) }
}

/// Storing comes first, so that twins never point to what is not there; while an attempt to store has just failed, the revision
/// that is there is delivered further.
fn next_step(seen: &Observed, choice: &Choice, delivery: &Delivery, now: Timestamp) -> Step {
    let storing = choice
        .upkeep
        .as_ref()
        .filter(|_| due(seen.upkeep_failed.as_ref().map(|failed| failed.next(&seen.uid)), now));
    match storing {
        Some(upkeep) => Step::Store(upkeep.clone()),
        None => delivery.step.clone(),
    }
}

fn due(at: Option<Timestamp>, now: Timestamp) -> bool {
    at.is_none_or(|at| at <= now)
}

/// Nothing can be done before the fault is gone. A sweep that runs may go on: it serves what was right a moment ago, and devices
/// need their links.
fn blocked(seen: &Observed, fault: &Fault, now: Timestamp) -> Plan {
    Plan {
        step: Step::Rest,
        status: story::blocked(seen, fault, now),
        wake: fault.wait(seen.blind, &seen.uid),
    }
}

fn wake(seen: &Observed, intent: &Intent, choice: &Choice, delivery: &Delivery, now: Timestamp) -> Duration {
    let mut wake = intent.interval;
    if !seen.secrets_watched {
        wake = wake.min(POLL);
    }
    if let (Some(_), Some(failed)) = (&choice.upkeep, &seen.upkeep_failed) {
        wake = wake.min(until(failed.next(&seen.uid), now));
    }
    if let Some(fault) = &choice.fault {
        wake = wake.min(fault.wait(seen.blind, &seen.uid));
    }
    wake.min(until(delivery.next, now)).max(Duration::from_secs(1))
}
