//! What a PATCH or PUT of a twin asks for, read and checked.

use serde_json::{Map, Value as Json};

use super::limits;
use crate::error::HubError;

/// The sections that a service call names; whatever else a whole twin carries is read-only and ignored, as
/// clients send whole twins back.
pub(crate) struct Change {
    pub tags: Option<Map<String, Json>>,
    pub desired: Option<Map<String, Json>>,
    /// The `$version` in the desired part: which one it is meant for.
    pub desired_version: Option<u64>,
}

impl Change {
    /// Reads `{"tags": {…}?, "properties": {"desired": {…}}?}`.
    pub fn parse(body: Json) -> Result<Self, HubError> {
        let Json::Object(mut body) = body else { return Err(not_valid("it is not a JSON object")) };
        let tags = section(&mut body, "tags")?;
        let mut desired = match body.get_mut("properties") {
            None | Some(Json::Null) => None,
            Some(Json::Object(properties)) => section(properties, "desired")?,
            Some(_) => return Err(not_valid("'properties' must be an object")),
        };
        let mut desired_version = None;
        if let Some(desired) = &mut desired {
            desired_version = desired.remove("$version").and_then(|version| version.as_u64());
            desired.remove("$metadata");
        }
        for section in [&tags, &desired].into_iter().flatten() {
            limits::check_patch(section)?;
        }
        Ok(Self { tags, desired, desired_version })
    }

    /// What the device is told: the desired part as the service sent it, and the version that it made.
    pub fn notification(&self, version: u64) -> Option<Map<String, Json>> {
        let mut payload = self.desired.clone()?;
        payload.insert("$version".to_owned(), version.into());
        Some(payload)
    }
}

/// Reads and checks the payload of a reported patch.
pub(crate) fn reported_patch(payload: &[u8]) -> Result<Map<String, Json>, HubError> {
    match serde_json::from_slice(payload) {
        Ok(patch) => checked_reported_patch(patch),
        Err(error) => Err(not_valid(&error.to_string())),
    }
}

/// Checks a reported patch.
pub(crate) fn checked_reported_patch(patch: Json) -> Result<Map<String, Json>, HubError> {
    let Json::Object(patch) = patch else { return Err(not_valid("it is not a JSON object")) };
    limits::check_patch(&patch)?;
    Ok(patch)
}

fn section(parent: &mut Map<String, Json>, name: &str) -> Result<Option<Map<String, Json>>, HubError> {
    match parent.remove(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(section)) => Ok(Some(section)),
        Some(_) => Err(not_valid(&format!("'{name}' must be an object"))),
    }
}

fn not_valid(why: &str) -> HubError {
    HubError::invalid(format!("Provided json is not a valid 'tags' or 'properties' object: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_twins_are_taken_for_the_sections_they_name() {
        let whole = json!({
            "deviceId": "d", "etag": "x", "version": 3, "status": "enabled", "tags": {"a": null},
            "properties": {
                "desired": {"b": 1, "$version": 4, "$metadata": {"$lastUpdated": "x"}},
                "reported": {"c": 1},
            },
        });
        let change = Change::parse(whole).unwrap();
        assert_eq!(change.tags, json!({"a": null}).as_object().cloned());
        assert_eq!(change.desired, json!({"b": 1}).as_object().cloned());
        assert_eq!(change.desired_version, Some(4));
        assert_eq!(change.notification(9), json!({"b": 1, "$version": 9}).as_object().cloned());
    }

    #[test]
    fn what_is_not_named_is_none() {
        for body in [
            json!({}),
            json!({"tags": null, "properties": null}),
            json!({"properties": {"reported": {"a": 1}}}),
        ] {
            let change = Change::parse(body.clone()).unwrap();
            assert!(
                change.tags.is_none() && change.desired.is_none() && change.desired_version.is_none(),
                "{body}"
            );
            assert!(change.notification(1).is_none());
        }
    }

    #[test]
    fn wrong_documents_are_refused() {
        for body in [
            json!([]),
            json!("x"),
            json!({"tags": []}),
            json!({"tags": "x"}),
            json!({"properties": 1}),
            json!({"properties": {"desired": [1]}}),
            json!({"properties": {"desired": {"$x": 1}}}),
            json!({"tags": {"$version": 1}}),
        ] {
            assert!(Change::parse(body.clone()).is_err(), "{body}");
        }
        for payload in ["", " ", "[]", "{", "{\"$version\":1}"] {
            assert!(reported_patch(payload.as_bytes()).is_err(), "{payload}");
        }
    }
}
