//! Twins as a state file has them: values as the JSON that they are, and beside them when they were written.

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::packed::Packed;
use super::tree::{Children, Stamp, Value};
use super::{Section, Twin};
use crate::clock::Timestamp;

/// A [`Stamp`]: time, and version where there is one.
type Written = (Timestamp, Option<u64>);

#[derive(Serialize)]
struct TwinToWrite<'a> {
    writes: u64,
    tags: Children,
    desired: &'a Section,
    reported: &'a Section,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TwinRead {
    writes: u64,
    tags: Map<String, Json>,
    desired: Section,
    reported: Section,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SectionToWrite {
    version: u64,
    written: Written,
    values: Children,
    /// Of each node, a parent before what is below it; left out where all have the one of the section.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    each_written: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SectionRead {
    version: u64,
    written: Written,
    values: Map<String, Json>,
    #[serde(default)]
    each_written: Vec<Written>,
}

impl Serialize for Twin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tags = self.tags.unpack(&None, NO_STAMP);
        let twin =
            TwinToWrite { writes: self.writes, tags, desired: &self.desired, reported: &self.reported };
        twin.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Twin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let TwinRead { writes, tags, desired, reported } = TwinRead::deserialize(deserializer)?;
        let mut tree = Children::default();
        tree.merge(&tags, NO_STAMP);
        Ok(Self { writes, tags: Packed::new(&tree, NO_STAMP).0, desired, reported })
    }
}

/// Nobody sees the stamps of tags.
const NO_STAMP: Stamp = Stamp { at: Timestamp::START, version: None };

impl Serialize for Section {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (values, stamp) = self.unpacked();
        let mut each = Vec::new();
        stamps(&values, &mut each);
        if each.iter().all(|one| *one == stamp) {
            each.clear();
        }
        let written = |stamp: Stamp| (stamp.at, stamp.version);
        let each_written = each.into_iter().map(written).collect();
        SectionToWrite { version: self.version, written: written(stamp), values, each_written }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Section {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SectionRead { version, written, values, each_written } = SectionRead::deserialize(deserializer)?;
        let stamp = |(at, version): Written| Stamp { at, version };
        let mut tree = Children::default();
        tree.merge(&values, stamp(written));
        if !each_written.is_empty() {
            let mut each = each_written.into_iter().map(stamp);
            let all_have_one = restamp(&mut tree, &mut each).is_some();
            if !all_have_one || each.next().is_some() {
                return Err(D::Error::custom("not as many times as values"));
            }
        }
        Ok(Self::of(&tree, stamp(written), version))
    }
}

fn stamps(tree: &Children, found: &mut Vec<Stamp>) {
    for (_, node) in tree.nodes() {
        found.push(node.stamp);
        if let Value::Object(children) = &node.value {
            stamps(children, found);
        }
    }
}

/// Gives each node the next of the stamps; none if there are not enough.
fn restamp(tree: &mut Children, stamps: &mut impl Iterator<Item = Stamp>) -> Option<()> {
    for node in tree.nodes_mut() {
        node.stamp = stamps.next()?;
        if let Value::Object(children) = &mut node.value {
            restamp(children, stamps)?;
        }
    }
    Some(())
}

impl Serialize for Children {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.nodes().len()))?;
        for (key, node) in self.nodes() {
            map.serialize_entry(&**key, &node.value)?;
        }
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => value.serialize(serializer),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Array(items) => items[..].serialize(serializer),
            Self::Object(children) => children.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::WithMetadata;
    use super::*;
    use crate::twins::Change;
    use serde_json::json;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_seconds(second)
    }

    /// A twin whose nodes were written at different times.
    fn twin() -> Twin {
        let mut twin = Twin::new(at(1));
        let changes = [
            json!({"tags": {"site": "a", "deep": {"er": [1, {"x": null}]}}, "properties": {"desired": {"a": {"b": 1, "c": {}}, "d": 0.1}}}),
            json!({"properties": {"desired": {"a": {"b": 2}, "e": "\u{1F600}\"\\\n"}}}),
            json!({"properties": {"desired": {"a": {"c": null}}}}),
        ];
        for (second, change) in (2..).zip(changes) {
            // Nulls in arrays are no business of this test.
            let change = Change {
                tags: change["tags"].as_object().cloned(),
                desired: change["properties"]["desired"].as_object().cloned(),
                desired_version: None,
            };
            twin.patch(&change, at(second)).unwrap();
        }
        twin.report(json!({"n": -5, "big": 1.797_693_134_862_315_7e308}).as_object().unwrap(), at(9))
            .unwrap();
        twin
    }

    #[test]
    fn a_twin_comes_back_as_it_was() {
        for twin in [Twin::new(at(3)), twin()] {
            let text = serde_json::to_string(&twin).unwrap();
            let back: Twin = serde_json::from_str(&text).unwrap();
            for (section, again) in [(&twin.desired, &back.desired), (&twin.reported, &back.reported)] {
                assert_eq!(json!(WithMetadata(section)), json!(WithMetadata(again)), "{text}");
            }
            assert_eq!(
                (twin.writes, twin.version(), json!(twin.tags())),
                (back.writes, back.version(), json!(back.tags()))
            );
            assert_eq!(serde_json::to_string(&back).unwrap(), text);
        }
    }

    #[test]
    fn times_are_written_only_where_they_differ() {
        let text = serde_json::to_string(&twin()).unwrap();
        assert_eq!(text.matches("eachWritten").count(), 1, "{text}");
    }

    #[test]
    fn times_that_do_not_fit_are_refused() {
        let mut stored = serde_json::to_value(twin()).unwrap();
        let times = stored["desired"]["eachWritten"].as_array().unwrap().clone();
        for count in [times.len() - 1, times.len() + 1] {
            let wrong: Vec<_> = times.iter().cycle().take(count).cloned().collect();
            stored["desired"]["eachWritten"] = wrong.into();
            assert!(serde_json::from_value::<Twin>(stored.clone()).is_err(), "{count}");
        }
    }
}
