//! When the first link dies that any twin may hold. Pure.

use k8s_openapi::jiff::Timestamp;

use super::view::View;
use crate::storage::link::Link;

/// The first expiry of any link that a twin may hold: of those that were counted, but for the ones that a sweep has replaced since, and
/// of those that were written since.
pub fn first_expiry(view: &View<'_>) -> Option<Timestamp> {
    let Some(delivery) = &view.delivery else { return carried_expiry(view) };
    let found = &view.facts.found;
    let running = found.sweeping.as_ref().and_then(|(_, tally)| tally.first_expiry);
    let Some(fleet) = delivery.fleet else {
        return carried_expiry(view).into_iter().chain(running).min();
    };
    let swept = found.sweep.done.as_ref().filter(|done| done.began >= fleet.began);
    let replaced = swept.filter(|done| {
        let same = (&done.key.policy, &done.key.hub, &done.key.target)
            == (&delivery.sweep_key.policy, &delivery.sweep_key.hub, &delivery.sweep_key.target);
        same && done.outcome.round.left + done.outcome.round.refused == 0
    });
    // Whatever was not good when the last round asked for it has been replaced. Who holds its devices does not ask for blobs that are gone.
    let asked = |hold: bool, link: &Link| !hold || delivery.knows(link.blob());
    let replaced = replaced.and_then(|done| Some((done.key.hold, done.outcome.round_began?)));
    let counted = fleet.outcome.first_expiry(|link| {
        replaced.is_none_or(|(hold, round)| delivery.links.is_good(link, round) || !asked(hold, link))
    });
    let written = swept.and_then(|done| done.outcome.first_expiry);
    counted.into_iter().chain(written).chain(running).min()
}

/// The expiry that was told before: until somebody looks, it is the best that is known.
fn carried_expiry(view: &View<'_>) -> Option<Timestamp> {
    view.rollout.before.sas.as_ref()?.expiry_time.as_ref().map(|time| time.0)
}
