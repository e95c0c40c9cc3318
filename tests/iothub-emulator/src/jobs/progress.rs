//! What jobs do as time passes. Everything happens at a time of its own, in order, however far the clock was moved at
//! once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::device_job::{DeviceJob, Outcome};
use super::job::{Job, Status};
use super::spec::Work;
use crate::clock::Timestamp;
use crate::error::{ErrorCode, HubError};
use crate::hub::Hub;
use crate::query::Condition;
use crate::settings::JobSettings;

type Jobs = BTreeMap<String, Job>;

/// What the jobs share: the hub's budget of devices, and its places for jobs that run.
pub(super) struct Progress {
    /// When the next device may be reached.
    pub next_device: Timestamp,
    /// The job that had its turn last.
    pub last_turn: String,
    /// When a place became free.
    pub freed: Timestamp,
}

/// What happens next, in the order in which things of the same time happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Forget(String),
    TimeOut(String),
    Start(String),
    Device(String),
}

impl Default for Progress {
    fn default() -> Self {
        let start = Timestamp::from_unix_seconds(0);
        Self { next_device: start, last_turn: String::new(), freed: start }
    }
}

impl Progress {
    pub fn advance(&mut self, jobs: &mut Jobs, hub: &Hub, settings: &JobSettings, now: Timestamp) {
        while let Some((at, event)) = self.next(jobs, settings)
            && at <= now
        {
            match event {
                Event::Forget(id) => drop(jobs.remove(&id)),
                Event::Start(id) => {
                    if let Some(job) = jobs.get_mut(&id) {
                        self.start(job, hub, at);
                    }
                }
                Event::TimeOut(id) => {
                    if let Some(job) = jobs.get_mut(&id) {
                        time_out(job, at);
                        self.freed = at;
                    }
                }
                Event::Device(id) => {
                    if let Some(job) = jobs.get_mut(&id) {
                        self.reach_device(job, hub, settings, at);
                    }
                    self.last_turn = id;
                }
            }
        }
    }

    /// The next thing to happen, and when.
    pub fn next(&self, jobs: &Jobs, settings: &JobSettings) -> Option<(Timestamp, Event)> {
        let running = || jobs.iter().filter(|(_, job)| job.status == Status::Running);
        let forget = jobs.iter().filter_map(|(id, job)| Some((job.forgotten()?, Event::Forget(id.clone()))));
        let time_out = running().filter_map(|(id, job)| Some((job.deadline()?, Event::TimeOut(id.clone()))));
        let waiting = jobs.iter().filter(|(_, job)| job.status == Status::Waiting);
        let start = waiting
            .min_by_key(|(_, job)| (job.spec.start, job.head.created))
            .filter(|_| running().count() < settings.active_jobs)
            .map(|(id, job)| {
                let at = job.spec.start.max(job.head.created).max(self.freed);
                (at, Event::Start(id.clone()))
            });
        // Running jobs take turns.
        let turn = running().find(|(id, _)| **id > self.last_turn).or_else(|| running().next());
        let device = turn.map(|(id, job)| {
            (self.next_device.max(job.started.unwrap_or(self.next_device)), Event::Device(id.clone()))
        });
        forget.chain(time_out).chain(start).chain(device).min()
    }

    /// Finds the devices of a job, as queries see them now.
    fn start(&mut self, job: &mut Job, hub: &Hub, at: Timestamp) {
        job.started = Some(at);
        job.status = Status::Running;
        for device in devices(&job.spec.condition, hub) {
            let head = job.head.clone();
            job.rows.push(DeviceJob { head, device, outcome: Outcome::Pending, updated: at });
        }
        self.end_if_done(job, at);
    }

    fn reach_device(&mut self, job: &mut Job, hub: &Hub, settings: &JobSettings, at: Timestamp) {
        if let Some(row) = job.rows.get_mut(job.done) {
            row.outcome = match carry_out(&job.spec.work, hub, &row.device) {
                Ok(()) => Outcome::Completed(at),
                Err(error) => Outcome::Failed(at, error),
            };
            row.updated = at;
        }
        job.done += 1;
        let pause =
            settings.devices_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
        self.next_device = at.plus(pause);
        self.end_if_done(job, at);
    }

    fn end_if_done(&mut self, job: &mut Job, at: Timestamp) {
        if job.done >= job.rows.len() {
            job.end(Status::Completed, at);
            self.freed = at;
        }
    }
}

fn time_out(job: &mut Job, at: Timestamp) {
    for row in job.rows.iter_mut().skip(job.done) {
        let error = HubError::new(ErrorCode::GenericTimeout, "The job's execution time was over");
        row.outcome = Outcome::Failed(at, error);
        row.updated = at;
    }
    job.end(Status::Failed, at);
}

fn devices(condition: &Condition, hub: &Hub) -> Vec<Box<str>> {
    let mut found = Vec::new();
    hub.data().devices.scan(None, |device| {
        if condition.is_met_by(device) {
            found.push(device.identity.id.as_str().into());
        }
        ControlFlow::Continue(())
    });
    found
}

fn carry_out(work: &Work, hub: &Hub, id: &str) -> Result<(), HubError> {
    match work {
        Work::UpdateTwin(change) => hub.registry.write(id, |device| hub.change_twin(device, change, false)),
        Work::Method => {
            hub.registry.read(id, |_| ())?;
            let text = "The operation failed because the requested device isn't online";
            Err(HubError::new(ErrorCode::DeviceNotOnline, text))
        }
    }
}
