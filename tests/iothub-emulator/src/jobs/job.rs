//! One job: where it stands, and its document.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::device_job::{DeviceJob, Head, Outcome};
use super::spec::Spec;
use crate::clock::Timestamp;

/// How long a job is remembered after its end ("IoT Hub quotas and throttling").
const HISTORY: Duration = Duration::from_hours(30 * 24);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Status {
    /// Until its time has come and there is room for it.
    Waiting,
    Running,
    Completed,
    Failed,
    Cancelled,
}

pub(super) struct Job {
    pub head: Arc<Head>,
    pub spec: Spec,
    pub status: Status,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// One for each device, in the order of their ids; made when the job starts.
    pub rows: Vec<DeviceJob>,
    /// How many of them had their turn.
    pub done: usize,
}

impl Job {
    pub fn new(id: String, spec: Spec, now: Timestamp) -> Self {
        let head = Arc::new(Head { id, kind: spec.work.kind(), created: now });
        Self { head, spec, status: Status::Waiting, started: None, ended: None, rows: Vec::new(), done: 0 }
    }

    /// Whether it runs, or waits for nothing but its turn.
    pub fn is_active(&self, now: Timestamp) -> bool {
        match self.status {
            Status::Waiting => self.spec.start <= now,
            Status::Running => true,
            Status::Completed | Status::Failed | Status::Cancelled => false,
        }
    }

    /// When a job that runs is out of time.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.started.map(|started| started.plus(self.spec.execution))
    }

    pub fn end(&mut self, status: Status, at: Timestamp) {
        self.status = status;
        self.ended = Some(at);
    }

    /// When it is to be forgotten.
    pub fn forgotten(&self) -> Option<Timestamp> {
        self.ended.map(|ended| ended.plus(HISTORY))
    }

    pub fn shown_status(&self, now: Timestamp) -> &'static str {
        match self.status {
            Status::Waiting if self.spec.start > now => "scheduled",
            Status::Waiting => "queued",
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// What the hub answers when it takes a job.
    pub fn receipt(&self) -> Value {
        json!({ "jobId": self.head.id, "type": self.head.kind, "status": "queued" })
    }

    pub fn document(&self, now: Timestamp) -> Value {
        let count =
            |wanted: fn(&Outcome) -> bool| self.rows.iter().filter(|row| wanted(&row.outcome)).count();
        let pending = count(|outcome| matches!(outcome, Outcome::Pending));
        let mut document = json!({
            "jobId": self.head.id,
            "queryCondition": self.spec.condition_text,
            "createdTime": self.head.created.to_string(),
            "startTime": self.spec.start.to_string(),
            "maxExecutionTimeInSeconds": self.spec.execution.as_secs(),
            "type": self.head.kind,
            "status": self.shown_status(now),
            "deviceJobStatistics": {
                "deviceCount": self.rows.len(),
                "failedCount": count(|outcome| matches!(outcome, Outcome::Failed(..))),
                "succeededCount": count(|outcome| matches!(outcome, Outcome::Completed(_))),
                "runningCount": 0,
                "pendingCount": pending,
            },
        });
        document[self.spec.work.member()] = self.spec.body.clone();
        if let Some(ended) = self.ended {
            document["endTime"] = ended.to_string().into();
        }
        if self.status == Status::Failed {
            document["failureReason"] = "JobExecutionTimeExceeded".into();
            document["statusMessage"] = "The job did not reach all devices within its execution time".into();
        }
        document
    }
}
