//! When links begin and expire: on a grid that is computed and never stored, so that every process mints the same bytes. Pure.
//!
//! Grid points lie half a lifetime apart. A link minted at any time between two points expires one lifetime after the earlier one. The
//! grid's phase is a hash of what a link depends on, so rollouts spread by themselves, and a new key or a request for renewal is another
//! grid, on which every older link is stale.
//!
//! Two grids may have points in common. So a link begins before its point: by the allowance for clocks that differ, and by an offset
//! that is another hash of key and request. The two times together tell the links of two keys or of two requests apart, and stand in a
//! query. (With lifetimes of an hour they coincide in one of six million cases, with longer ones in fewer.) Where the installer changes the allowance, all links begin at other times: they are stale and are renewed once.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::time::{minus, plus};

/// How much earlier than its grid point and the allowance for clocks a link begins at most, in seconds. Further in the past costs
/// nothing, so short lifetimes have the same.
const MOST_OFFSET: u64 = 3600;

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
    offset: Duration,
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
    /// A grid on which links are renewed `lead` before they expire, and begin at least `skew` before their grid point. With another
    /// `skew`, which is the installer's to set, every link is stale and is renewed: accepted, as it is rare and heals by itself.
    pub fn new(seed: &GridSeed<'_>, lead: Duration, skew: Duration) -> Self {
        let lifetime = i64::try_from(seed.lifetime.as_secs()).unwrap_or(i64::MAX / 4).max(1);
        let request = seed.renew_requested_at.unwrap_or_default();
        let phase = number(&[seed.uid, &lifetime.to_string(), request, seed.key_fingerprint])
            % step(lifetime).cast_unsigned();
        let offset = number(&["offset", seed.key_fingerprint, request]) % MOST_OFFSET;
        Self { lifetime, phase: phase.cast_signed(), offset: Duration::from_secs(offset), lead, skew }
    }

    /// How long before its expiry a link is renewed.
    pub fn lead(&self) -> Duration {
        self.lead
    }

    /// The last grid point that is not after `now`, in seconds since 1970.
    fn point(&self, now: Timestamp) -> i64 {
        let second = now.as_second();
        second - (second - self.phase).rem_euclid(step(self.lifetime))
    }

    fn window_at(&self, point: i64) -> Window {
        let start = minus(instant(point), self.skew + self.offset);
        Window { start, expiry: instant(point + self.lifetime) }
    }

    /// The validity of a link minted now.
    pub fn window(&self, now: Timestamp) -> Window {
        self.window_at(self.point(now))
    }

    /// The validities of links that are good now, the latest first: on the grid, with more than the lead left. At most two, and
    /// always the one that a link minted now has.
    pub fn good_windows(&self, now: Timestamp) -> Vec<Window> {
        let point = self.point(now);
        let earlier = self.window_at(point - step(self.lifetime));
        let earlier = Some(earlier).filter(|window| plus(now, self.lead) < window.expiry);
        std::iter::once(self.window_at(point)).chain(earlier).collect()
    }

    /// The next instant at which links that are good now stop being good: then a renewal is due.
    pub fn next_change(&self, now: Timestamp) -> Timestamp {
        let first = self.good_windows(now).last().map_or(now, |window| window.expiry);
        minus(first, self.lead).max(plus(now, Duration::from_secs(1)))
    }
}

/// How far grid points lie apart, in seconds.
fn step(lifetime: i64) -> i64 {
    (lifetime / 2).max(1)
}

/// A number of 56 bits that depends on every part and on nothing else.
fn number(parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()[..7].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
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
            let early = window.expiry.duration_since(window.start).as_secs() - (7 * 86_400 + 900);
            assert!((0..3600).contains(&early), "{early}");
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
            let good = grid.good_windows(now);
            assert!(good.len() <= 2 && good[0] == grid.window(now));
            assert!(good.iter().all(|window| window.expiry > plus(now, grid.lead())));
            let change = grid.next_change(now);
            assert!(change > now);
            // Until then every link that is good now stays good; just after, one of them is not.
            let (before, after) =
                (minus(change, Duration::from_secs(1)), plus(change, Duration::from_secs(1)));
            assert!(good.iter().all(|window| grid.good_windows(before.max(now)).contains(window)), "{now}");
            assert!(good.iter().any(|window| !grid.good_windows(after).contains(window)), "{now}");
        }
    }

    #[test]
    fn grids_with_points_in_common_differ_in_their_start() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let hour = Duration::from_hours(1);
        let of = |key: &str, request: &str| {
            let seed = GridSeed {
                uid: "u",
                lifetime: hour,
                renew_requested_at: Some(request),
                key_fingerprint: key,
            };
            Grid::new(&seed, hour / 3, Duration::from_mins(15)).window(now)
        };
        // A thousand keys, and a thousand requests, share 1,800 phases.
        let key = |n: i32| of(&format!("k{n}"), "r");
        let request = |n: i32| of("k", &format!("r{n}"));
        let (keys, requests): (Vec<Window>, Vec<Window>) = (0..1000).map(|n| (key(n), request(n))).unzip();
        for windows in [keys, requests] {
            let mut pairs = 0;
            for (n, one) in windows.iter().enumerate() {
                for other in windows[n + 1..].iter().filter(|other| other.expiry == one.expiry) {
                    pairs += 1;
                    assert_ne!(one.start, other.start);
                }
            }
            assert!(pairs > 0);
        }
    }

    #[test]
    fn the_start_depends_on_key_request_and_skew_alone() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let early = |seed: GridSeed<'_>, skew| {
            let window = Grid::new(&seed, seed.lifetime / 3, skew).window(now);
            window.expiry.duration_since(window.start).as_secs()
                - i64::try_from(seed.lifetime.as_secs()).unwrap()
        };
        let skew = Duration::from_mins(15);
        let usual = early(seed(), skew);
        for (seed, skew, same) in [
            (GridSeed { uid: "v", ..seed() }, skew, true),
            (GridSeed { lifetime: Duration::from_secs(5), ..seed() }, skew, true),
            (GridSeed { key_fingerprint: "l", ..seed() }, skew, false),
            (GridSeed { renew_requested_at: Some("x"), ..seed() }, skew, false),
            (seed(), Duration::from_mins(14), false),
        ] {
            assert_eq!(early(seed, skew) == usual, same, "{seed:?} {skew:?}");
        }
    }

    #[test]
    fn the_shortest_lifetimes_have_a_grid() {
        let begun: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (lifetime, step) in [(5, 2), (3, 1), (2, 1), (1, 1), (0, 1)] {
            let seed = GridSeed { lifetime: Duration::from_secs(lifetime), ..seed() };
            let grid = Grid::new(&seed, seed.lifetime / 3, Duration::ZERO);
            let mut windows: Vec<Window> =
                (0..12).map(|n| grid.window(plus(begun, Duration::from_secs(n)))).collect();
            windows.dedup();
            assert!((12 / step..=12 / step + 1).contains(&windows.len()), "{lifetime}: {}", windows.len());
            assert!(windows.iter().all(|window| grid.next_change(window.expiry) > window.expiry));
        }
    }
}
