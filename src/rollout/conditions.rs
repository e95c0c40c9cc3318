//! What the conditions say: an ordered list of checks, the first that fits decides on Ready. Their meaning follows kstatus: Reconciling
//! stands beside a Ready that is not True, Stalled where a user must act. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    progress::{Counted, Progress, in_words},
    schedule::Schedule,
    task::Kind,
    view::View,
};
use crate::{
    api::conditions::{
        ACKNOWLEDGED, DEVICES_REFUSED, HUB_UNAVAILABLE, Holds, READY, RECONCILING, RENEWING, Reason, STALLED,
        STORAGE_UNAVAILABLE, SUSPENDED, Stated, find, is_true,
    },
    time::seconds,
};

/// What Ready says, and what that means for the others.
struct Standing {
    holds: Holds,
    reason: Reason,
    message: String,
    then: Then,
}

/// What goes on while Ready is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Nothing has to.
    Rest,
    /// The operator works on it.
    Work,
    /// A user must act.
    UserMustAct,
}

impl Standing {
    fn new(holds: Holds, reason: Reason, message: impl Into<String>, then: Then) -> Self {
        Self { holds, reason, message: message.into(), then }
    }
}

/// All conditions.
pub fn stated(view: &View<'_>, schedule: &Schedule, progress: &Progress) -> Vec<Stated> {
    let ready = ready(view, schedule, progress);
    let mut all = vec![Stated::new(READY, ready.holds, ready.reason, ready.message.clone())];
    all.extend(acknowledged(view, progress));
    let beside = match (ready.holds, ready.then) {
        (Holds::True, _) | (_, Then::Rest) => None,
        (_, Then::Work) => Some(RECONCILING),
        (_, Then::UserMustAct) => Some(STALLED),
    };
    all.extend(beside.map(|kind| Stated::new(kind, Holds::True, ready.reason, ready.message)));
    if view.rollout.deleted {
        return all;
    }
    let on_old_link = progress.held.map_or(0, |held| held.on_old_link);
    if on_old_link > 0 && schedule.has(Kind::Sweep) {
        let message = format!("{on_old_link} devices hold a link that is due, and get a new one");
        all.push(Stated::new(RENEWING, Holds::True, Reason::Renewing, message));
    }
    if view.rollout.spec.suspend {
        let message = "spec.suspend is true: no device gets a new revision, links are still renewed; set it to false to go on";
        all.push(Stated::new(SUSPENDED, Holds::True, Reason::Suspended, message));
    }
    for (kind, reason) in
        [(STORAGE_UNAVAILABLE, Reason::StorageUnavailable), (HUB_UNAVAILABLE, Reason::HubUnavailable)]
    {
        let fault = view.disturbances().into_iter().find(|fault| fault.reason == reason);
        all.extend(fault.map(|fault| Stated::new(kind, Holds::True, reason, fault.message)));
    }
    let refused = refused(view, progress);
    if refused > 0 {
        all.push(Stated::new(DEVICES_REFUSED, Holds::True, Reason::DevicesRefused, refusal(refused)));
    }
    all
}

/// Devices that refuse the link: as the last round has found, and until one ends, as was told before.
fn refused(view: &View<'_>, progress: &Progress) -> u64 {
    let told = view.rollout.before.devices.as_ref().filter(|_| same_asset(view));
    match &progress.round {
        Some(round) => round.refused,
        None => told.map_or(0, |devices| devices.refused.unsigned_abs()),
    }
}

fn refusal(refused: u64) -> String {
    format!(
        "the hub refuses the link for {refused} devices, which are tried again once an hour: see status.failures"
    )
}

/// Ready, by the first check that fits.
fn ready(view: &View<'_>, schedule: &Schedule, progress: &Progress) -> Standing {
    deleted(view)
        .or_else(|| needs_user(view))
        .or_else(|| links_expired(view, progress))
        .or_else(|| suspended(view, progress))
        .or_else(|| unknown(view, schedule, progress))
        .or_else(|| conflicted(view, progress))
        .or_else(|| nobody_takes_it(view, progress))
        .or_else(|| delivered(view, progress))
        .unwrap_or_else(|| undelivered(view, schedule, progress))
}

fn deleted(view: &View<'_>) -> Option<Standing> {
    let message = "the rollout is being deleted: no device gets a link any more, and those in the twins die at their expiry";
    view.rollout.deleted.then(|| Standing::new(Holds::False, Reason::Terminating, message, Then::Rest))
}

fn needs_user(view: &View<'_>) -> Option<Standing> {
    let fault =
        view.faults.iter().find(|fault| !(view.rollout.spec.suspend && is_of_the_source(fault.reason)))?;
    Some(Standing::new(Holds::False, fault.reason, fault.message.clone(), Then::UserMustAct))
}

/// What a suspended rollout does not need.
fn is_of_the_source(reason: Reason) -> bool {
    reason == Reason::SourceUnavailable
}

fn links_expired(view: &View<'_>, progress: &Progress) -> Option<Standing> {
    let expiry = progress.first_expiry.filter(|expiry| *expiry <= view.now)?;
    // Devices that refuse every link have a condition of their own.
    let refused = progress.round.as_ref().map_or(0, |round| round.refused);
    if progress.held.is_some_and(|held| held.devices - held.live <= refused) {
        return None;
    }
    let why = view
        .disturbances()
        .into_iter()
        .next()
        .map_or_else(String::new, |fault| format!(": {}", fault.message));
    let message =
        format!("the first link in a twin died at {}, before it could be renewed{why}", seconds(expiry));
    Some(Standing::new(Holds::False, Reason::LinksExpired, message, Then::Work))
}

/// A suspended rollout speaks of the links that devices hold.
fn suspended(view: &View<'_>, progress: &Progress) -> Option<Standing> {
    if !view.rollout.spec.suspend {
        return None;
    }
    let nothing = "spec.suspend is true and nothing has been delivered yet: set it to false to begin";
    let Some(held) = progress.held else {
        let former = find(&view.rollout.before.conditions, READY);
        // Of another spec, which may pick other devices, nothing was told yet.
        let holds = |former: &&Condition| match former.status.as_str() {
            "True" => same_spec(view) && may_still_hold(view, progress, former),
            _ => former.reason == Reason::Suspended.as_str(),
        };
        return match former.filter(holds) {
            Some(former) => carried(view, former),
            None if view.inventory.is_none() || view.delivery.is_some() => None,
            None => Some(Standing::new(Holds::False, Reason::Suspended, nothing, Then::Rest)),
        };
    };
    let live = held.live == held.devices;
    Some(match held.devices {
        0 => Standing::new(Holds::False, Reason::Suspended, nothing, Then::Rest),
        devices if live => {
            let message = format!(
                "{devices} devices hold live links; spec.suspend is true: nobody gets a new revision"
            );
            Standing::new(Holds::True, Reason::Delivered, message, Then::Rest)
        }
        devices => {
            let message = format!(
                "{} of {devices} links in twins open their blob, the others are being renewed",
                held.live
            );
            Standing::new(Holds::False, Reason::Progressing, message, Then::Work)
        }
    })
}

/// What nobody has looked at yet stays as it was said last, for the same revision and the same spec.
fn unknown(view: &View<'_>, schedule: &Schedule, progress: &Progress) -> Option<Standing> {
    if progress.counted.is_some() && progress.swept {
        return None;
    }
    let former = find(&view.rollout.before.conditions, READY).filter(|former| former.status != "Unknown");
    let told = former.filter(|_| was_told(view));
    // A new spec or asset is not there before it was delivered; and what goes on is told as far as it is.
    let nothing_known = progress.counted.is_none() && progress.round.is_none();
    let keeps = |former: &&Condition| match former.status.as_str() {
        "True" => may_still_hold(view, progress, former),
        _ => nothing_known && rests_on_the_fleet(&former.reason),
    };
    if let Some(former) = told.filter(keeps) {
        return carried(view, former);
    }
    // Where nobody knows when the first link dies, nobody knows whether it has.
    let undated = progress.counted.is_none() && told.is_some_and(|former| former.status == "True");
    let looked = view.inventory.is_some() && (view.delivery.is_none() || progress.counted.is_some());
    if looked || (former.is_some() && !undated) {
        return None;
    }
    let fault = view.disturbances().into_iter().next();
    Some(match fault {
        Some(fault) => Standing::new(Holds::Unknown, fault.reason, fault.message, Then::Work),
        None => {
            Standing::new(Holds::Unknown, Reason::Progressing, in_words(view, schedule, progress), Then::Work)
        }
    })
}

/// Whether a Ready that was True may be so still: no count says otherwise, or somebody knows when the first link dies.
fn may_still_hold(view: &View<'_>, progress: &Progress, former: &Condition) -> bool {
    let Some(counted) = progress.counted else {
        return progress.first_expiry.is_some() || former.reason == Reason::NoDevices.as_str();
    };
    counted.live + refused(view, progress) >= counted.targeted
}

/// What a look at the fleet has found holds until the next one.
fn rests_on_the_fleet(reason: &str) -> bool {
    let found = [
        Reason::Conflicted,
        Reason::DevicesRefused,
        Reason::TooManyDevices,
        Reason::LifetimeTooShort,
        Reason::QueryRefused,
    ];
    found.iter().any(|found| found.as_str() == reason)
}

/// Whether the status is about this spec and this revision.
fn was_told(view: &View<'_>) -> bool {
    same_spec(view) && same_asset(view)
}

/// Whether the status is about this spec.
fn same_spec(view: &View<'_>) -> bool {
    view.rollout.before.observed_generation == Some(view.rollout.generation)
}

/// Whether the asset is the one that the status is about, as far as it can be seen.
pub fn same_asset(view: &View<'_>) -> bool {
    let before = view.rollout.before.asset.as_ref().map(|asset| &asset.sha256);
    let goal = view.choice.goal.as_ref().map(|goal| &goal.sha256);
    let wanted =
        view.facts.asset.as_ref().ok().filter(|_| !view.rollout.spec.suspend).map(|asset| &asset.sha256);
    before.is_some() && [goal, wanted].into_iter().flatten().all(|sha256| Some(sha256) == before)
}

fn carried(view: &View<'_>, former: &Condition) -> Option<Standing> {
    let then = match () {
        () if former.status == "True" || former.reason == Reason::Suspended.as_str() => Then::Rest,
        () if is_true(&view.rollout.before.conditions, STALLED) => Then::UserMustAct,
        () => Then::Work,
    };
    let reason = Reason::named(&former.reason)?;
    Some(Standing::new(Holds::named(&former.status), reason, former.message.clone(), then))
}

fn conflicted(view: &View<'_>, progress: &Progress) -> Option<Standing> {
    let told = view.rollout.before.devices.as_ref().map_or(0, |devices| devices.conflicted.unsigned_abs());
    let conflicted = progress.round.as_ref().map_or(told, |round| round.conflicted);
    let targeted = progress.counted?.targeted;
    let message = format!(
        "{conflicted} of {targeted} devices hold a link of another BlobRollout in the same twin property and are left alone (see \
         status.failures): narrow one of the targets, or give one of the two another spec.twin.property"
    );
    let stands = conflicted > 0 && was_met(view, progress, Reason::Conflicted);
    stands.then(|| Standing::new(Holds::False, Reason::Conflicted, message, Then::UserMustAct))
}

/// Where every device refuses it, nothing was delivered.
fn nobody_takes_it(view: &View<'_>, progress: &Progress) -> Option<Standing> {
    let (counted, refused) = (progress.counted?, refused(view, progress));
    let nobody = refused > 0 && counted.linked == 0 && was_met(view, progress, Reason::DevicesRefused);
    nobody.then(|| Standing::new(Holds::False, Reason::DevicesRefused, refusal(refused), Then::UserMustAct))
}

/// Whether a sweep for this delivery has met it, or one before a restart has. What the sweep of another revision or target has met says
/// nothing: a deploy that mends it would be given up by whoever waits for it.
fn was_met(view: &View<'_>, progress: &Progress, reason: Reason) -> bool {
    let told = || find(&view.rollout.before.conditions, READY).filter(|_| was_told(view));
    let told_so = || told().is_some_and(|former| former.reason == reason.as_str());
    progress.swept || (progress.round.is_none() && told_so())
}

fn delivered(view: &View<'_>, progress: &Progress) -> Option<Standing> {
    let Counted { targeted, live, .. } = progress.counted?;
    let round = progress.round.as_ref()?;
    if !progress.swept || round.left > 0 || live + round.refused < targeted || view.store_key.is_some() {
        return None;
    }
    Some(if targeted == 0 {
        let message = "the asset is stored; the target picks no device at present";
        Standing::new(Holds::True, Reason::NoDevices, message, Then::Rest)
    } else {
        let live = live.min(targeted);
        let message = format!("the asset is stored and {live} of {targeted} devices hold a live link to it");
        Standing::new(Holds::True, Reason::Delivered, message, Then::Rest)
    })
}

fn undelivered(view: &View<'_>, schedule: &Schedule, progress: &Progress) -> Standing {
    if let Some(fault) = view.disturbances().into_iter().next() {
        return Standing::new(Holds::False, fault.reason, fault.message, Then::Work);
    }
    let contested = progress.round.as_ref().map_or(0, |round| round.contested);
    if contested > 0 {
        let message = format!(
            "somebody else keeps writing the twin property of {contested} devices right after the operator: find who writes it (see \
             status.failures), or choose another spec.twin.property. The devices are tried again ever more slowly"
        );
        return Standing::new(Holds::False, Reason::Contested, message, Then::Work);
    }
    Standing::new(Holds::False, Reason::Progressing, in_words(view, schedule, progress), Then::Work)
}

/// Acknowledged, as far as anything is known about the devices.
fn acknowledged(view: &View<'_>, progress: &Progress) -> Option<Stated> {
    let Some(counted) = progress.counted else {
        let former = find(&view.rollout.before.conditions, ACKNOWLEDGED)?;
        let held = (view.rollout.spec.suspend && same_spec(view)) || was_told(view);
        if let Some(reason) = Reason::named(&former.reason).filter(|_| held) {
            return Some(Stated::new(ACKNOWLEDGED, Holds::named(&former.status), reason, &former.message));
        }
        let message = "the revision has not been delivered yet";
        return Some(Stated::new(ACKNOWLEDGED, Holds::False, Reason::Pending, message));
    };
    let Counted { targeted, received, failed, .. } = counted;
    let message = format!("{received} of {targeted} devices have received the revision");
    let (holds, reason, message) = match () {
        () if targeted == 0 => {
            (Holds::False, Reason::NoDevices, "the target picks no device at present".to_owned())
        }
        () if failed > 0 => {
            (Holds::False, Reason::Failed, format!("{message}, {failed} answered that they could not use it"))
        }
        () if received == targeted && view.store_key.is_none() => (Holds::True, Reason::AllReceived, message),
        () => (Holds::False, Reason::Pending, message),
    };
    Some(Stated::new(ACKNOWLEDGED, holds, reason, message))
}
