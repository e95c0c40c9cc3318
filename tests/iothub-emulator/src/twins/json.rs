//! Twins as JSON, written straight from the form in which they are kept: most of what a hub does is to write out whole
//! twins.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as Json};

use super::packed::{Leaf, Packed, Stamps, stamp_at};
use super::section::{ObjectRef, Section};
use super::tree::Stamp;

/// A section as a device sees it: the properties and `$version`.
#[derive(Clone, Copy)]
pub(crate) struct Plain<'a>(pub &'a Section);

/// A section as a service sees it: the properties, `$metadata` and `$version`.
#[derive(Clone, Copy)]
pub(crate) struct WithMetadata<'a>(pub &'a Section);

/// The members of an object of a tree, from one of its places to another.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    pub tree: &'a Packed,
    pub from: usize,
    pub to: usize,
}

/// The metadata of these members, after that of the object itself.
#[derive(Clone, Copy)]
pub(super) struct Metadata<'a> {
    pub members: Members<'a>,
    pub own: Stamp,
    pub stamps: &'a Stamps,
    pub uniform: Stamp,
}

/// What is at a place of a tree.
struct Place<'a>(&'a Packed, usize);

/// An object as a value of its own. There is none that could fail to be one.
pub(super) fn object(object: impl Serialize) -> Map<String, Json> {
    match serde_json::to_value(object) {
        Ok(Json::Object(map)) => map,
        _ => Map::new(),
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

impl Members<'_> {
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        self.tree
            .between(self.from, self.to)
            .try_for_each(|(at, key)| map.serialize_entry(key, &Place(self.tree, at)))
    }
}

impl Serialize for Place<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(tree, at) = *self;
        match tree.leaf(at) {
            None => serializer.serialize_unit(),
            Some(Leaf::Bool(value)) => serializer.serialize_bool(value),
            Some(Leaf::Number(value)) => value.serialize(serializer),
            Some(Leaf::Text(value)) => serializer.serialize_str(value),
            Some(Leaf::Array(items)) => items.serialize(serializer),
            Some(Leaf::Object) => tree.members_at(at).serialize(serializer),
        }
    }
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("$lastUpdated", &format_args!("{}", self.own.at))?;
        if let Some(version) = self.own.version {
            map.serialize_entry("$lastUpdatedVersion", &version)?;
        }
        let Members { tree, from, to } = self.members;
        for (at, key) in tree.between(from, to) {
            map.serialize_entry(key, &tree.metadata_at(at, self.stamps, self.uniform))?;
        }
        map.end()
    }
}

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.members().write(&mut map)?;
        map.serialize_entry("$version", &self.0.version)?;
        map.end()
    }
}

impl Serialize for WithMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.members().write(&mut map)?;
        map.serialize_entry("$metadata", &self.0.metadata())?;
        map.serialize_entry("$version", &self.0.version)?;
        map.end()
    }
}

impl Serialize for ObjectRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Tree(tree) => tree.members().serialize(serializer),
            Self::Node(tree, at) => tree.members_at(*at).serialize(serializer),
            Self::Section(section) => Plain(section).serialize(serializer),
            Self::Properties { desired, reported } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("desired", &Plain(desired))?;
                map.serialize_entry("reported", &Plain(reported))?;
                map.end()
            }
            Self::SectionMetadata(section) => section.metadata().serialize(serializer),
            Self::NodeMetadata(section, at) => section.metadata_at(*at).serialize(serializer),
            Self::Fixed(map) => map.serialize(serializer),
        }
    }
}

impl Packed {
    /// All of the tree.
    pub(super) fn members(&self) -> Members<'_> {
        Members { tree: self, from: 0, to: self.len() }
    }

    /// The members of the object at a place.
    pub(super) fn members_at(&self, at: usize) -> Members<'_> {
        Members { tree: self, from: at + 1, to: self.end_of(at) }
    }

    /// The metadata of the node at a place.
    pub(super) fn metadata_at<'a>(&'a self, at: usize, stamps: &'a Stamps, uniform: Stamp) -> Metadata<'a> {
        Metadata { members: self.members_at(at), own: stamp_at(at, stamps, uniform), stamps, uniform }
    }
}
