//! What a condition is judged for: a twin, or the outcome of a job on a device.

use super::ast::Source;
use crate::jobs::{DeviceJob, JobField};
use crate::registry::{Device, Field};
use crate::twins::Found;

#[derive(Clone, Copy)]
pub(crate) enum Row<'a> {
    Twin(&'a Device),
    Job(&'a DeviceJob),
}

/// A path in a condition, resolved for what the query is about.
pub(super) enum Column {
    Twin(Field),
    Job(JobField),
}

impl Column {
    /// None if there cannot be such a thing: a twin can have any property, the outcome of a job has its own alone.
    pub fn resolve(source: Source, steps: &[String]) -> Option<Self> {
        match source {
            Source::Devices | Source::Modules => Some(Self::Twin(Field::resolve(steps).0)),
            Source::Jobs => JobField::resolve(steps).map(Self::Job),
        }
    }

    pub fn of<'a>(&self, row: Row<'a>) -> Found<'a> {
        match (self, row) {
            (Self::Twin(field), Row::Twin(device)) => field.of(device),
            (Self::Job(field), Row::Job(job)) => field.of(job),
            _ => Found::Undefined,
        }
    }
}
