//! What a twin is to say. Pure.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    storage::link::{BlobUri, Link},
    time::{TICK, plus, ts},
};

/// A revision as twins carry it.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// The blob's name in the container, for which links are signed.
    pub name: String,
    /// Where it is.
    pub blob: BlobUri,
    /// When this content last became the goal.
    pub ts: Timestamp,
    /// When it first did. A twin that says no less than this is told enough.
    pub first_ts: Timestamp,
    /// Its media type.
    pub content_type: String,
    /// Its digest, where twins are to carry it.
    pub sha256: Option<String>,
    /// Its size in bytes, where twins are to carry it.
    pub size: Option<u64>,
}

impl Goal {
    /// All fields beside `uri` and `ts`, in the form that a twin and a query compare: a field without a value must not be there.
    pub fn fields(&self) -> [(&'static str, Option<Value>); 3] {
        [
            ("contentType", Some(Value::from(self.content_type.clone()))),
            ("sha256", self.sha256.clone().map(Value::from)),
            ("size", self.size.map(Value::from)),
        ]
    }

    /// The `ts` that a twin gets which says `there` and links to this blob or not (`held`).
    ///
    /// Clients that look at `ts` alone take only what is later than the last one they applied (device contract). So a device never
    /// gets an earlier one than its twin says, whoever wrote that; and a renewal keeps the one that it has.
    pub fn ts_for(&self, there: Option<Timestamp>, held: bool) -> Timestamp {
        match there {
            Some(there) if held && there >= self.first_ts => there,
            Some(there) => self.ts.max(plus(there, TICK)),
            None => self.ts,
        }
    }

    /// The merge patch that makes `property` say this and nothing else: the whole object, since clients read all fields of the
    /// patch that they are notified of (device contract), and null for what else stands `there`.
    pub fn patch(&self, property: &str, link: &Link, at: Timestamp, there: Option<&Value>) -> Value {
        let mut object = Map::new();
        for key in there.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            object.insert(key.clone(), Value::Null);
        }
        for (name, value) in self.fields() {
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        }
        object.insert("ts".to_owned(), Value::from(ts(at)));
        object.insert("uri".to_owned(), Value::from(link.expose()));
        json!({"properties": {"desired": {property: object}}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal() -> Goal {
        Goal {
            name: "n".into(),
            blob: BlobUri::of("https://a/c/n").unwrap(),
            ts: "2026-11-24T12:00:00Z".parse().unwrap(),
            first_ts: "2026-11-20T12:00:00Z".parse().unwrap(),
            content_type: "text/plain".into(),
            sha256: Some("abc".into()),
            size: None,
        }
    }

    #[test]
    fn a_patch_is_the_whole_object_and_clears_what_is_not_wanted() {
        let link = Link::parse("https://a/c/n?se=2026-11-30T00:00:00Z&sig=x").unwrap();
        let there = json!({"uri": "old", "ts": "old", "size": 3, "other": true});
        let want = json!({"properties": {"desired": {"p": {
            "uri": "https://a/c/n?se=2026-11-30T00:00:00Z&sig=x",
            "ts": "2026-11-24T12:00:00.0000000Z",
            "contentType": "text/plain",
            "sha256": "abc",
            "size": null,
            "other": null,
        }}}});
        assert_eq!(goal().patch("p", &link, goal().ts, Some(&there)), want);
        for there in [None, Some(&json!("text")), Some(&json!(null))] {
            let patch = goal().patch("p", &link, goal().ts, there);
            assert_eq!(patch["properties"]["desired"]["p"].as_object().unwrap().len(), 4);
        }
    }

    #[test]
    fn ts_never_goes_backwards_for_a_device() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        for (there, held, want) in [
            (None, false, "2026-11-24T12:00:00Z"),
            // It says enough, and a renewal keeps it: at the first time, between, and after a foreign writer.
            (Some("2026-11-20T12:00:00Z"), true, "2026-11-20T12:00:00Z"),
            (Some("2026-11-22T00:00:00Z"), true, "2026-11-22T00:00:00Z"),
            (Some("2099-01-01T00:00:00Z"), true, "2099-01-01T00:00:00Z"),
            (Some("2026-11-19T00:00:00Z"), true, "2026-11-24T12:00:00Z"),
            // Another blob's.
            (Some("2026-11-22T00:00:00Z"), false, "2026-11-24T12:00:00Z"),
            (Some("2026-11-24T12:00:00Z"), false, "2026-11-24T12:00:00.0000001Z"),
            (Some("2099-01-01T00:00:00Z"), false, "2099-01-01T00:00:00.0000001Z"),
        ] {
            assert_eq!(goal().ts_for(there.map(at), held), at(want), "{there:?} {held}");
        }
    }
}
