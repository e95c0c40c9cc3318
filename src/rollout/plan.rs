//! The plan of a rollout. Pure: the same object, facts and time give the same plan.

use k8s_openapi::jiff::Timestamp;

use super::{facts::Facts, object::Rollout, schedule::schedule, status::status, task::Task, view::View};
use crate::api::BlobRolloutStatus;

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

/// Plans.
pub fn plan(rollout: &Rollout, facts: &Facts, now: Timestamp) -> Plan {
    let view = View::of(rollout, facts, now);
    let schedule = schedule(&view);
    Plan { status: status(&view, &schedule), tasks: schedule.tasks, wake: schedule.wake }
}
