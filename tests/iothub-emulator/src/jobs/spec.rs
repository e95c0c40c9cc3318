//! What the body of `PUT /jobs/v2/{id}` asks for ("Schedule Azure IoT Hub jobs on multiple devices").

use std::time::Duration;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;

use crate::clock::Timestamp;
use crate::error::{ErrorCode, HubError};
use crate::query::Condition;
use crate::settings::{JobSettings, QuerySettings};
use crate::twins::Change;

const ID_MAX: usize = 64;
/// Longest condition; a longer one was seen to fail with an error about etags (azure-iot-sdk-csharp#1680).
const CONDITION_MAX: usize = 8192;
/// Execution time when none is given, and the longest one in seconds.
const EXECUTION: (u64, u64) = (3600, 30 * 86_400);

/// A job as it was asked for.
pub(crate) struct Spec {
    pub work: Work,
    /// `updateTwin` or `cloudToDeviceMethod` as it was sent, which the job's document repeats.
    pub body: Value,
    pub condition: Condition,
    pub condition_text: String,
    pub start: Timestamp,
    pub execution: Duration,
}

/// What is done to each device.
pub(crate) enum Work {
    UpdateTwin(Change),
    /// No device of this emulator takes methods: each is found to be not online.
    Method,
}

impl Work {
    /// The job's type on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UpdateTwin(_) => "scheduleUpdateTwin",
            Self::Method => "scheduleDeviceMethod",
        }
    }

    /// The member of the document that describes it.
    pub fn member(&self) -> &'static str {
        match self {
            Self::UpdateTwin(_) => "updateTwin",
            Self::Method => "cloudToDeviceMethod",
        }
    }
}

impl Spec {
    pub fn parse(
        id: &str,
        body: &Value,
        now: Timestamp,
        jobs: &JobSettings,
        queries: &QuerySettings,
    ) -> Result<Self, HubError> {
        check_id(id)?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        if text("jobId").is_some_and(|named| named != id) {
            return Err(HubError::invalid("The jobId in the body differs from the one in the path"));
        }
        let work = match text("type") {
            Some("scheduleUpdateTwin") => Work::UpdateTwin(twin_change(body, jobs)?),
            Some("scheduleDeviceMethod") => {
                let name = body.pointer("/cloudToDeviceMethod/methodName").and_then(Value::as_str);
                if name.is_none_or(str::is_empty) {
                    return Err(HubError::invalid("cloudToDeviceMethod must have a methodName"));
                }
                Work::Method
            }
            _ => return Err(HubError::invalid("type must be scheduleUpdateTwin or scheduleDeviceMethod")),
        };
        let condition_text = text("queryCondition").unwrap_or_default().to_owned();
        if condition_text.chars().count() > CONDITION_MAX {
            return Err(HubError::precondition_failed(id));
        }
        let condition = match condition_text.as_str() {
            "*" => Condition::ALL,
            text => Condition::on_devices(text, queries)?,
        };
        let start = match text("startTime").filter(|time| !time.is_empty()) {
            None => now,
            Some(time) => instant(time).ok_or_else(|| HubError::invalid("startTime must be ISO 8601"))?,
        };
        let seconds = match body.get("maxExecutionTimeInSeconds").filter(|value| !value.is_null()) {
            None => Some(EXECUTION.0),
            Some(value) => value.as_u64().filter(|seconds| (1..=EXECUTION.1).contains(seconds)),
        };
        let seconds = seconds.ok_or_else(|| {
            HubError::invalid(format!("maxExecutionTimeInSeconds must be 1 to {}", EXECUTION.1))
        })?;
        let body = body.get(work.member()).cloned().unwrap_or_default();
        let execution = Duration::from_secs(seconds);
        Ok(Self { work, body, condition, condition_text, start, execution })
    }
}

/// At most 64 ASCII letters, digits and hyphens.
fn check_id(id: &str) -> Result<(), HubError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(HubError::invalid(format!("A job id has 1 to {ID_MAX} ASCII letters, digits or hyphens")))
}

fn twin_change(body: &Value, settings: &JobSettings) -> Result<Change, HubError> {
    let twin = body.get("updateTwin").ok_or_else(|| HubError::new(ErrorCode::ArgumentNull, "BadRequest"))?;
    // Nothing but a wildcard (azure-docs#29484).
    if twin.get("etag").and_then(Value::as_str) != Some("*") {
        return Err(HubError::invalid("updateTwin must have the etag \"*\""));
    }
    let change = Change::parse(twin.clone())?;
    if !settings.any_characters {
        for section in [&change.tags, &change.desired].into_iter().flatten() {
            check_characters(section)?;
        }
    }
    Ok(change)
}

fn check_characters(object: &Map<String, Value>) -> Result<(), HubError> {
    for (key, value) in object {
        check_text(key)?;
        check_value(value)?;
    }
    Ok(())
}

fn check_value(value: &Value) -> Result<(), HubError> {
    match value {
        Value::String(text) => check_text(text),
        Value::Object(members) => check_characters(members),
        Value::Array(items) => items.iter().try_for_each(check_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// The text is not repeated: it may be a link, which is a secret.
fn check_text(text: &str) -> Result<(), HubError> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && !b"$()<>@,;:\\\"/[]?={}".contains(&byte)) {
        return Ok(());
    }
    Err(HubError::invalid(
        "Property names and values in a job must be printable ASCII without $ ( ) < > @ , ; : \\ \" / [ ] ? = { }, \
         space and tab",
    ))
}

fn instant(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Iso8601::DEFAULT).ok()?;
    let nanos = u64::try_from(time.unix_timestamp_nanos()).ok()?;
    Some(Timestamp::from_unix_seconds(0).plus(Duration::from_nanos(nanos)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(id: &str, body: &Value) -> Result<Spec, HubError> {
        let now = Timestamp::from_unix_seconds(1000);
        Spec::parse(id, body, now, &JobSettings::default(), &QuerySettings::default())
    }

    fn update(extra: &Value) -> Value {
        let mut body = json!({
            "type": "scheduleUpdateTwin",
            "queryCondition": "*",
            "updateTwin": {"etag": "*", "tags": {"a": "b"}},
        });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let spec = parse("j-1", &update(&json!({}))).unwrap();
        assert_eq!((spec.start.unix_seconds(), spec.execution.as_secs()), (1000, 3600));
        let timed = json!({"startTime": "1970-01-01T01:00:00.5+00:00", "maxExecutionTimeInSeconds": 60});
        let spec = parse("j-1", &update(&timed)).unwrap();
        assert_eq!(
            (spec.start.to_string().as_str(), spec.execution.as_secs()),
            ("1970-01-01T01:00:00.5Z", 60)
        );
        for zone in ["2026-11-24T16:00:00Z", "2026-11-24T17:00:00+01:00", "2026-11-24T16:00:00.000Z"] {
            assert_eq!(
                instant(zone).map(|at| at.to_string()).as_deref(),
                Some("2026-11-24T16:00:00Z"),
                "{zone}"
            );
        }
    }

    #[test]
    fn wrong_jobs_are_refused() {
        let long = format!("deviceId = '{}'", "x".repeat(8192));
        let long_id = "j".repeat(65);
        let table = [
            ("j_1", json!({}), "job id"),
            (long_id.as_str(), json!({}), "job id"),
            ("j", json!({"jobId": "k"}), "differs"),
            ("j", json!({"type": "updateTwin"}), "type must be"),
            ("j", json!({"type": "scheduleDeviceMethod"}), "methodName"),
            ("j", json!({"updateTwin": {"tags": {"a": "b"}}}), "etag"),
            ("j", json!({"updateTwin": {"etag": "AAAA", "tags": {"a": "b"}}}), "etag"),
            ("j", json!({"updateTwin": {"etag": "*", "tags": []}}), "'tags' must be an object"),
            // "Schedule Azure IoT Hub jobs on multiple devices": no link passes.
            ("j", json!({"updateTwin": {"etag": "*", "tags": {"a": "https://h/secret"}}}), "printable ASCII"),
            ("j", json!({"updateTwin": {"etag": "*", "tags": {"a": {"b": ["x y"]}}}}), "printable ASCII"),
            ("j", json!({"queryCondition": ""}), "Line 1:1"),
            ("j", json!({"queryCondition": "tags.a ="}), "Line 1:9"),
            ("j", json!({"queryCondition": long}), "etag"),
            ("j", json!({"startTime": "tomorrow"}), "ISO 8601"),
            ("j", json!({"maxExecutionTimeInSeconds": 0}), "maxExecutionTimeInSeconds"),
        ];
        for (id, extra, expected) in table {
            let error = parse(id, &update(&extra)).err().unwrap();
            assert!(error.text.contains(expected), "{extra}: {}", error.text);
            assert!(!error.text.contains("secret"), "{}", error.text);
        }
        let settings = JobSettings { any_characters: true };
        let link = update(&json!({"updateTwin": {"etag": "*", "tags": {"a": "https://h/x?y=z"}}}));
        let now = Timestamp::from_unix_seconds(0);
        assert!(Spec::parse("j", &link, now, &settings, &QuerySettings::default()).is_ok());
    }
}
