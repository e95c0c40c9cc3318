//! What the conditions say: Ready is our part, Acknowledged the devices', Reconciling and Stalled are there only while true. Pure.

use super::{
    decide::Step,
    fault::Fault,
    observed::{Counted, Observed},
    story::Story,
};
use crate::api::{
    conditions::{ACKNOWLEDGED, READY, RECONCILING, Reason, STALLED, Say, is_true},
    status::AssetStatus,
};

/// What is said where nothing can be done before `fault` is gone. What devices had stays true of what they had alone: a new spec or
/// asset that nobody could look at yet is neither ready nor acknowledged.
pub fn on_fault(seen: &Observed, fault: &Fault) -> Vec<Say> {
    let same = same_asset(seen);
    let was_ready = same && settled(seen) && was_ready(seen, seen.before.asset.as_ref());
    let mut say = ready_on_fault(seen, fault, was_ready);
    say.extend(acknowledged_before(seen).map(|before| {
        if same {
            return before;
        }
        Say::new(ACKNOWLEDGED, false, Reason::Pending, "the new revision has not been delivered yet")
    }));
    say
}

/// Whether the asset is still the one that the status is about, as far as it can be seen. A suspended rollout stays with the one that
/// devices have.
fn same_asset(seen: &Observed) -> bool {
    let suspended = seen.intent.as_ref().is_ok_and(|intent| intent.suspend);
    let both = seen.asset.as_ref().ok().zip(seen.before.asset.as_ref());
    suspended || both.is_none_or(|(asset, before)| asset.sha256 == before.sha256)
}

/// What is said while a revision is delivered. `counted` is the count of this very goal, if there is one.
pub fn on_delivery(seen: &Observed, story: &Story<'_>, counted: Option<&Counted>) -> Vec<Say> {
    let same =
        story.choice.goal.as_ref().zip(seen.before.asset.as_ref()).is_some_and(|(goal, before)| {
            goal.sha256 == before.sha256 && crate::time::ts(goal.ts) == before.ts
        });
    let was_ready = same && was_ready(seen, seen.before.asset.as_ref());
    let mut say = ready(seen, story, counted, was_ready);
    match counted {
        Some(counted) => say.push(acknowledged(counted)),
        // A new spec may ask for other devices.
        None if same && settled(seen) => say.extend(acknowledged_before(seen)),
        None => {
            say.push(Say::new(ACKNOWLEDGED, false, Reason::Pending, "the devices have not been counted yet"));
        }
    }
    say
}

/// Ready, with Reconciling or Stalled beside it, by the first rule that fits.
fn ready(seen: &Observed, story: &Story<'_>, counted: Option<&Counted>, was_ready: bool) -> Vec<Say> {
    let upkeep = story.choice.upkeep.as_ref().and(seen.upkeep_failed.as_ref()).map(|failed| &failed.fault);
    if let Some(fault) = story.choice.fault.as_ref().or(upkeep).or(story.delivery.fault.as_ref()) {
        return match fault.reason {
            Reason::Suspended => vec![Say::new(READY, false, fault.reason, &fault.message)],
            // A spec that nobody could look at yet may ask for other devices.
            _ => ready_on_fault(seen, fault, was_ready && settled(seen)),
        };
    }
    if matches!(story.step, Step::Store(_)) {
        return working(Reason::Storing, "the asset is being stored", false);
    }
    if let Some(say) = suspended(seen, story, counted) {
        return say;
    }
    let Some(counted) = counted else {
        return working(Reason::Observing, "the devices are being counted", was_ready && settled(seen));
    };
    let counts = &counted.counts;
    let (conflicted, refused) =
        story.delivery.tally.as_ref().map_or((0, 0), |tally| (tally.conflicted, tally.refused));
    if refused > 0 {
        let message = format!(
            "the hub refused the link for {refused} of {} devices: see status.failures",
            counts.targeted
        );
        return stalled(Reason::DevicesRefused, message);
    }
    if conflicted > 0 {
        let message = format!(
            "{conflicted} of {} devices hold a link of another BlobRollout in the same twin property and are left alone: narrow one \
             of the targets, or give one of the two another spec.twin.property",
            counts.targeted
        );
        return stalled(Reason::Conflicted, message);
    }
    // What a new spec changes about links or twins is not there before a sweep; one that is suspended changes nothing.
    let suspended = seen.intent.as_ref().is_ok_and(|intent| intent.suspend);
    let still = was_ready && (suspended || settled(seen));
    if counts.targeted == counts.linked && (story.delivery.swept || still) {
        return delivered(story, counted);
    }
    let message = format!("{} of {} devices hold a link to the revision", counts.linked, counts.targeted);
    working(Reason::Delivering, &message, false)
}

fn delivered(story: &Story<'_>, counted: &Counted) -> Vec<Say> {
    let targeted = counted.counts.targeted;
    let mut say = vec![if targeted == 0 {
        Say::new(READY, true, Reason::NoDevices, "the asset is stored; the target picks no device at present")
    } else {
        let message =
            format!("the asset is stored and {targeted} of {targeted} devices hold a live link to it");
        Say::new(READY, true, Reason::Delivered, message)
    }];
    // A look at the fleet that writes nothing is no news.
    if !story.delivery.swept && story.delivery.tally.as_ref().is_some_and(|tally| tally.written > 0) {
        say.push(Say::new(RECONCILING, true, Reason::Renewing, "links are being renewed"));
    }
    say
}

/// A suspended rollout is at rest, whatever is outstanding.
fn suspended(seen: &Observed, story: &Story<'_>, counted: Option<&Counted>) -> Option<Vec<Say>> {
    let intent = seen.intent.as_ref().ok().filter(|intent| intent.suspend)?;
    debug_assert!(intent.suspend);
    let wanted = seen.asset.as_ref().ok().map(|asset| &asset.sha256);
    let current = story.choice.goal.as_ref().map(|goal| &goal.sha256);
    let all = counted.is_some_and(|counted| counted.counts.linked == counted.counts.targeted);
    if wanted == current && all {
        return None;
    }
    let message = "spec.suspend is true: no device gets a new revision, links are still renewed; set it to false to go on";
    Some(vec![Say::new(READY, false, Reason::Suspended, message)])
}

/// A disturbance takes nothing away from devices that hold their links; something that a user must mend is said at once.
fn ready_on_fault(seen: &Observed, fault: &Fault, was_ready: bool) -> Vec<Say> {
    if fault.needs_user() {
        return stalled(fault.reason, fault.message.clone());
    }
    let mut say = working(fault.reason, &fault.message, was_ready);
    if was_ready
        && let Some(before) = seen.before.conditions.iter().find(|condition| condition.type_ == READY)
    {
        say[0].message.clone_from(&before.message);
        say[0].reason =
            if before.reason == Reason::NoDevices.as_str() { Reason::NoDevices } else { Reason::Delivered };
    }
    say
}

fn working(reason: Reason, message: &str, ready: bool) -> Vec<Say> {
    let said = if ready { Reason::Delivered } else { reason };
    vec![Say::new(READY, ready, said, message), Say::new(RECONCILING, true, reason, message)]
}

fn stalled(reason: Reason, message: String) -> Vec<Say> {
    vec![Say::new(READY, false, reason, message.clone()), Say::new(STALLED, true, reason, message)]
}

fn acknowledged(counted: &Counted) -> Say {
    let counts = &counted.counts;
    let message = format!("{} of {} devices have received the revision", counts.received, counts.targeted);
    if counts.targeted == 0 {
        Say::new(ACKNOWLEDGED, false, Reason::NoDevices, "the target picks no device at present")
    } else if counts.failed > 0 {
        Say::new(
            ACKNOWLEDGED,
            false,
            Reason::Failed,
            format!("{message}, {} answered that they could not use it", counts.failed),
        )
    } else if counts.received == counts.targeted {
        Say::new(ACKNOWLEDGED, true, Reason::AllReceived, message)
    } else {
        Say::new(ACKNOWLEDGED, false, Reason::Pending, message)
    }
}

/// Acknowledged as it stood: nothing new is known about the devices.
fn acknowledged_before(seen: &Observed) -> Option<Say> {
    let devices = seen.before.devices.as_ref();
    let before = seen.before.conditions.iter().find(|condition| condition.type_ == ACKNOWLEDGED)?;
    let reason = match () {
        () if before.status == "True" => Reason::AllReceived,
        () if devices.is_some_and(|devices| devices.failed > 0) => Reason::Failed,
        () if devices.is_some_and(|devices| devices.targeted == 0) => Reason::NoDevices,
        () => Reason::Pending,
    };
    Some(Say::new(ACKNOWLEDGED, before.status == "True", reason, &before.message))
}

fn was_ready(seen: &Observed, asset: Option<&AssetStatus>) -> bool {
    asset.is_some() && is_true(&seen.before.conditions, READY)
}

/// Whether the status is about the spec as it is now.
fn settled(seen: &Observed) -> bool {
    seen.before.observed_generation == seen.generation
}
