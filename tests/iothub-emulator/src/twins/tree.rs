//! One section of a twin as a tree, while it is changed: values and their metadata in the same nodes, keys sorted.
//! Its texts are those of the pool.

use std::sync::Arc;

use serde_json::{Map, Number, Value as Json};

use super::pool;
use crate::clock::Timestamp;

/// When a node was last written, and by which version of its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub at: Timestamp,
    /// Written as `$lastUpdatedVersion`; none on the reported side, which does not carry it.
    pub version: Option<u64>,
}

#[derive(Clone)]
pub(crate) struct Node {
    pub stamp: Stamp,
    pub value: Value,
}

/// What a twin can hold. There is no null: in a patch it deletes.
#[derive(Clone)]
pub(crate) enum Value {
    Bool(bool),
    Number(Number),
    Text(Arc<str>),
    Array(Arc<[Json]>),
    Object(Children),
}

/// The members of an object, in the order of their keys.
#[derive(Clone, Default)]
pub(crate) struct Children(Vec<(Arc<str>, Node)>);

impl Children {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of nodes in all of the tree.
    pub fn count(&self) -> usize {
        let below =
            |node: &Node| if let Value::Object(children) = &node.value { children.count() } else { 0 };
        self.0.iter().map(|(_, node)| 1 + below(node)).sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(key, node)| (&**key, node))
    }

    pub fn nodes(&self) -> &[(Arc<str>, Node)] {
        &self.0
    }

    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.0.iter_mut().map(|(_, node)| node)
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(key))
    }

    /// Merges a patch: null deletes, objects merge, everything else replaces ("Understand and use device
    /// twins in IoT Hub"). Every node on the way to a change is stamped, so that a deletion leaves a trace in
    /// its parents.
    pub fn merge(&mut self, patch: &Map<String, Json>, stamp: Stamp) {
        for (key, new) in patch {
            match (self.position(key), new) {
                (Ok(at), Json::Null) => drop(self.0.remove(at)),
                (Err(_), Json::Null) => {}
                (Ok(at), new) => {
                    let Some((_, node)) = self.0.get_mut(at) else { continue };
                    node.stamp = stamp;
                    match (&mut node.value, new) {
                        (Value::Object(children), Json::Object(patch)) => children.merge(patch, stamp),
                        (value, new) => *value = Value::written(new, stamp),
                    }
                }
                (Err(at), new) => {
                    self.0.insert(at, (pool::text(key), Node { stamp, value: Value::written(new, stamp) }));
                }
            }
        }
    }
}

impl FromIterator<(Arc<str>, Node)> for Children {
    /// Takes members that are in the order of their keys.
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Node)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl Value {
    /// What is stored for `json`. Nulls of an object are dropped; the object itself stays, be it empty.
    fn written(json: &Json, stamp: Stamp) -> Self {
        match json {
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(value) => Self::Number(value.clone()),
            Json::String(value) => Self::Text(pool::text(value)),
            Json::Array(items) => Self::Array(items.as_slice().into()),
            Json::Object(patch) => {
                let mut children = Children::default();
                children.merge(patch, stamp);
                Self::Object(children)
            }
            // Nulls are deletions, which `merge` has taken out.
            Json::Null => Self::Object(Children::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::{Metadata, object};
    use super::super::packed::{Packed, Stamps};
    use super::*;
    use serde_json::json;

    fn stamp(second: u64, version: u64) -> Stamp {
        Stamp { at: Timestamp::from_unix_seconds(second), version: Some(version) }
    }

    fn merged(base: &Json, patch: &Json) -> Children {
        let mut children = Children::default();
        children.merge(base.as_object().unwrap(), stamp(1, 2));
        children.merge(patch.as_object().unwrap(), stamp(2, 3));
        children
    }

    fn packed(tree: &Children) -> (Packed, Stamps) {
        Packed::new(tree, stamp(0, 0))
    }

    #[test]
    fn merging_follows_the_documented_rules() {
        let table = [
            // Scalars and arrays replace, missing keys stay ("Understand and use device twins in IoT Hub").
            (json!({"a": 1, "b": 2}), json!({"a": 3}), json!({"a": 3, "b": 2})),
            (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (json!({"a": {"b": 1}}), json!({"a": 5}), json!({"a": 5})),
            (json!({"a": 5}), json!({"a": {"b": 1, "c": null}}), json!({"a": {"b": 1}})),
            // Objects merge recursively.
            (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 9}}), json!({"a": {"b": 9, "c": 2}})),
            // Null deletes; on a missing key it creates nothing (TwinE2ETests.cs).
            (json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2})),
            (json!({}), json!({"a": null}), json!({})),
            // A null below a missing key leaves an empty object that stays (TwinE2ETests.cs).
            (json!({}), json!({"a": {"b": null}}), json!({"a": {}})),
            (json!({"a": {"b": 1}}), json!({"a": {"b": null}}), json!({"a": {}})),
        ];
        for (base, patch, expected) in table {
            assert_eq!(
                Json::Object(object(packed(&merged(&base, &patch)).0.members())),
                expected,
                "{base} + {patch}"
            );
        }
    }

    #[test]
    fn metadata_stamps_what_was_touched_and_the_way_to_it() {
        let tree = merged(&json!({"a": {"b": 1, "c": 2}, "d": 3}), &json!({"a": {"b": null}}));
        let old = json!({"$lastUpdated": "1970-01-01T00:00:01Z", "$lastUpdatedVersion": 2});
        let expected = json!({
            "$lastUpdated": "1970-01-01T00:00:02Z",
            "$lastUpdatedVersion": 3,
            "a": {"$lastUpdated": "1970-01-01T00:00:02Z", "$lastUpdatedVersion": 3, "c": old},
            "d": old,
        });
        let (packed, stamps) = packed(&tree);
        let all =
            Metadata { members: packed.members(), own: stamp(2, 3), stamps: &stamps, uniform: stamp(0, 0) };
        assert_eq!(Json::Object(object(all)), expected);
    }
}
