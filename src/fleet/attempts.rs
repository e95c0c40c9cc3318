//! Which devices were tried a short time ago, and came to nothing: the hub refused, or somebody else wrote the property at once. They
//! are tried again, ever more slowly. Pure.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;

use super::tally::SAMPLES;
use crate::time::due;

/// Most devices that are remembered, 40 bytes each. Whoever is forgotten is only tried sooner.
const MOST_DEVICES: usize = 100_000;
/// How long a device is left alone whose twin the hub refuses to change.
const REFUSAL_PERIOD: Duration = Duration::from_hours(1);
/// How long a device is left alone at first whose property was written by somebody else right after us; doubled each time.
const FIRST_CONTEST_PERIOD: Duration = Duration::from_secs(30);
/// How long at most.
const LONGEST_CONTEST_PERIOD: Duration = Duration::from_hours(1);

/// What became of the last attempts to write devices of one rollout.
#[derive(Debug, Default)]
pub struct Attempts {
    /// By hash of the device's id.
    devices: HashMap<u64, Attempt>,
    /// What the hub said of some of the refused, as many as are named: whoever is left alone is still told why.
    reasons: HashMap<u64, String>,
    hashes: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    /// What it was to get.
    gift: u64,
    /// How often it was given just that before, and had lost it again.
    lost: u32,
    refused: bool,
    at: Timestamp,
}

impl Attempt {
    fn is_refused(&self, now: Timestamp) -> bool {
        self.refused && due(self.at, REFUSAL_PERIOD, now) > now
    }
}

/// Whether a device may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes.
    Write,
    /// The hub refused the same a short time ago.
    Refused,
    /// Somebody else has replaced the same, so many times.
    Contested(u32),
}

impl Attempts {
    /// Whether `device` may get `gift` (a text that tells what is given) now.
    pub fn permission(&self, device: &str, gift: &str, now: Timestamp) -> Permission {
        let Some(last) = self.devices.get(&self.hashes.hash_one(device)) else { return Permission::Write };
        if last.gift != self.hashes.hash_one(gift) {
            return Permission::Write;
        }
        if last.refused {
            return if last.is_refused(now) { Permission::Refused } else { Permission::Write };
        }
        let period = FIRST_CONTEST_PERIOD.saturating_mul(1 << last.lost.min(7)).min(LONGEST_CONTEST_PERIOD);
        if due(last.at, period, now) > now { Permission::Contested(last.lost + 1) } else { Permission::Write }
    }

    /// `device` got `gift`.
    pub fn written(&mut self, device: &str, gift: &str, now: Timestamp) {
        self.note(device, gift, false, now);
    }

    /// The hub refused to give `device` `gift`, for this reason.
    pub fn refused(&mut self, device: &str, gift: &str, reason: &str, now: Timestamp) {
        self.note(device, gift, true, now);
        let Self { devices, reasons, .. } = self;
        reasons.retain(|device, _| devices.get(device).is_some_and(|last| last.is_refused(now)));
        let device = self.hashes.hash_one(device);
        if reasons.len() < SAMPLES || reasons.contains_key(&device) {
            reasons.insert(device, reason.to_owned());
        }
    }

    /// Why the hub refused to change `device` the last time, if that is remembered.
    pub fn reason(&self, device: &str) -> Option<&str> {
        self.reasons.get(&self.hashes.hash_one(device)).map(String::as_str)
    }

    fn note(&mut self, device: &str, gift: &str, refused: bool, at: Timestamp) {
        let (device, gift) = (self.hashes.hash_one(device), self.hashes.hash_one(gift));
        let before = self.devices.get(&device).filter(|before| before.gift == gift && !before.refused);
        let lost = before.map_or(0, |before| before.lost.saturating_add(1));
        if self.devices.len() >= MOST_DEVICES && !self.devices.contains_key(&device) {
            self.forget_the_older_half();
        }
        self.devices.insert(device, Attempt { gift, lost, refused, at });
    }

    fn forget_the_older_half(&mut self) {
        let mut times: Vec<Timestamp> = self.devices.values().map(|attempt| attempt.at).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        let middle = *middle;
        self.devices.retain(|_, attempt| attempt.at > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    #[test]
    fn who_was_refused_waits_an_hour_unless_something_else_is_given() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.permission("d", "a", at(0)), Permission::Write);
        attempts.refused("d", "a", "too large", at(0));
        for (gift, second, want) in [
            ("a", 0, Permission::Refused),
            ("a", 3599, Permission::Refused),
            ("a", 3600, Permission::Write),
            ("b", 1, Permission::Write),
            // A clock that was set back says nothing.
            ("a", -10, Permission::Write),
        ] {
            assert_eq!(attempts.permission("d", gift, at(second)), want, "{gift} {second}");
        }
        assert_eq!(attempts.permission("e", "a", at(1)), Permission::Write);
        assert_eq!((attempts.reason("d"), attempts.reason("e")), (Some("too large"), None));
    }

    #[test]
    fn the_reasons_of_some_who_are_refused_now_are_remembered() {
        let mut attempts = Attempts::default();
        for n in 0..50 {
            attempts.refused(&n.to_string(), "a", "too large", at(0));
        }
        assert_eq!(attempts.reasons.len(), SAMPLES);
        assert_eq!((attempts.reason("19"), attempts.reason("20")), (Some("too large"), None));
        attempts.written("0", "b", at(1));
        attempts.refused("20", "a", "full", at(2));
        assert_eq!((attempts.reason("0"), attempts.reason("20")), (None, Some("full")));
        attempts.refused("21", "a", "full", at(3601));
        assert_eq!((attempts.reason("1"), attempts.reasons.len()), (None, 2));
    }

    #[test]
    fn who_is_written_by_somebody_else_is_approached_ever_more_slowly() {
        let mut attempts = Attempts::default();
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..12 {
            assert_eq!(attempts.permission("d", "a", at(now)), Permission::Write);
            attempts.written("d", "a", at(now));
            assert!(matches!(attempts.permission("d", "a", at(now)), Permission::Contested(_)));
            let begun = now;
            while attempts.permission("d", "a", at(now)) != Permission::Write {
                now += 1;
            }
            waits.push(now - begun);
        }
        assert_eq!(waits[..4], [30, 60, 120, 240]);
        assert_eq!(waits.last(), Some(&3600));
        // A new revision or a renewal is given at once.
        assert_eq!(attempts.permission("d", "b", at(now)), Permission::Write);
    }

    #[test]
    fn a_fleet_of_any_size_is_remembered_in_bounds() {
        let mut attempts = Attempts::default();
        for n in 0..250_000_u32 {
            attempts.written(&n.to_string(), "a", at(i64::from(n)));
            assert!(attempts.devices.len() <= MOST_DEVICES);
        }
        assert_ne!(attempts.permission("249999", "a", at(250_000)), Permission::Write);
    }
}
