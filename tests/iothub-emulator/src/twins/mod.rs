//! Twins: what they hold, how patches change them, what they look like as JSON.
//!
//! How a twin is kept in memory is known to this folder alone.

mod change;
mod json;
mod limits;
mod packed;
mod pool;
mod section;
mod stored;
mod tree;

use serde_json::{Map, Value as Json};

use crate::clock::Timestamp;
use crate::error::HubError;
pub(crate) use change::{Change, checked_reported_patch, reported_patch};
pub(crate) use json::{Plain, WithMetadata};
use packed::Packed;
use section::find_in;
pub(crate) use section::{Found, ObjectRef, Section};
use tree::{Children, Stamp};

/// The twin of one device.
///
/// Counters, as far as samples of real twins tell: `writes` starts at 1 and grows by 1 with every write from
/// the service side, the etag encodes it, and `version` is `writes` plus the reported `$version`. So an ack
/// of the device moves `version` and not the etag, and does not disturb a conditional PATCH.
///
/// In the order in which queries most often ask for it, see [`crate::registry::Device`].
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Twin {
    pub reported: Section,
    pub desired: Section,
    tags: Packed,
    pub writes: u64,
}

impl Twin {
    pub fn new(now: Timestamp) -> Self {
        Self { writes: 1, tags: Packed::default(), desired: Section::new(now), reported: Section::new(now) }
    }

    pub fn version(&self) -> u64 {
        self.writes + self.reported.version
    }

    /// None if there are none.
    pub fn tags(&self) -> Option<ObjectRef<'_>> {
        (!self.tags.is_empty()).then_some(ObjectRef::Tree(&self.tags))
    }

    /// Follows a path below the tags.
    pub fn find_tag(&self, path: &[Box<str>]) -> Found<'_> {
        find_in(&self.tags, path)
    }

    /// PATCH from the service side: merges both sections, or neither if one of them would get too large.
    pub fn patch(&mut self, change: &Change, now: Timestamp) -> Result<(), HubError> {
        self.change(change, now, true)
    }

    /// PUT from the service side: a section that is named is replaced; one that is not stays as it is.
    pub fn put(&mut self, change: &Change, now: Timestamp) -> Result<(), HubError> {
        self.change(change, now, false)
    }

    fn change(&mut self, change: &Change, now: Timestamp, merge: bool) -> Result<(), HubError> {
        let tags = change.tags.as_ref().map(|patch| {
            // Nobody sees the stamps of tags.
            let stamp = Stamp { at: now, version: None };
            let mut tags = if merge { self.tags.unpack(&None, stamp) } else { Children::default() };
            tags.merge(patch, stamp);
            limits::check_size("tags", &tags, limits::TAGS_BYTES)?;
            Ok(Packed::new(&tags, stamp).0)
        });
        let tags = tags.transpose()?;
        let desired = match &change.desired {
            Some(patch) if merge => Some(self.desired.merged("desired properties", patch, now, true)?),
            Some(document) => Some(self.desired.replaced("desired properties", document, now)?),
            None => None,
        };
        self.tags = tags.unwrap_or_else(|| std::mem::take(&mut self.tags));
        if let Some(desired) = desired {
            self.desired = desired;
        }
        self.writes += 1;
        Ok(())
    }

    /// A reported patch from the device; gives the new reported `$version`.
    pub fn report(&mut self, patch: &Map<String, Json>, now: Timestamp) -> Result<u64, HubError> {
        self.reported = self.reported.merged("reported properties", patch, now, false)?;
        Ok(self.reported.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_seconds(second)
    }

    fn change(body: &Json) -> Change {
        Change::parse(body.clone()).unwrap()
    }

    #[test]
    fn counters_move_as_samples_of_real_twins_say() {
        let mut twin = Twin::new(at(0));
        assert_eq!((twin.writes, twin.version(), twin.desired.version, twin.reported.version), (1, 2, 1, 1));
        // Every patch that names desired properties is a new version, also when no value changes
        // (test_iothub_device_twin_int.py); tags alone are none.
        let steps = [
            (json!({"properties": {"desired": {"a": 1}}}), 2, 2),
            (json!({"properties": {"desired": {"a": 1}}}), 3, 3),
            (json!({"properties": {"desired": {}}}), 4, 4),
            (json!({"tags": {"t": 1}}), 5, 4),
            (json!({"tags": {"t": 2}, "properties": {"desired": {"a": null}}}), 6, 5),
        ];
        for (body, writes, desired) in steps {
            twin.patch(&change(&body), at(1)).unwrap();
            assert_eq!((twin.writes, twin.desired.version), (writes, desired), "{body}");
        }
        let before = twin.writes;
        assert_eq!(twin.report(json!({"x": 1}).as_object().unwrap(), at(2)).unwrap(), 2);
        assert_eq!((twin.writes, twin.version()), (before, before + 2));
    }

    #[test]
    fn a_change_that_is_too_large_changes_nothing() {
        let mut twin = Twin::new(at(0));
        let long: Map<String, Json> = (0..8).map(|n| (format!("k{n}"), "x".repeat(4090).into())).collect();
        twin.patch(&change(&json!({"properties": {"desired": long}})), at(1)).unwrap();
        let tags: Map<String, Json> = (0..2).map(|n| (format!("k{n}"), "x".repeat(4094).into())).collect();
        twin.patch(&change(&json!({"tags": tags})), at(1)).unwrap();
        let counters = (twin.writes, twin.desired.version);
        // Eight keys of 2 characters and 4,090 each are 32,736 of 32,768; two of 2 and 4,094 are all of
        // 8,192.
        for body in [
            json!({"tags": {"t": "u"}, "properties": {"desired": {"ok": 1}}}),
            json!({"tags": {"k0": null}, "properties": {"desired": {"l": "x".repeat(32)}}}),
        ] {
            assert!(twin.patch(&change(&body), at(2)).is_err());
            assert_eq!((twin.writes, twin.desired.version), counters);
            assert!(!twin.find_tag(&["k0".into()]).is_undefined());
            assert!(twin.desired.find(&["ok".into()]).is_undefined());
        }
        twin.patch(&change(&json!({"properties": {"desired": {"l": "x".repeat(31)}}})), at(2)).unwrap();
    }

    #[test]
    fn put_replaces_what_it_names() {
        let mut twin = Twin::new(at(0));
        twin.patch(&change(&json!({"tags": {"a": 1}, "properties": {"desired": {"b": 1, "c": 2}}})), at(1))
            .unwrap();
        twin.put(&change(&json!({"properties": {"desired": {"d": 3}}})), at(2)).unwrap();
        assert_eq!(serde_json::to_value(Plain(&twin.desired)).unwrap(), json!({"d": 3, "$version": 3}));
        assert_eq!(serde_json::to_value(twin.tags()).unwrap(), json!({"a": 1}));
    }
}
