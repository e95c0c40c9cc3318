//! One configuration: what a PUT brings, and its document.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::content::Content;
use crate::clock::Timestamp;
use crate::error::{ErrorCode, HubError};
use crate::query::{self, Condition};
use crate::settings::QuerySettings;

const ID_MAX: usize = 128;
/// Most metrics of its own ("Automatic IoT device and module management").
const METRICS_MAX: usize = 5;

pub(super) struct Configuration {
    pub id: String,
    pub content: Content,
    raw_content: Value,
    schema_version: String,
    pub rest: Mutable,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub revision: u64,
    /// Results of the last evaluation.
    pub results: Results,
}

/// What can be changed after the creation.
pub(super) struct Mutable {
    target_text: String,
    /// None targets nothing.
    pub target: Option<Condition>,
    pub priority: u64,
    labels: Value,
    pub metrics: BTreeMap<String, String>,
}

#[derive(Default)]
pub(super) struct Results {
    pub targeted: u64,
    pub applied: u64,
    pub metrics: BTreeMap<String, u64>,
}

impl Configuration {
    pub fn create(
        id: &str,
        body: &Value,
        now: Timestamp,
        settings: &QuerySettings,
    ) -> Result<Self, HubError> {
        check_id(id, body)?;
        let raw_content = body.get("content").cloned().unwrap_or_default();
        let content = Content::parse(&raw_content)?;
        let rest = Mutable::parse(body, &content, settings)?;
        let schema_version = body.get("schemaVersion").and_then(Value::as_str).unwrap_or("1.0").to_owned();
        Ok(Self {
            id: id.to_owned(),
            content,
            raw_content,
            schema_version,
            rest,
            created: now,
            updated: now,
            revision: 1,
            results: Results::default(),
        })
    }

    /// Everything but the content can change; content that is left out is the one there is.
    pub fn update(&mut self, body: &Value, now: Timestamp, settings: &QuerySettings) -> Result<(), HubError> {
        check_id(&self.id, body)?;
        let content =
            body.get("content").filter(|content| content.as_object().is_some_and(|map| !map.is_empty()));
        if content.is_some_and(|content| present(content) != present(&self.raw_content)) {
            return Err(HubError::new(
                ErrorCode::CannotModifyImmutableConfigurationContent,
                "The content of a configuration cannot be changed; create another one",
            ));
        }
        self.rest = Mutable::parse(body, &self.content, settings)?;
        self.updated = now;
        self.revision += 1;
        Ok(())
    }

    /// Base64 of a decimal number, without quotes.
    pub fn etag(&self) -> String {
        STANDARD.encode(self.revision.to_string())
    }

    pub fn is_edge(&self) -> bool {
        matches!(self.content, Content::Edge(_))
    }

    pub fn document(&self) -> Value {
        let collection =
            if matches!(self.content, Content::Module(_)) { "devices.modules" } else { "devices" };
        let applied = format!(
            "select deviceId from {collection} where configurations.[[{}]].status = 'Applied'",
            self.id
        );
        let mut queries = Map::new();
        queries.insert("appliedCount".to_owned(), applied.into());
        if let Some(targeted) = self.rest.targeted_query() {
            queries.insert("targetedCount".to_owned(), targeted.into());
        }
        json!({
            "id": self.id,
            "schemaVersion": self.schema_version,
            "labels": self.rest.labels,
            "content": self.raw_content,
            "contentType": "assignment",
            "targetCondition": self.rest.target_text,
            "createdTimeUtc": self.created.to_string(),
            "lastUpdatedTimeUtc": self.updated.to_string(),
            "priority": self.rest.priority,
            "systemMetrics": {
                "results": {"targetedCount": self.results.targeted, "appliedCount": self.results.applied},
                "queries": queries,
            },
            "metrics": {"results": self.results.metrics, "queries": self.rest.metrics},
            "etag": self.etag(),
        })
    }
}

impl Mutable {
    fn parse(body: &Value, content: &Content, settings: &QuerySettings) -> Result<Self, HubError> {
        let target_text = body.get("targetCondition").and_then(Value::as_str).unwrap_or_default().to_owned();
        let target = target(&target_text, matches!(content, Content::Module(_)), settings)
            .map_err(|error| HubError::new(ErrorCode::InvalidConfigurationTargetCondition, error.text))?;
        let priority = match body.get("priority").filter(|value| !value.is_null()) {
            None => 0,
            Some(value) => {
                value.as_u64().ok_or_else(|| HubError::invalid("priority must be a whole number from 0"))?
            }
        };
        let labels = match body.get("labels") {
            None | Some(Value::Null) => Value::Null,
            Some(Value::Object(labels)) if labels.values().all(Value::is_string) => labels.clone().into(),
            Some(_) => return Err(HubError::invalid("labels must be an object of texts")),
        };
        Ok(Self { target_text, target, priority, labels, metrics: metrics(body, settings)? })
    }

    /// The query of `targetedCount`, where there is one.
    fn targeted_query(&self) -> Option<String> {
        match self.target_text.trim() {
            "" => None,
            "*" => Some("select deviceId from devices".to_owned()),
            text if is_whole(text) => Some(format!("select deviceId {text}")),
            text => Some(format!("select deviceId from devices where {text}")),
        }
    }
}

/// Content as it is compared: SDKs write the kinds that are not meant as null.
fn present(content: &Value) -> Option<Map<String, Value>> {
    let mut members = content.as_object()?.clone();
    members.retain(|_, value| value.as_object().is_some_and(|kind| !kind.is_empty()));
    Some(members)
}

/// At most 128 lower-case letters, digits and `-+%_*!'` ("Automatic IoT device and module management").
fn check_id(id: &str, body: &Value) -> Result<(), HubError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-+%_*!'".contains(&byte);
    if id.is_empty() || id.len() > ID_MAX || !id.bytes().all(allowed) {
        let text =
            format!("A configuration id has 1 to {ID_MAX} lower-case letters, digits or - + % _ * ! '");
        return Err(HubError::invalid(text));
    }
    if body.get("id").and_then(Value::as_str).is_some_and(|named| named != id) {
        return Err(HubError::invalid("The id in the body differs from the one in the path"));
    }
    Ok(())
}

/// Whether a condition has a FROM of its own, as those of modules must.
fn is_whole(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("from"))
}

/// A target condition: empty for nothing, `*` for all devices, else what follows WHERE; for modules with
/// `FROM devices.modules WHERE` before it.
fn target(text: &str, modules: bool, settings: &QuerySettings) -> Result<Option<Condition>, HubError> {
    match text.trim() {
        "" => Ok(None),
        _ if modules => Condition::on_modules(text, settings).map(Some),
        "*" => Ok(Some(Condition::ALL)),
        _ => Condition::on_devices(text, settings).map(Some),
    }
}

fn metrics(body: &Value, settings: &QuerySettings) -> Result<BTreeMap<String, String>, HubError> {
    let wrong = |text: String| HubError::new(ErrorCode::InvalidConfigurationCustomMetricsQuery, text);
    let queries = match body.pointer("/metrics/queries") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(queries) => {
            queries.as_object().ok_or_else(|| wrong("metrics.queries must be an object".to_owned()))?
        }
    };
    if queries.len() > METRICS_MAX {
        return Err(wrong(format!("A configuration can have {METRICS_MAX} metrics at most")));
    }
    let checked = queries.iter().map(|(name, text)| {
        let text = text.as_str().ok_or_else(|| wrong(format!("Metric '{name}' must be a query")))?;
        query::check(text, settings).map_err(|error| wrong(format!("Metric '{name}': {}", error.text)))?;
        Ok((name.clone(), text.to_owned()))
    });
    checked.collect()
}

/// What is wrong with a target condition and with metric queries, for `POST /configurations/testQueries`.
pub(super) fn test_queries(body: &Value, settings: &QuerySettings) -> Value {
    let condition = body.get("targetCondition").and_then(Value::as_str).unwrap_or_default();
    let condition_error = target(condition, is_whole(condition), settings).err().map(|error| error.text);
    let queries = body.get("customMetricQueries").and_then(Value::as_object);
    let errors: Map<String, Value> = queries
        .into_iter()
        .flatten()
        .filter_map(|(name, text)| {
            let error = query::check(text.as_str().unwrap_or_default(), settings).err()?;
            Some((name.clone(), error.text.into()))
        })
        .collect();
    json!({ "targetConditionError": condition_error, "customMetricQueryErrors": errors })
}
