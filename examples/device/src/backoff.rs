//! Pauses that grow and are spread, so that a fleet does not come back in step.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// The pause after `failures` in a row, of which there is at least one: up to 1 s, doubled with each, at most 5 minutes; at
/// least half of that, the rest by chance.
pub(crate) fn pause(failures: u32) -> Duration {
    // The standard library's hasher keys are random: all the chance that is needed.
    let chance = RandomState::new().hash_one(failures);
    longest(failures)
        .mul_f64(0.5 + 0.5 * f64::from(u32::try_from(chance >> 32).unwrap_or_default()) / f64::from(u32::MAX))
}

fn longest(failures: u32) -> Duration {
    FIRST.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_limit_and_are_spread() {
        assert_eq!([1, 2, 4, 9, 10, 99].map(longest).map(|pause| pause.as_secs()), [1, 2, 8, 256, 300, 300]);
        let pauses: Vec<Duration> = (0..50).map(|_| pause(3)).collect();
        assert!(pauses.iter().all(|pause| (Duration::from_secs(2)..=Duration::from_secs(4)).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
