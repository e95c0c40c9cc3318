//! Trees as they are kept: the shape of a tree, which a fleet has in common, and its values beside it.
//!
//! A tree of nodes that each have a text for their key costs a twin some kilobytes; this form, some ten bytes where
//! twins hold the same, and little more than their values where they do not.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use serde_json::{Number, Value as Json};

use super::pool::Pool;
use super::tree::{Children, Node, Stamp, Value};

/// A tree without its stamps; never changed, only replaced.
#[derive(Clone, Default)]
pub(crate) struct Packed(Option<Arc<Content>>);

/// The stamps of a tree's nodes, in the order of its steps; none if all are the one of the section.
pub(super) type Stamps = Option<Box<[Stamp]>>;

#[derive(PartialEq, Eq, Hash)]
struct Content {
    shape: Arc<Shape>,
    slots: Box<[Slot]>,
}

/// Nodes in the order in which they are written: each is followed by those below it.
#[derive(PartialEq, Eq, Hash)]
struct Shape(Box<[Step]>);

#[derive(PartialEq, Eq, Hash)]
struct Step {
    key: Text,
    /// The first step that is not below this one.
    end: usize,
    /// Where the value is; none for an object.
    slot: Option<usize>,
}

#[derive(PartialEq, Eq, Hash)]
enum Slot {
    Bool(bool),
    Number(Number),
    Text(Text),
    Array(Arc<[Json]>),
}

/// A text of the pool: the same text is the same address.
struct Text(Arc<str>);

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// What is at a place of a packed tree.
pub(super) enum Leaf<'a> {
    Bool(bool),
    Number(&'a Number),
    Text(&'a str),
    Array(&'a [Json]),
    Object,
}

impl Packed {
    /// Packs a tree whose section has this stamp.
    pub fn new(tree: &Children, uniform: Stamp) -> (Self, Stamps) {
        static SHAPES: LazyLock<Pool<Shape>> = LazyLock::new(Pool::new);
        static CONTENTS: LazyLock<Pool<Content>> = LazyLock::new(Pool::new);
        if tree.is_empty() {
            return (Self::default(), None);
        }
        let nodes = tree.count();
        let (mut steps, mut stamps) = (Vec::with_capacity(nodes), Vec::with_capacity(nodes));
        let mut slots = Vec::with_capacity(nodes);
        write(tree, &mut steps, &mut slots, &mut stamps);
        let shape = SHAPES.share(Shape(steps.into()));
        let content = CONTENTS.share(Content { shape, slots: slots.into() });
        let all_alike = stamps.iter().all(|stamp| *stamp == uniform);
        (Self(Some(content)), (!all_alike).then(|| stamps.into()))
    }

    /// The tree again, to change it.
    pub fn unpack(&self, stamps: &Stamps, uniform: Stamp) -> Children {
        self.children(0, self.steps().len(), stamps, uniform)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The place of a path's end, of which there is at least one step.
    pub fn find(&self, path: &[Box<str>]) -> Option<usize> {
        let steps = self.steps();
        let (mut at, mut end) = (0, steps.len());
        let mut found = None;
        for key in path {
            found = None;
            while at < end {
                let step = steps.get(at)?;
                if *step.key.0 == **key {
                    found = Some(at);
                    // What is below it; nothing, for a value.
                    (at, end) = (at + 1, step.end);
                    break;
                }
                at = step.end;
            }
            found?;
        }
        found
    }

    pub(super) fn leaf(&self, at: usize) -> Option<Leaf<'_>> {
        let content = self.0.as_deref()?;
        let Some(slot) = content.shape.0.get(at)?.slot else { return Some(Leaf::Object) };
        Some(match content.slots.get(slot)? {
            Slot::Bool(value) => Leaf::Bool(*value),
            Slot::Number(value) => Leaf::Number(value),
            Slot::Text(Text(value)) => Leaf::Text(value),
            Slot::Array(items) => Leaf::Array(items),
        })
    }

    fn children(&self, from: usize, to: usize, stamps: &Stamps, uniform: Stamp) -> Children {
        let slot = |step: &Step| step.slot.and_then(|slot| self.0.as_deref()?.slots.get(slot));
        let nodes = self.steps_between(from, to).map(|(at, step)| {
            let value = match slot(step) {
                Some(Slot::Bool(value)) => Value::Bool(*value),
                Some(Slot::Number(value)) => Value::Number(value.clone()),
                Some(Slot::Text(Text(value))) => Value::Text(value.clone()),
                Some(Slot::Array(items)) => Value::Array(items.clone()),
                None => Value::Object(self.children(at + 1, step.end, stamps, uniform)),
            };
            (step.key.0.clone(), Node { stamp: stamp_at(at, stamps, uniform), value })
        });
        nodes.collect()
    }

    /// The places of one level, with their keys.
    pub(super) fn between(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, &str)> {
        self.steps_between(from, to).map(|(at, step)| (at, &*step.key.0))
    }

    fn steps_between(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, &Step)> {
        let steps = self.steps();
        let mut at = from;
        std::iter::from_fn(move || {
            let step = steps.get(at).filter(|_| at < to)?;
            let here = std::mem::replace(&mut at, step.end);
            Some((here, step))
        })
    }

    /// Number of places.
    pub(super) fn len(&self) -> usize {
        self.steps().len()
    }

    /// The first place that is not below this one.
    pub(super) fn end_of(&self, at: usize) -> usize {
        self.steps().get(at).map_or(at, |step| step.end)
    }

    fn steps(&self) -> &[Step] {
        self.0.as_deref().map_or(&[], |content| &content.shape.0)
    }
}

pub(super) fn stamp_at(at: usize, stamps: &Stamps, uniform: Stamp) -> Stamp {
    stamps.as_ref().and_then(|stamps| stamps.get(at)).copied().unwrap_or(uniform)
}

fn write(tree: &Children, steps: &mut Vec<Step>, slots: &mut Vec<Slot>, stamps: &mut Vec<Stamp>) {
    for (key, node) in tree.nodes() {
        let at = steps.len();
        let slot = match &node.value {
            Value::Bool(value) => Some(Slot::Bool(*value)),
            Value::Number(value) => Some(Slot::Number(value.clone())),
            Value::Text(value) => Some(Slot::Text(Text(value.clone()))),
            Value::Array(items) => Some(Slot::Array(items.clone())),
            Value::Object(_) => None,
        };
        stamps.push(node.stamp);
        steps.push(Step { key: Text(key.clone()), end: at + 1, slot: slot.as_ref().map(|_| slots.len()) });
        slots.extend(slot);
        if let Value::Object(children) = &node.value {
            write(children, steps, slots, stamps);
            let end = steps.len();
            if let Some(step) = steps.get_mut(at) {
                step.end = end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::object;
    use super::*;
    use crate::clock::Timestamp;
    use serde_json::json;

    fn stamp(second: u64) -> Stamp {
        Stamp { at: Timestamp::from_unix_seconds(second), version: None }
    }

    fn tree(json: &Json, second: u64) -> Children {
        let mut tree = Children::default();
        tree.merge(json.as_object().unwrap(), stamp(second));
        tree
    }

    #[test]
    fn packing_loses_nothing() {
        let table = [
            json!({}),
            json!({"a": 1}),
            json!({"a": {}}),
            json!({"a": {"b": {"c": "x", "d": [1, {"e": "f"}]}, "g": true}, "h": {"i": 0.5}, "j": "y"}),
        ];
        for json in table {
            for patch in [json!({}), json!({"a": {"b": {"c": "z"}, "n": {"m": 1}}})] {
                let mut tree = tree(&json, 1);
                let (plain, _) = Packed::new(&tree, stamp(1));
                assert_eq!(
                    (Json::Object(object(plain.members())), plain.is_empty()),
                    (json.clone(), json == json!({}))
                );
                tree.merge(patch.as_object().unwrap(), stamp(2));
                let (packed, stamps) = Packed::new(&tree, stamp(1));
                let (again, stamps_again) = Packed::new(&packed.unpack(&stamps, stamp(1)), stamp(1));
                assert!(
                    again.0.as_ref().map(Arc::as_ptr) == packed.0.as_ref().map(Arc::as_ptr),
                    "{json} {patch}"
                );
                assert_eq!(stamps, stamps_again);
                assert_eq!(stamps.is_some(), patch != json!({}));
            }
        }
    }

    #[test]
    fn what_twins_have_in_common_is_kept_once() {
        let of = |json: Json| Packed::new(&tree(&json, 1), stamp(1)).0.0.unwrap();
        let first = of(json!({"a": {"uri": "u1", "n": 1}}));
        assert!(Arc::ptr_eq(&first, &of(json!({"a": {"uri": "u1", "n": 1}}))));
        for other in [json!({"a": {"uri": "u2", "n": 1}}), json!({"a": {"uri": "u1", "n": 2}})] {
            let other = of(other);
            assert!(!Arc::ptr_eq(&first, &other) && Arc::ptr_eq(&first.shape, &other.shape));
        }
        // The same keys in another tree.
        assert!(!Arc::ptr_eq(&first.shape, &of(json!({"a": {"uri": "u"}, "n": 1})).shape));
        assert!(Packed::new(&tree(&json!({"a": {"b": 1}}), 1), stamp(1)).1.is_none());
    }
}
