//! Jobs as a state file has them.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::device_job::{DeviceJob, Outcome};
use super::job::{Job, Status};
use super::progress::Progress;
use super::spec::Spec;
use super::{Jobs, not_found};
use crate::clock::Timestamp;
use crate::error::HubError;
use crate::settings::{JobSettings, QuerySettings};

/// A job without its devices.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StoredJob {
    pub id: String,
    /// The body of a PUT that asks for this job, as text: it may be as deep as JSON can be read.
    request: String,
    created: Timestamp,
    status: Status,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// What became of a job on a device.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredRow {
    job: String,
    device: Box<str>,
    outcome: Outcome,
    updated: Timestamp,
}

/// What the jobs share.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StoredTurns {
    next_device: Timestamp,
    last_turn: String,
    freed: Timestamp,
}

impl StoredJob {
    fn of(job: &Job) -> Self {
        let spec = &job.spec;
        let mut request = json!({
            "type": spec.work.kind(),
            "queryCondition": spec.condition_text,
            "startTime": spec.start.to_string(),
            "maxExecutionTimeInSeconds": spec.execution.as_secs(),
        });
        request[spec.work.member()] = spec.body.clone();
        Self {
            id: job.head.id.clone(),
            request: request.to_string(),
            created: job.head.created,
            status: job.status,
            started: job.started,
            ended: job.ended,
        }
    }
}

impl Jobs {
    /// All jobs, each with the number of its devices.
    pub fn stored(&self) -> (StoredTurns, Vec<(StoredJob, usize)>) {
        let state = self.state();
        let Progress { next_device, last_turn, freed } = &state.progress;
        let turns = StoredTurns { next_device: *next_device, last_turn: last_turn.clone(), freed: *freed };
        (turns, state.jobs.values().map(|job| (StoredJob::of(job), job.rows.len())).collect())
    }

    /// Some of the devices of a job, in their order.
    pub fn stored_rows(&self, id: &str, places: std::ops::Range<usize>) -> Vec<StoredRow> {
        let state = self.state();
        let rows = state.jobs.get(id).and_then(|job| job.rows.get(places)).unwrap_or_default();
        let stored = |row: &DeviceJob| StoredRow {
            job: id.to_owned(),
            device: row.device.clone(),
            outcome: row.outcome.clone(),
            updated: row.updated,
        };
        rows.iter().map(stored).collect()
    }

    /// Puts a job where it was; its devices follow.
    pub fn put_back(&self, stored: StoredJob, queries: &QuerySettings) -> Result<(), HubError> {
        // What was accepted once is not refused for a setting that is another one now.
        let settings = JobSettings { any_characters: true };
        let request = serde_json::from_str::<Value>(&stored.request).unwrap_or_default();
        let spec = Spec::parse(&stored.id, &request, stored.created, &settings, queries)?;
        let mut job = Job::new(stored.id.clone(), spec, stored.created);
        (job.status, job.started, job.ended) = (stored.status, stored.started, stored.ended);
        self.state().jobs.insert(stored.id, job);
        Ok(())
    }

    /// Puts the next device of a job where it was.
    pub fn put_back_row(&self, row: StoredRow) -> Result<(), HubError> {
        let mut state = self.state();
        let job = state.jobs.get_mut(&row.job).ok_or_else(|| not_found(&row.job))?;
        // Devices have their turns in order.
        job.done += usize::from(!matches!(row.outcome, Outcome::Pending));
        let head = job.head.clone();
        job.rows.push(DeviceJob { head, device: row.device, outcome: row.outcome, updated: row.updated });
        Ok(())
    }

    /// Goes on with the jobs that are back.
    pub fn go_on(&self, turns: StoredTurns) {
        let mut state = self.state();
        let StoredTurns { next_device, last_turn, freed } = turns;
        state.progress = Progress { next_device, last_turn, freed };
        self.set_due(&state);
    }

    /// Grows whenever something may have changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}
