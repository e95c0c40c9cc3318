//! What became of a job on one device: a row of `devices.jobs` ("Queries for IoT Hub jobs").

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::error::HubError;
use crate::twins::{Found, ObjectRef};

/// What all rows of a job have in common.
#[derive(Debug)]
pub(crate) struct Head {
    pub id: String,
    /// `scheduleUpdateTwin` or `scheduleDeviceMethod`.
    pub kind: &'static str,
    pub created: Timestamp,
}

#[derive(Debug)]
pub(crate) struct DeviceJob {
    pub head: Arc<Head>,
    pub device: Box<str>,
    pub outcome: Outcome,
    pub updated: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    Pending,
    Completed(Timestamp),
    Failed(Timestamp, HubError),
}

impl DeviceJob {
    /// Its place among all rows: by job, then by device.
    pub fn key(&self) -> String {
        format!("{}/{}", self.head.id, self.device)
    }

    fn status(&self) -> &'static str {
        match self.outcome {
            Outcome::Pending => "pending",
            Outcome::Completed(_) => "completed",
            Outcome::Failed(..) => "failed",
        }
    }

    /// When the device's turn came, and ended.
    fn ended(&self) -> Option<Timestamp> {
        match self.outcome {
            Outcome::Pending => None,
            Outcome::Completed(at) | Outcome::Failed(at, _) => Some(at),
        }
    }

    fn error(&self) -> Option<Value> {
        match &self.outcome {
            Outcome::Failed(_, error) => {
                Some(json!({ "code": error.code.name(), "description": error.text }))
            }
            Outcome::Pending | Outcome::Completed(_) => None,
        }
    }

    pub fn document(&self) -> Value {
        let mut document = json!({
            "deviceId": self.device,
            "jobId": self.head.id,
            "jobType": self.head.kind,
            "status": self.status(),
            "createdDateTimeUtc": self.head.created.to_string(),
            "lastUpdatedDateTimeUtc": self.updated.to_string(),
        });
        if let Some(at) = self.ended() {
            document["startTimeUtc"] = at.to_string().into();
            document["endTimeUtc"] = at.to_string().into();
        }
        if let Some(error) = self.error() {
            document["error"] = error;
        }
        document
    }
}

/// A field of these rows that a condition can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobField {
    DeviceId,
    JobId,
    JobType,
    Status,
    StartTime,
    EndTime,
    Created,
    Updated,
    Error,
    ErrorCode,
    ErrorDescription,
    /// What a method answered; no job here has one.
    Answer,
}

impl JobField {
    /// Resolves a path, which may start with `devices.jobs`, as in the documentation. Names are found in any case, as
    /// those of a twin are. The rows have `createdDateTimeUtc`, the documentation's example of a condition
    /// `createdTimeUtc`. None for what no job has: conditions cannot refer to the twin as well ("Queries for IoT Hub
    /// jobs").
    pub fn resolve(steps: &[String]) -> Option<Self> {
        let steps: Vec<_> = steps.iter().map(|step| step.to_ascii_lowercase()).collect();
        let mut names: Vec<_> = steps.iter().map(String::as_str).collect();
        if names.starts_with(&["devices", "jobs"]) {
            names.drain(..2);
        }
        Some(match names.as_slice() {
            ["deviceid"] => Self::DeviceId,
            ["jobid"] => Self::JobId,
            ["jobtype"] => Self::JobType,
            ["status"] => Self::Status,
            ["starttimeutc"] => Self::StartTime,
            ["endtimeutc"] => Self::EndTime,
            ["createddatetimeutc" | "createdtimeutc"] => Self::Created,
            ["lastupdateddatetimeutc"] => Self::Updated,
            ["error"] => Self::Error,
            ["error", "code"] => Self::ErrorCode,
            ["error", "description"] => Self::ErrorDescription,
            ["outcome", ..] => Self::Answer,
            _ => return None,
        })
    }

    pub fn of(self, job: &DeviceJob) -> Found<'_> {
        let text = |text| Found::Text(std::borrow::Cow::Borrowed(text));
        let time =
            |at: Option<Timestamp>| at.map_or(Found::Undefined, |at| Found::Text(at.to_string().into()));
        match (self, &job.outcome) {
            (Self::DeviceId, _) => text(&job.device),
            (Self::JobId, _) => text(&job.head.id),
            (Self::JobType, _) => text(job.head.kind),
            (Self::Status, _) => text(job.status()),
            (Self::StartTime | Self::EndTime, _) => time(job.ended()),
            (Self::Created, _) => time(Some(job.head.created)),
            (Self::Updated, _) => time(Some(job.updated)),
            (Self::Error, Outcome::Failed(..)) => {
                let error = job.error().as_ref().and_then(Value::as_object).cloned();
                Found::Object(ObjectRef::Fixed(error.unwrap_or_default()))
            }
            (Self::ErrorCode, Outcome::Failed(_, error)) => text(error.code.name()),
            (Self::ErrorDescription, Outcome::Failed(_, error)) => text(&error.text),
            (Self::Error | Self::ErrorCode | Self::ErrorDescription | Self::Answer, _) => Found::Undefined,
        }
    }
}
