//! Jobs v2: one change to many devices, at the hub's pace ("Schedule Azure IoT Hub jobs on multiple devices").

mod device_job;
mod job;
mod progress;
mod spec;
mod stored;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::clock::Timestamp;
use crate::error::{ErrorCode, HubError};
use crate::hub::Hub;
use crate::physics::Limits;
use crate::settings::JobSettings;
pub(crate) use device_job::{DeviceJob, JobField};
use job::{Job, Status};
use progress::{Pace, Progress};
use spec::Spec;
pub(crate) use stored::{StoredJob, StoredRow, StoredTurns};

/// All jobs of the hub, also those of the past.
///
/// Nothing runs by itself: [`Jobs::advance`] does what has become due by the hub's clock. Whoever locks both jobs and
/// devices locks the jobs first.
pub(crate) struct Jobs {
    state: Mutex<State>,
    /// When there is something to do, in ticks of [`Timestamp`]; looked at for every request, and so without the lock.
    due: AtomicU64,
    /// How often it was set, which follows every change.
    changes: AtomicU64,
    settings: JobSettings,
    pace: Pace,
}

#[derive(Default)]
struct State {
    jobs: BTreeMap<String, Job>,
    progress: Progress,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("jobs", &self.state().jobs.len()).finish_non_exhaustive()
    }
}

impl Jobs {
    /// At the pace of one unit of S1.
    pub fn new(settings: JobSettings) -> Self {
        let due = AtomicU64::new(u64::MAX);
        let pace = Pace::of(&Limits::unlimited());
        Self { state: Mutex::default(), due, changes: AtomicU64::default(), settings, pace }
    }

    /// At the pace of these limits.
    pub fn paced_by(mut self, limits: &Limits) -> Self {
        self.pace = Pace::of(limits);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job; 409 if there is one of this id, 429 if it would have to run now and no more may.
    pub fn schedule(&self, hub: &Hub, id: &str, body: &Value) -> Result<Value, HubError> {
        let now = hub.clock.now();
        let spec = Spec::parse(id, body, now, &self.settings, &hub.queries)?;
        let mut state = self.state();
        if state.jobs.contains_key(id) {
            let text = format!("A job with the same id already exists: {id}");
            return Err(HubError::new(ErrorCode::JobAlreadyExists, text));
        }
        let active = state.jobs.values().filter(|job| job.is_active(now)).count();
        if spec.start <= now && active >= self.pace.active_jobs {
            let text = format!("The hub has {active} active jobs, as many as its tier allows");
            return Err(HubError::new(ErrorCode::ThrottlingMaxActiveJobCountExceeded, text));
        }
        let job = Job::new(id.to_owned(), spec, now);
        let answer = job.receipt();
        state.jobs.insert(id.to_owned(), job);
        self.set_due(&state);
        Ok(answer)
    }

    pub fn get(&self, id: &str, now: Timestamp) -> Result<Value, HubError> {
        self.state().jobs.get(id).map(|job| job.document(now)).ok_or_else(|| not_found(id))
    }

    /// Ends a job that has not started; what has cannot be stopped (`test_iothub_jobs_int.py`).
    pub fn cancel(&self, id: &str, now: Timestamp) -> Result<Value, HubError> {
        let mut state = self.state();
        let job = state.jobs.get_mut(id).ok_or_else(|| not_found(id))?;
        if job.status != Status::Waiting {
            let text = format!("Job {id} is {}, and can no longer be cancelled", job.shown_status(now));
            return Err(HubError::new(ErrorCode::JobRunPreconditionFailed, text));
        }
        job.end(Status::Cancelled, now);
        let document = job.document(now);
        self.set_due(&state);
        Ok(document)
    }

    /// Jobs after `after`, `limit` of them at most, in the order of their ids, and the last id if there are more. Type
    /// and status are compared without regard to case.
    pub fn list(
        &self,
        kind: Option<&str>,
        status: Option<&str>,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> (Vec<Value>, Option<String>) {
        let state = self.state();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let is = |wanted: Option<&str>, found: &str| {
            wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
        };
        let mut found = state
            .jobs
            .range::<str, _>((from, Bound::Unbounded))
            .filter(|(_, job)| is(kind, job.spec.work.kind()) && is(status, job.shown_status(now)))
            .peekable();
        let (mut page, mut last) = (Vec::new(), None);
        while page.len() < limit
            && let Some((id, job)) = found.next()
        {
            page.push(job.document(now));
            last = Some(id.clone());
        }
        (page, last.filter(|_| found.peek().is_some()))
    }

    /// Looks at the rows after the one with the key `after`, by job and device, until `look` breaks.
    pub fn scan(&self, after: Option<&str>, mut look: impl FnMut(&DeviceJob) -> ControlFlow<()>) {
        let state = self.state();
        let (first, device) = after.and_then(|after| after.split_once('/')).unwrap_or_default();
        for (id, job) in state.jobs.range::<str, _>((Bound::Included(first), Bound::Unbounded)) {
            let seen = if id == first { job.rows.partition_point(|row| &*row.device <= device) } else { 0 };
            for row in job.rows.iter().skip(seen) {
                if look(row).is_break() {
                    return;
                }
            }
        }
    }

    /// Does what has become due.
    pub fn advance(&self, hub: &Hub, now: Timestamp) {
        if now.ticks() < self.due.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state();
        let State { jobs, progress } = &mut *state;
        progress.advance(jobs, hub, self.pace, now);
        self.set_due(&state);
    }

    fn set_due(&self, state: &State) {
        let due = state.progress.next(&state.jobs, self.pace).map_or(u64::MAX, |(at, _)| at.ticks());
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.due.store(due, Ordering::Relaxed);
    }
}

fn not_found(id: &str) -> HubError {
    HubError::new(ErrorCode::JobNotFound, format!("Job {id} not found"))
}
