//! How far a rollout is, in numbers and in words. Pure.

use std::fmt::Write as _;

use k8s_openapi::jiff::Timestamp;

use super::{expiry::first_expiry, guard::time_to_sweep, schedule::Schedule, task::Kind, view::View};
use crate::{fleet::tally::Round, storage::link::Link, time::format_duration};

/// How far a rollout is. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The numbers of the last count for this revision.
    pub counted: Option<Counted>,
    /// The links that devices hold, of whatever revision.
    pub held: Option<Held>,
    /// What the last round of a sweep has found.
    pub round: Option<Round>,
    /// Whether a sweep for this delivery has ended.
    pub swept: bool,
    /// When the first link dies that any twin may hold.
    pub first_expiry: Option<Timestamp>,
}

/// The fleet as the revision sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Devices that the target picks.
    pub targeted: u64,
    /// Of these, devices that hold a link to the revision.
    pub linked: u64,
    /// Of the linked, devices whose link opens the blob now: the key in force signs it, and it has not expired.
    pub live: u64,
    /// Of the linked, devices that have received it.
    pub received: u64,
    /// Of the linked, devices that cannot use it.
    pub failed: u64,
    /// Of the linked, the others.
    pub pending: u64,
    /// Of the pending, devices that are not connected.
    pub unreachable: u64,
}

/// The links that devices hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Devices that hold one.
    pub devices: u64,
    /// Of these, devices whose link opens its blob now.
    pub live: u64,
    /// Of these, devices whose link is due for renewal.
    pub on_old_link: u64,
}

impl Progress {
    /// Reads it off the facts.
    pub fn of(view: &View<'_>) -> Self {
        let Some(delivery) = &view.delivery else {
            return Self { first_expiry: first_expiry(view), ..Self::default() };
        };
        let (links, now) = (&delivery.links, view.now);
        let live = |link: &Link| links.is_genuine(link) && link.expiry() > now;
        let counted = delivery.count.map(|count| {
            let counts = &count.outcome;
            let linked = counts.linked(&delivery.count_key.blob);
            Counted {
                targeted: counts.targeted,
                linked,
                live: counts.links_to(&delivery.count_key.blob, live),
                received: counts.received,
                failed: counts.failed,
                pending: linked.saturating_sub(counts.received + counts.failed),
                unreachable: counts.unreachable,
            }
        });
        let held = delivery.fleet.map(|fleet| {
            let number = |wanted: &dyn Fn(&Link) -> bool| -> u64 {
                let held = fleet.outcome.held.iter();
                let wanted = held.filter(|held| held.link.as_ref().is_some_and(wanted));
                wanted.map(|held| held.devices).sum()
            };
            let on_old_link = delivery.on_old_link(now).unwrap_or_default();
            Held { devices: fleet.outcome.holders(), live: number(&live), on_old_link }
        });
        // What a sweep of other devices has found says nothing about these.
        let last = view.facts.found.sweep.done.as_deref().filter(|last| {
            let key = &delivery.sweep_key;
            (&last.key.target, &last.key.hub, &last.key.property) == (&key.target, &key.hub, &key.property)
        });
        Self {
            counted,
            held,
            round: last.map(|last| last.outcome.round.clone()),
            swept: last.is_some_and(|last| last.key.same_delivery(&delivery.sweep_key)),
            first_expiry: first_expiry(view),
        }
    }
}

/// What is being done towards Ready, in a sentence.
pub fn in_words(view: &View<'_>, schedule: &Schedule, progress: &Progress) -> String {
    let Some(delivery) = &view.delivery else {
        return match () {
            () if view.store_key.is_some() => "the asset is being stored".into(),
            () if view.inventory.is_none() => "the rollout's blobs are being listed".into(),
            () => "nothing has been delivered yet".into(),
        };
    };
    if view.store_key.is_some() && !view.rollout.spec.suspend {
        return "the asset is being stored".into();
    }
    let Some(counted) = &progress.counted else {
        let queries = u32::try_from(delivery.parts).unwrap_or(u32::MAX).saturating_mul(3);
        let time = format_duration(view.rates.time_to_query(queries));
        return match view.facts.found.counting {
            Some((done, parts)) if parts > 1 => format!(
                "the devices are being counted: {done} of {parts} parts of the target are done; all of them take about {time} at this hub's rates"
            ),
            _ => "the devices are being counted".into(),
        };
    };
    let mut text = format!(
        "{} of {} devices hold a live link to the revision",
        counted.live.min(counted.targeted),
        counted.targeted
    );
    // Writing to a String cannot fail.
    let due = counted.targeted.saturating_sub(counted.live);
    if schedule.has(Kind::Sweep) && due > 0 {
        let time = format_duration(time_to_sweep(&view.rates, due, delivery.parts));
        let _infallible = write!(text, "; writing the others takes at least {time} at this hub's rates");
    }
    let left = progress.round.as_ref().map_or(0, |round| round.left);
    if left > 0 {
        let _infallible =
            write!(text, "; {left} could not be written and are tried again: see status.failures");
    }
    text
}
