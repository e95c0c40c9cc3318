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
struct Verdict {
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

impl Verdict {
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
    let refused = progress.round.as_ref().map_or(0, |round| round.refused);
    if refused > 0 {
        all.push(Stated::new(DEVICES_REFUSED, Holds::True, Reason::DevicesRefused, refusal(refused)));
    }
    all
}

fn refusal(refused: u64) -> String {
    format!(
        "the hub refuses the link for {refused} devices, which are tried again once an hour: see status.failures"
    )
}

/// Ready, by the first check that fits.
fn ready(view: &View<'_>, schedule: &Schedule, progress: &Progress) -> Verdict {
    deleted(view)
        .or_else(|| needs_user(view))
        .or_else(|| links_expired(view, progress))
        .or_else(|| suspended(view, progress))
        .or_else(|| unknown(view, schedule, progress))
        .or_else(|| conflicted(progress))
        .or_else(|| nobody_takes_it(progress))
        .or_else(|| delivered(view, progress))
        .unwrap_or_else(|| undelivered(view, schedule, progress))
}

fn deleted(view: &View<'_>) -> Option<Verdict> {
    let message = "the rollout is being deleted: no device gets a link any more, and those in the twins die at their expiry";
    view.rollout.deleted.then(|| Verdict::new(Holds::False, Reason::Terminating, message, Then::Rest))
}

fn needs_user(view: &View<'_>) -> Option<Verdict> {
    let fault =
        view.faults.iter().find(|fault| !(view.rollout.spec.suspend && is_of_the_source(fault.reason)))?;
    Some(Verdict::new(Holds::False, fault.reason, fault.message.clone(), Then::UserMustAct))
}

/// What a suspended rollout does not need.
fn is_of_the_source(reason: Reason) -> bool {
    reason == Reason::SourceUnavailable
}

fn links_expired(view: &View<'_>, progress: &Progress) -> Option<Verdict> {
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
    Some(Verdict::new(Holds::False, Reason::LinksExpired, message, Then::Work))
}

/// A suspended rollout speaks of the links that devices hold.
fn suspended(view: &View<'_>, progress: &Progress) -> Option<Verdict> {
    if !view.rollout.spec.suspend {
        return None;
    }
    let nothing = "spec.suspend is true and nothing has been delivered yet: set it to false to begin";
    let Some(held) = progress.held else {
        let former = find(&view.rollout.before.conditions, READY);
        // Of another spec, which may pick other devices, nothing was told yet.
        return match former.filter(|former| former.status == "True" && same_spec(view)) {
            Some(former) => carried(view, former),
            None if view.inventory.is_none() || view.delivery.is_some() => None,
            None => Some(Verdict::new(Holds::False, Reason::Suspended, nothing, Then::Rest)),
        };
    };
    let live = held.live == held.devices;
    Some(match held.devices {
        0 => Verdict::new(Holds::False, Reason::Suspended, nothing, Then::Rest),
        devices if live => {
            let message = format!(
                "{devices} devices hold live links; spec.suspend is true: nobody gets a new revision"
            );
            Verdict::new(Holds::True, Reason::Delivered, message, Then::Rest)
        }
        devices => {
            let message = format!(
                "{} of {devices} links in twins open their blob, the others are being renewed",
                held.live
            );
            Verdict::new(Holds::False, Reason::Progressing, message, Then::Work)
        }
    })
}

/// What nobody has looked at yet stays as it was said last, for the same revision and the same spec.
fn unknown(view: &View<'_>, schedule: &Schedule, progress: &Progress) -> Option<Verdict> {
    if progress.counted.is_some() && progress.swept {
        return None;
    }
    let former = find(&view.rollout.before.conditions, READY);
    // A new spec or asset is not there before it was delivered; and what goes on is told as far as it is.
    let nothing_known = progress.counted.is_none() && progress.round.is_none();
    // A count that has found devices without a live link is known, whatever was told before; who refuses one is not among them.
    let refused = view.rollout.before.devices.as_ref().map_or(0, |devices| devices.refused.cast_unsigned());
    let lacks = progress.counted.is_some_and(|counted| counted.live + refused < counted.targeted);
    let keeps = |former: &&Condition| {
        (former.status == "True" && !lacks) || (nothing_known && rests_on_the_fleet(&former.reason))
    };
    if let Some(former) = former.filter(|_| was_told(view)).filter(keeps) {
        return carried(view, former);
    }
    let looked = view.inventory.is_some() && (view.delivery.is_none() || progress.counted.is_some());
    if former.is_some() || looked {
        return None;
    }
    let fault = view.disturbances().into_iter().next();
    Some(match fault {
        Some(fault) => Verdict::new(Holds::Unknown, fault.reason, fault.message, Then::Work),
        None => {
            Verdict::new(Holds::Unknown, Reason::Progressing, in_words(view, schedule, progress), Then::Work)
        }
    })
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

fn carried(view: &View<'_>, former: &Condition) -> Option<Verdict> {
    let then = match () {
        () if former.status == "True" => Then::Rest,
        () if is_true(&view.rollout.before.conditions, STALLED) => Then::UserMustAct,
        () => Then::Work,
    };
    let reason = Reason::named(&former.reason)?;
    Some(Verdict::new(Holds::named(&former.status), reason, former.message.clone(), then))
}

fn conflicted(progress: &Progress) -> Option<Verdict> {
    let conflicted = progress.round.as_ref().map_or(0, |round| round.conflicted);
    let targeted = progress.counted?.targeted;
    let message = format!(
        "{conflicted} of {targeted} devices hold a link of another BlobRollout in the same twin property and are left alone (see \
         status.failures): narrow one of the targets, or give one of the two another spec.twin.property"
    );
    (conflicted > 0).then(|| Verdict::new(Holds::False, Reason::Conflicted, message, Then::UserMustAct))
}

/// Where every device refuses it, nothing was delivered.
fn nobody_takes_it(progress: &Progress) -> Option<Verdict> {
    let (counted, refused) = (progress.counted?, progress.round.as_ref()?.refused);
    let nobody = refused > 0 && counted.linked == 0;
    nobody.then(|| Verdict::new(Holds::False, Reason::DevicesRefused, refusal(refused), Then::UserMustAct))
}

fn delivered(view: &View<'_>, progress: &Progress) -> Option<Verdict> {
    let Counted { targeted, live, .. } = progress.counted?;
    let round = progress.round.as_ref()?;
    if !progress.swept || round.left > 0 || live + round.refused < targeted || view.store_key.is_some() {
        return None;
    }
    Some(if targeted == 0 {
        let message = "the asset is stored; the target picks no device at present";
        Verdict::new(Holds::True, Reason::NoDevices, message, Then::Rest)
    } else {
        let live = live.min(targeted);
        let message = format!("the asset is stored and {live} of {targeted} devices hold a live link to it");
        Verdict::new(Holds::True, Reason::Delivered, message, Then::Rest)
    })
}

fn undelivered(view: &View<'_>, schedule: &Schedule, progress: &Progress) -> Verdict {
    if let Some(fault) = view.disturbances().into_iter().next() {
        return Verdict::new(Holds::False, fault.reason, fault.message, Then::Work);
    }
    let contested = progress.round.as_ref().map_or(0, |round| round.contested);
    if contested > 0 {
        let message = format!(
            "somebody else keeps writing the twin property of {contested} devices right after the operator: find who writes it (see \
             status.failures), or choose another spec.twin.property. The devices are tried again ever more slowly"
        );
        return Verdict::new(Holds::False, Reason::Contested, message, Then::Work);
    }
    Verdict::new(Holds::False, Reason::Progressing, in_words(view, schedule, progress), Then::Work)
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
