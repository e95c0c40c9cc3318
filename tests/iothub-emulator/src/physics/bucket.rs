//! A token bucket, kept as the time at which it will be full again.

use std::time::Duration;

/// Full when new. What is taken from it comes back with time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// Time of the hub's clock at which all that was taken has come back.
    full_at: Duration,
}

impl Bucket {
    /// Takes tokens that come back within `cost`, from a bucket that holds those of `burst`. Gives the wait
    /// until there are enough of them; none, and nothing is taken, if it is longer than `max_wait`.
    pub fn take(
        &mut self,
        cost: Duration,
        burst: Duration,
        max_wait: Duration,
        now: Duration,
    ) -> Option<Duration> {
        let full_at = self.full_at.max(now).saturating_add(cost);
        let wait = full_at.saturating_sub(now).saturating_sub(burst);
        if wait > max_wait {
            return None;
        }
        self.full_at = full_at;
        Some(wait)
    }
}
