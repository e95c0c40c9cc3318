//! The desired or reported half of a twin: its tree, its version, and what a query finds in it.

use std::borrow::Cow;

use serde_json::{Map, Number, Value as Json};

use super::json::{Members, Metadata, object};
use super::limits;
use super::packed::{Leaf, Packed, Stamps, stamp_at};
use super::tree::{Children, Stamp};
use crate::clock::Timestamp;
use crate::error::HubError;

#[derive(Clone)]
#[repr(C)]
pub(crate) struct Section {
    tree: Packed,
    /// `$version`: 1 for a new twin, and one more with every request that names the section.
    pub version: u64,
    stamp: Stamp,
    stamps: Stamps,
}

/// What a path leads to.
#[derive(Clone)]
pub(crate) enum Found<'a> {
    Undefined,
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(&'a [Json]),
    Object(ObjectRef<'a>),
}

/// An object that a query may ask for, made into JSON only when it is.
#[derive(Clone)]
pub(crate) enum ObjectRef<'a> {
    Tree(&'a Packed),
    Node(&'a Packed, usize),
    Section(&'a Section),
    Properties {
        desired: &'a Section,
        reported: &'a Section,
    },
    /// The `$metadata` of a section, or of a node in it.
    SectionMetadata(&'a Section),
    NodeMetadata(&'a Section, usize),
    Fixed(Map<String, Json>),
}

impl Section {
    pub fn new(now: Timestamp) -> Self {
        Self { tree: Packed::default(), stamps: None, stamp: Stamp { at: now, version: None }, version: 1 }
    }

    /// This section after a patch. `versioned` sections carry `$lastUpdatedVersion` in their metadata.
    pub fn merged(
        &self,
        name: &str,
        patch: &Map<String, Json>,
        now: Timestamp,
        versioned: bool,
    ) -> Result<Self, HubError> {
        self.written(name, self.tree.unpack(&self.stamps, self.stamp), patch, now, versioned)
    }

    /// This section after its whole document was replaced.
    pub fn replaced(
        &self,
        name: &str,
        document: &Map<String, Json>,
        now: Timestamp,
    ) -> Result<Self, HubError> {
        self.written(name, Children::default(), document, now, true)
    }

    fn written(
        &self,
        name: &str,
        mut tree: Children,
        patch: &Map<String, Json>,
        now: Timestamp,
        versioned: bool,
    ) -> Result<Self, HubError> {
        let version = self.version + 1;
        let stamp = Stamp { at: now, version: versioned.then_some(version) };
        tree.merge(patch, stamp);
        limits::check_size(name, &tree, limits::PROPERTIES_BYTES)?;
        Ok(Self::of(&tree, stamp, version))
    }

    /// The tree and the stamp that [`Section::of`] makes this section from.
    pub(super) fn unpacked(&self) -> (Children, Stamp) {
        (self.tree.unpack(&self.stamps, self.stamp), self.stamp)
    }

    /// A section that was last written with this stamp.
    pub(super) fn of(tree: &Children, stamp: Stamp, version: u64) -> Self {
        let (tree, stamps) = Packed::new(tree, stamp);
        Self { tree, version, stamp, stamps }
    }

    pub(super) fn members(&self) -> Members<'_> {
        self.tree.members()
    }

    pub(super) fn metadata(&self) -> Metadata<'_> {
        Metadata { members: self.members(), own: self.stamp, stamps: &self.stamps, uniform: self.stamp }
    }

    pub(super) fn metadata_at(&self, at: usize) -> Metadata<'_> {
        self.tree.metadata_at(at, &self.stamps, self.stamp)
    }

    /// Follows a path below `properties.desired` or `properties.reported`.
    pub fn find(&self, path: &[Box<str>]) -> Found<'_> {
        match path {
            [] => Found::Object(ObjectRef::Section(self)),
            [only] if &**only == "$version" => Found::Number(self.version.into()),
            [first, rest @ ..] if &**first == "$metadata" => self.find_metadata(rest),
            path => find_in(&self.tree, path),
        }
    }

    fn find_metadata(&self, path: &[Box<str>]) -> Found<'_> {
        let Some((last, parents)) = path.split_last() else {
            return Found::Object(ObjectRef::SectionMetadata(self));
        };
        let stamp_of = |parents: &[Box<str>]| {
            if parents.is_empty() {
                return Some(self.stamp);
            }
            self.tree.find(parents).map(|at| stamp_at(at, &self.stamps, self.stamp))
        };
        match &**last {
            "$lastUpdated" => {
                stamp_of(parents).map_or(Found::Undefined, |stamp| Found::Text(stamp.at.to_string().into()))
            }
            "$lastUpdatedVersion" => stamp_of(parents)
                .and_then(|stamp| stamp.version)
                .map_or(Found::Undefined, |version| Found::Number(version.into())),
            _ => self
                .tree
                .find(path)
                .map_or(Found::Undefined, |at| Found::Object(ObjectRef::NodeMetadata(self, at))),
        }
    }
}

/// Follows a path below an object, `tags` for one.
pub(crate) fn find_in<'a>(tree: &'a Packed, path: &[Box<str>]) -> Found<'a> {
    let Some(at) = tree.find(path) else { return Found::Undefined };
    match tree.leaf(at) {
        None => Found::Undefined,
        Some(Leaf::Bool(value)) => Found::Bool(value),
        Some(Leaf::Number(value)) => Found::Number(value.clone()),
        Some(Leaf::Text(value)) => Found::Text(Cow::Borrowed(value)),
        Some(Leaf::Array(items)) => Found::Array(items),
        Some(Leaf::Object) => Found::Object(ObjectRef::Node(tree, at)),
    }
}

impl Found<'_> {
    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    /// As a column of a query's row; none for undefined, which a row leaves out.
    pub fn to_json(&self) -> Option<Json> {
        Some(match self {
            Self::Undefined => return None,
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(value) => Json::Number(value.clone()),
            Self::Text(value) => Json::String(value.clone().into_owned()),
            Self::Array(items) => Json::Array(items.to_vec()),
            Self::Object(found) => Json::Object(object(found)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_to_values_versions_and_metadata() {
        let at = Timestamp::from_unix_seconds(1);
        let patch = json!({"a": {"b": "x", "n": 1}, "l": [1]});
        let section = Section::new(at).merged("s", patch.as_object().unwrap(), at, true).unwrap();
        let when = json!("1970-01-01T00:00:01Z");
        let table = [
            ("a.b", Some(json!("x"))),
            ("a", Some(json!({"b": "x", "n": 1}))),
            ("l", Some(json!([1]))),
            ("a.b.c", None),
            ("z", None),
            ("$version", Some(json!(2))),
            ("$metadata.$lastUpdated", Some(when.clone())),
            ("$metadata.a.b.$lastUpdated", Some(when.clone())),
            ("$metadata.a.$lastUpdatedVersion", Some(json!(2))),
            ("$metadata.a.b", Some(json!({"$lastUpdated": when, "$lastUpdatedVersion": 2}))),
            ("$metadata.z.$lastUpdated", None),
        ];
        for (path, expected) in table {
            let steps: Vec<Box<str>> = path.split('.').map(Into::into).collect();
            assert_eq!(section.find(&steps).to_json(), expected, "{path}");
        }
    }
}
