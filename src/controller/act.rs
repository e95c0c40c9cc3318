//! Does the one thing that was decided. What fails is remembered, and the next pass decides what comes of it.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::{
    context::Context,
    decide::{Plan, Step},
    delivery::Subject,
    fault::Fault,
    observe::Tools,
    observed::{Counted, Failed, Observed},
    revision::Upkeep,
    sweeping,
};
use crate::{
    api::{BlobRollout, conditions::Reason},
    fleet::{counts, failures},
    hub::{client::HubClient, error::HubError},
    storage::{BlobStore, StoreError},
};

/// Does what `plan` says; safe to repeat.
pub async fn act(plan: &Plan, seen: &Observed, tools: Tools, object: &BlobRollout, ctx: &Arc<Context>) {
    match (&plan.step, tools) {
        (Step::Store(upkeep), Tools { blobs: Some(blobs), .. }) => {
            let failed = store(&blobs, upkeep).await.err().map(|error| store_fault(&error));
            ctx.memory.with(&seen.uid, |rollout| {
                rollout.upkeep_failed = again(rollout.upkeep_failed.as_ref(), failed);
            });
        }
        (Step::Count(subject), Tools { hub: Some(hub), .. }) => {
            let counted = count(&hub, subject).await;
            ctx.memory.with(&seen.uid, |rollout| match counted {
                Ok(counted) => {
                    rollout.count_failed = None;
                    rollout.counted = Some(unchanged_since(rollout.counted.as_ref(), counted));
                }
                Err(error) => {
                    rollout.count_failed = again(rollout.count_failed.as_ref(), Some(hub_fault(&error)));
                }
            });
        }
        (Step::Sweep(sweep), Tools { blobs: Some(blobs), hub: Some(hub) }) => {
            sweeping::begin(sweep.clone(), seen, blobs, hub, object, ctx);
        }
        // A step is planned only where its client was made.
        (Step::Rest | Step::Store(_) | Step::Count(_) | Step::Sweep(_), _) => (),
    }
}

async fn store(blobs: &BlobStore, upkeep: &Upkeep) -> Result<(), StoreError> {
    match upkeep {
        Upkeep::Put { name, asset, properties } => {
            blobs.ensure_container().await?;
            blobs.put(name, asset.bytes.clone(), properties).await
        }
        Upkeep::Update { name, etag, properties } => blobs.update(name, etag, properties).await,
    }
}

async fn count(hub: &HubClient, subject: &Subject) -> Result<Counted, HubError> {
    let Subject { target, property, reported_property, blob } = subject;
    let counts = counts::count(hub, target, property, reported_property, blob).await?;
    let failures = match counts.failed {
        0 => Vec::new(),
        _ => failures::failures(hub, target, property, reported_property, blob).await?,
    };
    let now = Context::now();
    Ok(Counted { at: now, changed: now, subject: subject.clone(), counts, failures })
}

/// The same numbers stand since they were first seen.
fn unchanged_since(before: Option<&Counted>, counted: Counted) -> Counted {
    match before {
        Some(before) if before.subject == counted.subject && before.counts.is_as_far_as(&counted.counts) => {
            Counted { changed: before.changed, ..counted }
        }
        _ => counted,
    }
}

fn again(before: Option<&Failed>, fault: Option<Fault>) -> Option<Failed> {
    failed_again(before, fault?, Context::now()).into()
}

/// One failure more.
pub fn failed_again(before: Option<&Failed>, fault: Fault, now: Timestamp) -> Failed {
    Failed { fault, at: now, times: before.map_or(0, |before| before.times.saturating_add(1)) }
}

/// What an error of blob storage means for a rollout.
pub fn store_fault(error: &StoreError) -> Fault {
    Fault::of(error.follow(), Reason::StorageUnavailable, Reason::StorageRefused, error.to_string())
}

/// What an error of the hub means for a rollout.
pub fn hub_fault(error: &HubError) -> Fault {
    let refused = match error {
        HubError::BadRequest { .. } => Reason::QueryRefused,
        _ => Reason::HubRefused,
    };
    Fault::of(error.follow(), Reason::HubUnavailable, refused, error.to_string())
}
