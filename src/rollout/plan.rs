//! The plan of a rollout. Pure: the same object, facts and time give the same plan.

use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::{facts::Facts, schedule::schedule, status::status, task::Task, validate::Validated, view::View};
use crate::api::{BlobRollout, BlobRolloutStatus, RECONCILE_REQUESTED_AT, RENEW_REQUESTED_AT};

/// A rollout as its object declares it.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// The object's uid.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it is being deleted.
    pub deleted: bool,
    /// The value of the annotation that asks for a renewal.
    pub renew_request: Option<String>,
    /// The value of the annotation that makes everything be looked at again.
    pub reconcile_request: Option<String>,
    /// What the user wants.
    pub spec: Validated,
    /// The status as it stands.
    pub before: BlobRolloutStatus,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tasks that should be running now, and no others.
    pub tasks: Vec<Task>,
    /// The whole status as it should stand now.
    pub status: BlobRolloutStatus,
    /// When to look again, unless something wakes the rollout before.
    pub wake: Timestamp,
}

impl Rollout {
    /// Reads an object.
    pub fn of(object: &BlobRollout) -> Self {
        let meta = object.meta();
        let annotation = |name: &str| object.annotations().get(name).cloned();
        let created = meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        Self {
            uid: object.uid().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            created,
            deleted: meta.deletion_timestamp.is_some(),
            renew_request: annotation(RENEW_REQUESTED_AT),
            reconcile_request: annotation(RECONCILE_REQUESTED_AT),
            spec: Validated::parse(&object.spec, &object.namespace().unwrap_or_default(), &object.name_any()),
            before: object.status.clone().unwrap_or_default(),
        }
    }
}

/// Plans.
pub fn plan(rollout: &Rollout, facts: &Facts, now: Timestamp) -> Plan {
    let view = View::of(rollout, facts, now);
    let schedule = schedule(&view);
    Plan { status: status(&view, &schedule), tasks: schedule.tasks, wake: schedule.wake }
}
