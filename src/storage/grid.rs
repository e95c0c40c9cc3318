//! When links begin and expire: on a grid that is computed and never stored, so that every process mints the same bytes. Pure.
//!
//! Grid points lie half a lifetime apart. A link minted at any time between two points begins at the earlier one, less the allowance
//! for clocks that differ, and expires one lifetime after it. Its phase is a hash of what a link depends on, so rollouts spread by
//! themselves, and a new key or a request for renewal is another grid, on which every older link is stale.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::time::{minus, plus};

/// What a grid depends on.
#[derive(Clone, Copy, Debug)]
pub struct GridSeed<'a> {
    /// The rollout's uid.
    pub uid: &'a str,
    /// How long a link lives, whole seconds.
    pub lifetime: Duration,
    /// The value of the annotation that asks for a renewal.
    pub renew_requested_at: Option<&'a str>,
    /// Tells the key in force from others.
    pub key_fingerprint: &'a str,
}

/// The grid of one rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    lifetime: i64,
    phase: i64,
    lead: Duration,
    skew: Duration,
}

/// From when until when a link is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub expiry: Timestamp,
}

impl Grid {
    /// A grid on which links are renewed `lead` before they expire, and begin `skew` early.
    pub fn new(seed: &GridSeed<'_>, lead: Duration, skew: Duration) -> Self {
        let lifetime = i64::try_from(seed.lifetime.as_secs()).unwrap_or(i64::MAX / 4).max(2);
        let mut hash = Sha256::new();
        for part in [
            seed.uid,
            &lifetime.to_string(),
            seed.renew_requested_at.unwrap_or_default(),
            seed.key_fingerprint,
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let number = digest[..7].iter().fold(0, |number, byte| number << 8 | i64::from(*byte));
        Self { lifetime, phase: number % (lifetime / 2), lead, skew }
    }

    /// How long before its expiry a link is renewed.
    pub fn lead(&self) -> Duration {
        self.lead
    }

    fn step(&self) -> i64 {
        self.lifetime / 2
    }

    /// The last grid point that is not after `now`, in seconds since 1970.
    fn point(&self, now: Timestamp) -> i64 {
        let second = now.as_second();
        second - (second - self.phase).rem_euclid(self.step())
    }

    /// The validity of a link minted now.
    pub fn window(&self, now: Timestamp) -> Window {
        let point = self.point(now);
        Window { start: minus(instant(point), self.skew), expiry: instant(point + self.lifetime) }
    }

    /// The expiries of links that are good now, the latest first: on the grid, with more than the lead left. At most two.
    pub fn good_expiries(&self, now: Timestamp) -> Vec<Timestamp> {
        let latest = self.point(now) + self.lifetime;
        let earlier = (1..=1)
            .map(|n| latest - n * self.step())
            .filter(|expiry| plus(now, self.lead) < instant(*expiry));
        std::iter::once(latest).chain(earlier).map(instant).collect()
    }

    /// The next instant at which links that are good now stop being good: then a renewal is due.
    pub fn next_change(&self, now: Timestamp) -> Timestamp {
        let first = self.good_expiries(now).last().copied().unwrap_or(now);
        minus(first, self.lead).max(plus(now, Duration::from_secs(1)))
    }
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: Duration = Duration::from_hours(168);

    fn seed<'a>() -> GridSeed<'a> {
        GridSeed { uid: "u", lifetime: WEEK, renew_requested_at: None, key_fingerprint: "k" }
    }

    fn grid() -> Grid {
        Grid::new(&seed(), WEEK / 3, Duration::from_mins(15))
    }

    #[test]
    fn everybody_mints_the_same_window_until_the_next_grid_point() {
        let mut now: Timestamp = "2026-11-24T12:00:00.123Z".parse().unwrap();
        let mut windows = Vec::new();
        for _ in 0..14 * 24 {
            let window = grid().window(now);
            assert_eq!(window, grid().window(now));
            assert!(window.start < now && window.expiry > plus(now, WEEK / 2));
            assert!(window.expiry <= plus(now, WEEK));
            assert_eq!(window.expiry.duration_since(window.start).as_secs(), 7 * 86_400 + 900);
            windows.push(window);
            now = plus(now, Duration::from_hours(1));
        }
        windows.dedup();
        assert!((4..=5).contains(&windows.len()), "two weeks are four halves of a week: {}", windows.len());
    }

    #[test]
    fn what_a_link_depends_on_is_another_grid() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let of = |seed: GridSeed<'_>| Grid::new(&seed, WEEK / 3, Duration::ZERO).window(now).expiry;
        let mut expiries = vec![
            of(seed()),
            of(GridSeed { uid: "v", ..seed() }),
            of(GridSeed { renew_requested_at: Some("x"), ..seed() }),
            of(GridSeed { key_fingerprint: "l", ..seed() }),
            of(GridSeed { lifetime: WEEK * 2, ..seed() }),
        ];
        expiries.sort();
        expiries.dedup();
        assert_eq!(expiries.len(), 5);
    }

    #[test]
    fn a_minted_link_is_good_until_its_lead_and_then_a_renewal_is_due() {
        let begun: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for hour in 0..24 * 30 {
            let now = plus(begun, Duration::from_hours(hour));
            let grid = grid();
            let good = grid.good_expiries(now);
            assert!(good.len() <= 2 && good[0] == grid.window(now).expiry);
            assert!(good.iter().all(|expiry| *expiry > plus(now, grid.lead())));
            let change = grid.next_change(now);
            assert!(change > now);
            // Until then every link that is good now stays good; just after, one of them is not.
            let (before, after) =
                (minus(change, Duration::from_secs(1)), plus(change, Duration::from_secs(1)));
            assert!(good.iter().all(|expiry| grid.good_expiries(before.max(now)).contains(expiry)), "{now}");
            assert!(good.iter().any(|expiry| !grid.good_expiries(after).contains(expiry)), "{now}");
        }
    }
}
