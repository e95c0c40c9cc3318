//! Tells what came of a reconcile: the status, once and only when it differs, Events on transitions, metrics, and when to come back.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{
        controller::Action,
        events::{Event, EventType},
    },
};
use serde_json::json;

use super::context::Context;
use crate::{
    api::{
        BlobRollout, BlobRolloutStatus, FIELD_MANAGER,
        conditions::{ACKNOWLEDGED, OURS, READY, Reason, STALLED},
    },
    redact::cut,
    rollout::Plan,
    time::until,
};

/// Longest note of an Event, in bytes; the API refuses one of more than 1 kB.
const NOTE_LIMIT: usize = 1000;

/// Shortest pause between two reconciles that nothing else asks for.
const SHORTEST_WAKE: Duration = Duration::from_millis(500);

/// Reports `plan`, and says when to come back. A status that cannot be written is tried ever more slowly, and holds up nothing else: links
/// must be renewed all the same.
pub async fn report(object: &BlobRollout, plan: &Plan, ctx: &Context) -> Action {
    let (uid, now) = (object.uid().unwrap_or_default(), ctx.options.clock.now());
    let mut before = object.status.clone().unwrap_or_default();
    // Conditions of somebody else are no business of ours, and no difference.
    before.conditions.retain(|condition| OURS.contains(&condition.type_.as_str()));
    let mut wake = plan.wake;
    if plan.status == before {
        ctx.unwritten.forget(&uid);
    } else if let Some(at) = ctx.unwritten.next_attempt(&uid, now).filter(|at| *at > now) {
        wake = wake.min(at);
    } else if let Err(error) = write(object, plan, &before, ctx).await {
        wake = wake.min(ctx.unwritten.failed(&uid, &error, now));
        let name = object.name_any();
        tracing::error!(uid, name, error = &error as &dyn std::error::Error, "a status could not be written");
    } else {
        ctx.unwritten.forget(&uid);
    }
    ctx.metrics.reconciled(object, plan);
    Action::requeue(until(wake, ctx.options.clock.now()).max(SHORTEST_WAKE))
}

async fn write(
    object: &BlobRollout,
    plan: &Plan,
    before: &BlobRolloutStatus,
    ctx: &Context,
) -> Result<(), kube::Error> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<BlobRollout> = Api::namespaced(ctx.client.clone(), &namespace);
    let status = json!({
        "apiVersion": BlobRollout::api_version(&()),
        "kind": BlobRollout::kind(&()),
        "status": plan.status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch_status(&object.name_any(), &params, &Patch::Apply(status)).await?;
    for event in transitions(&before.conditions, &plan.status.conditions) {
        // An Event lost is no reason to fail a reconcile.
        if let Err(error) = ctx.recorder.publish(&event, &object.object_ref(&())).await {
            tracing::warn!(%error, "an Event could not be written");
        }
    }
    Ok(())
}

/// An Event for each condition that says something else than before. That nobody knows yet is no news beside that it is not so.
fn transitions(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let state = |all: &[Condition], kind: &str| {
        all.iter()
            .find(|condition| condition.type_ == kind)
            .map(|found| (found.status == "True", found.reason.clone()))
    };
    after
        .iter()
        .filter(|condition| [READY, ACKNOWLEDGED].contains(&condition.type_.as_str()))
        .filter(|condition| state(before, &condition.type_) != state(after, &condition.type_))
        .map(|condition| {
            let stalled =
                after.iter().any(|other| other.type_ == STALLED && other.reason == condition.reason);
            let failed = condition.type_ == ACKNOWLEDGED && condition.reason == "Failed";
            let disturbed = condition.reason.ends_with("Unavailable")
                || [Reason::LinksExpired, Reason::Contested]
                    .iter()
                    .any(|bad| bad.as_str() == condition.reason);
            Event {
                type_: if stalled || failed || disturbed { EventType::Warning } else { EventType::Normal },
                reason: condition.reason.clone(),
                note: Some(cut(condition.message.clone(), NOTE_LIMIT)),
                action: condition.type_.clone(),
                secondary: None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::conditions::{Holds, Stated, conditions};

    fn conditions_of(stated: &[Stated]) -> Vec<Condition> {
        conditions(stated, &[], Some(1), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn events_tell_transitions_alone() {
        let delivering = conditions_of(&[Stated::new(READY, Holds::False, Reason::Progressing, "1 of 2")]);
        let further = conditions_of(&[Stated::new(READY, Holds::False, Reason::Progressing, "2 of 2")]);
        let stalled = conditions_of(&[
            Stated::new(READY, Holds::False, Reason::TooManyDevices, "many"),
            Stated::new(STALLED, Holds::True, Reason::TooManyDevices, "many"),
        ]);
        assert_eq!(transitions(&[], &delivering).len(), 1);
        assert!(transitions(&delivering, &further).is_empty(), "a message alone is no transition");
        let events = transitions(&delivering, &stalled);
        assert_eq!(
            (events.len(), events[0].type_, events[0].reason.as_str()),
            (1, EventType::Warning, "TooManyDevices")
        );
        assert_eq!(transitions(&[], &delivering)[0].type_, EventType::Normal);
    }
}
