//! What a twin is to say. Pure.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    storage::link::{BlobUri, Link},
    time::ts,
};

/// The revision that devices are to have, as twins carry it.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// Where it is.
    pub blob: BlobUri,
    /// When this content last became the goal.
    pub ts: Timestamp,
    /// Its media type.
    pub content_type: String,
    /// Its digest, where twins are to carry it.
    pub sha256: Option<String>,
    /// Its size in bytes, where twins are to carry it.
    pub size: Option<u64>,
}

impl Goal {
    /// All fields beside `uri`, in the form that a twin and a query compare: a field without a value must not be there.
    pub fn fields(&self) -> [(&'static str, Option<Value>); 4] {
        [
            ("ts", Some(Value::from(ts(self.ts)))),
            ("contentType", Some(Value::from(self.content_type.clone()))),
            ("sha256", self.sha256.clone().map(Value::from)),
            ("size", self.size.map(Value::from)),
        ]
    }

    /// The merge patch that makes `property` say this and nothing else: the whole object, since clients read all fields of the
    /// patch that they are notified of (device contract), and null for what else stands `there`.
    pub fn patch(&self, property: &str, link: &Link, there: Option<&Value>) -> Value {
        let mut object = Map::new();
        for key in there.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            object.insert(key.clone(), Value::Null);
        }
        for (name, value) in self.fields() {
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        }
        object.insert("uri".to_owned(), Value::from(link.expose()));
        json!({"properties": {"desired": {property: object}}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_the_whole_object_and_clears_what_is_not_wanted() {
        let goal = Goal {
            blob: BlobUri::of("https://a/c/n").unwrap(),
            ts: "2026-11-24T12:00:00Z".parse().unwrap(),
            content_type: "text/plain".into(),
            sha256: Some("abc".into()),
            size: None,
        };
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
        assert_eq!(goal.patch("p", &link, Some(&there)), want);
        for there in [None, Some(&json!("text")), Some(&json!(null))] {
            let patch = goal.patch("p", &link, there);
            assert_eq!(patch["properties"]["desired"]["p"].as_object().unwrap().len(), 4);
        }
    }
}
