//! How far the fleet is, from what the hub's counting queries answer. Pure.
//!
//! The hub groups twins by the link that they hold, signature and all, and gives each link once with its number. There are few:
//! links of a rollout lie on a grid. So one query tells who holds which revision, until when, and by which key. Links stay in memory
//! as secrets.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::storage::link::{BlobUri, Link};

/// A device that did not get or cannot use the revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureSample {
    /// The device.
    pub device_id: String,
    /// Why, without secrets.
    pub reason: String,
}

/// Devices that hold the same link of the rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The blob that it leads to.
    pub blob: BlobUri,
    /// The link; nothing where the text names no expiry.
    pub link: Option<Link>,
    /// How many devices hold it.
    pub devices: u64,
}

/// The fleet in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Devices that the target picks.
    pub targeted: u64,
    /// The links of the rollout that they hold, of whatever revision.
    pub held: Vec<Held>,
    /// Of those that hold the revision, devices that have received it.
    pub received: u64,
    /// Of those that hold the revision, devices that cannot use it.
    pub failed: u64,
    /// Of those that hold the revision and have not answered, devices that are not connected.
    pub unreachable: u64,
    /// Some of the failed.
    pub failures: Vec<FailureSample>,
}

/// An answer that lacks what was asked for: a protocol that drifted must not be taken for a zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of a count has no number")]
pub struct NoNumber;

impl Counts {
    /// Devices that hold a link to `blob`.
    pub fn linked(&self, blob: &BlobUri) -> u64 {
        self.links_to(blob, |_| true)
    }

    /// Devices that hold a link to `blob` which is as `wanted`.
    pub fn links_to(&self, blob: &BlobUri, wanted: impl Fn(&Link) -> bool) -> u64 {
        let held = self.held.iter().filter(|held| held.blob == *blob);
        held.filter(|held| held.link.as_ref().is_some_and(&wanted)).map(|held| held.devices).sum()
    }

    /// The first expiry among all links that are held and as `wanted`.
    pub fn first_expiry(&self, wanted: impl Fn(&Link) -> bool) -> Option<Timestamp> {
        let links = self.held.iter().filter(|held| held.devices > 0).filter_map(|held| held.link.as_ref());
        links.filter(|link| wanted(link)).map(Link::expiry).min()
    }

    /// Devices that hold any link of the rollout.
    pub fn holders(&self) -> u64 {
        self.held.iter().map(|held| held.devices).sum()
    }

    /// Adds the same of other devices.
    pub fn add(&mut self, other: Self) {
        self.targeted += other.targeted;
        self.received += other.received;
        self.failed += other.failed;
        self.unreachable += other.unreachable;
        self.failures.extend(other.failures);
        for held in other.held {
            match self.held.iter_mut().find(|mine| (&mine.blob, &mine.link) == (&held.blob, &held.link)) {
                Some(mine) => mine.devices += held.devices,
                None => self.held.push(held),
            }
        }
    }

    /// Whether nothing has moved but connections, which come and go.
    pub fn is_as_far_as(&self, other: &Self, blob: &BlobUri) -> bool {
        let numbers = |counts: &Self| (counts.targeted, counts.linked(blob), counts.received, counts.failed);
        numbers(self) == numbers(other)
    }

    /// The queries see the fleet at several moments, and what they see must still add up: linked is at least what has answered, and
    /// targeted at least linked.
    pub fn settle(&mut self, blob: &BlobUri) {
        let answered = self.received + self.failed;
        let linked = self.linked(blob);
        if linked < answered {
            self.failed = self.failed.min(linked);
            self.received = linked - self.failed;
        }
        self.targeted = self.targeted.max(self.holders());
        self.unreachable = self.unreachable.min(linked - self.received - self.failed);
    }
}

/// The links that rows of the query by link tell of.
pub fn held(rows: &[Value]) -> Result<Vec<Held>, NoNumber> {
    let mut all = Vec::new();
    for row in rows {
        let devices = number(row)?;
        // The query lets nothing through but texts that begin with the rollout's path.
        let Some(uri) = row["uri"].as_str() else { return Err(NoNumber) };
        if let Some(blob) = BlobUri::of(uri) {
            all.push(Held { blob, link: Link::parse(uri), devices });
        }
    }
    Ok(all)
}

/// Received and failed, as rows of the query by status tell. The query lets nothing through but `received`, `failed`, and echoes,
/// which have no status.
pub fn answers(rows: &[Value]) -> Result<(u64, u64), NoNumber> {
    let (mut received, mut failed) = (0, 0);
    for row in rows {
        let share = if row["status"] == "failed" { &mut failed } else { &mut received };
        *share += number(row)?;
    }
    Ok((received, failed))
}

/// The one number of a query that counts.
pub fn total(rows: &[Value]) -> Result<u64, NoNumber> {
    match rows {
        [row] => number(row),
        // A hub that found nothing to count may give no row at all.
        [] => Ok(0),
        _ => Err(NoNumber),
    }
}

fn number(row: &Value) -> Result<u64, NoNumber> {
    row["n"].as_u64().ok_or(NoNumber)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BLOB: &str = "https://a/c/ns/n/abc";

    fn blob() -> BlobUri {
        BlobUri::of(BLOB).unwrap()
    }

    fn rows(links: &[(&str, u64)]) -> Vec<Held> {
        let rows: Vec<Value> =
            links.iter().map(|(query, n)| json!({"uri": format!("{BLOB}{query}"), "n": n})).collect();
        held(&rows).unwrap()
    }

    #[test]
    fn links_tell_who_holds_what_until_when() {
        let counts = Counts {
            held: rows(&[
                ("?se=2026-11-30T00:00:00Z", 3),
                ("?se=2026-11-29T00:00:00Z", 2),
                ("?x", 1),
                ("d?se=2026-11-28T00:00:00Z", 4),
            ]),
            ..Counts::default()
        };
        assert_eq!(
            (counts.linked(&blob()), counts.holders()),
            (5, 10),
            "an address without expiry opens nothing"
        );
        assert_eq!(counts.first_expiry(|_| true), Some("2026-11-28T00:00:00Z".parse().unwrap()));
        assert!(!format!("{counts:?}").contains("se="));
    }

    #[test]
    fn rows_without_a_number_are_an_error_and_no_zero() {
        assert_eq!(total(&[json!({"n": 3})]), Ok(3));
        assert_eq!(total(&[]), Ok(0));
        for row in [json!({}), json!({"N": 3}), json!({"n": "3"}), json!({"n": -1})] {
            assert_eq!(total(std::slice::from_ref(&row)), Err(NoNumber), "{row}");
            assert_eq!(answers(std::slice::from_ref(&row)), Err(NoNumber), "{row}");
            assert_eq!(held(std::slice::from_ref(&row)), Err(NoNumber), "{row}");
        }
        let rows =
            [json!({"n": 3}), json!({"status": "received", "n": 2}), json!({"status": "failed", "n": 1})];
        assert_eq!(answers(&rows), Ok((5, 1)));
    }

    #[test]
    fn what_was_seen_at_several_moments_still_adds_up() {
        for (targeted, linked, received, failed, unreachable) in
            [(1, 3, 3, 0, 2), (9, 8, 4, 0, 8), (9, 2, 5, 1, 0), (0, 0, 2, 2, 2)]
        {
            let held = rows(&[("?se=2026-11-30T00:00:00Z", linked)]);
            let mut counts = Counts { targeted, held, received, failed, unreachable, failures: Vec::new() };
            counts.settle(&blob());
            let pending = counts.linked(&blob()) - counts.received - counts.failed;
            assert!(counts.targeted >= counts.holders() && counts.unreachable <= pending, "{counts:?}");
        }
    }

    #[test]
    fn parts_are_added_link_by_link() {
        let part = |n| Counts {
            targeted: n,
            held: rows(&[("?se=2026-11-30T00:00:00Z", n)]),
            received: n,
            ..Counts::default()
        };
        let mut all = part(2);
        all.add(part(3));
        assert_eq!((all.targeted, all.held.len(), all.linked(&blob()), all.received), (5, 1, 5, 5));
        assert!(all.is_as_far_as(&Counts { unreachable: 4, ..all.clone() }, &blob()));
        assert!(!all.is_as_far_as(&Counts { received: 4, ..all.clone() }, &blob()));
    }
}
