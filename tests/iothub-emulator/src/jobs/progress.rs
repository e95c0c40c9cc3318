//! What jobs do as time passes. Everything happens at a time of its own, in order, however far the clock was moved at
//! once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::device_job::{DeviceJob, Outcome};
use super::job::{Job, Status};
use super::spec::{Spec, Work};
use crate::clock::Timestamp;
use crate::error::{ErrorCode, HubError};
use crate::hub::Hub;
use crate::physics::Limits;
use crate::query::Condition;

type Jobs = BTreeMap<String, Job>;

/// How fast jobs go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Time from one device to the next.
    pause: Duration,
    /// Jobs that can run at a time.
    pub active_jobs: usize,
}

impl Pace {
    pub fn of(limits: &Limits) -> Self {
        let pause = limits.job_devices.map_or(Duration::ZERO, |rate| rate.time_for(1));
        Self { pause, active_jobs: limits.active_jobs }
    }
}

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
    pub fn advance(&mut self, jobs: &mut Jobs, hub: &Hub, pace: Pace, now: Timestamp) {
        while let Some((at, event)) = self.next(jobs, pace)
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
                        self.reach_device(job, hub, pace, at);
                    }
                    self.last_turn = id;
                }
            }
        }
    }

    /// The next thing to happen, and when.
    pub fn next(&self, jobs: &Jobs, pace: Pace) -> Option<(Timestamp, Event)> {
        let running = || jobs.iter().filter(|(_, job)| job.status == Status::Running);
        let forget = jobs.iter().filter_map(|(id, job)| Some((job.forgotten()?, Event::Forget(id.clone()))));
        let time_out = running().filter_map(|(id, job)| Some((job.deadline()?, Event::TimeOut(id.clone()))));
        let waiting = jobs.iter().filter(|(_, job)| job.status == Status::Waiting);
        let start = waiting
            .min_by_key(|(_, job)| (job.spec.start, job.head.created))
            .filter(|_| running().count() < pace.active_jobs)
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

    fn reach_device(&mut self, job: &mut Job, hub: &Hub, pace: Pace, at: Timestamp) {
        if let Some(row) = job.rows.get_mut(job.done) {
            row.outcome = match carry_out(&job.spec, hub, &row.device) {
                Ok(()) => Outcome::Completed(at),
                Err(error) => Outcome::Failed(at, error),
            };
            row.updated = at;
        }
        job.done += 1;
        self.next_device = at.plus(pace.pause);
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

fn carry_out(spec: &Spec, hub: &Hub, id: &str) -> Result<(), HubError> {
    match &spec.work {
        Work::UpdateTwin(change) => {
            hub.physics.check_quota(&hub.clock)?;
            hub.registry.write(id, |device| hub.change_twin(device, change, false))?;
            // Each device by itself ("Azure IoT Hub billing information").
            hub.physics.charge(spec.body.to_string().len(), &hub.clock);
            Ok(())
        }
        Work::Method => {
            hub.registry.read(id, |_| ())?;
            let text = "The operation failed because the requested device isn't online";
            Err(HubError::new(ErrorCode::DeviceNotOnline, text))
        }
    }
}
