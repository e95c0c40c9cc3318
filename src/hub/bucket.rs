//! A token bucket: so many calls per second, after a small burst.

use std::time::Duration;

use tokio::time::Instant;

/// The slowest rate that is still a rate, per second: one call in about a quarter of an hour.
const SLOWEST: f64 = 0.001;

/// Gives out calls at a rate. Knows no clock: whoever asks says what time it is.
pub(super) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    /// Until when the tokens are counted. In the future while the bucket is paused.
    counted: Instant,
}

impl Bucket {
    /// A full bucket: `rate` per second, and `burst` (at least one) at once.
    pub fn new(rate: f64, burst: f64, now: Instant) -> Self {
        let burst = burst.max(1.0);
        Self { rate: rate.max(SLOWEST), burst, tokens: burst, counted: now }
    }

    /// Takes a token, or says how long to wait before asking again.
    pub fn take(&mut self, now: Instant) -> Option<Duration> {
        if now < self.counted {
            return Some(self.counted - now);
        }
        self.count(now);
        // The tolerance keeps rounding from asking for a wait of nothing.
        if self.tokens >= 1.0 - 1e-9 {
            self.tokens -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64((1.0 - self.tokens) / self.rate))
    }

    /// Gives nothing before `until`, and goes on from there without a burst.
    pub fn pause(&mut self, until: Instant) {
        self.tokens = self.tokens.min(1.0);
        self.counted = self.counted.max(until);
    }

    /// From `now` on at another rate. What was saved up stays, within the new burst.
    pub fn set_rate(&mut self, rate: f64, burst: f64, now: Instant) {
        self.count(now);
        (self.rate, self.burst) = (rate.max(SLOWEST), burst.max(1.0));
        self.tokens = self.tokens.min(self.burst);
    }

    fn count(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted);
        self.tokens = (self.tokens + passed.as_secs_f64() * self.rate).min(self.burst);
        self.counted = self.counted.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the bucket says at each of these milliseconds: zero is a token, anything else the wait in milliseconds.
    fn waits(bucket: &mut Bucket, start: Instant, asked_at: &[u64]) -> Vec<u128> {
        let at = |ms| start + Duration::from_millis(ms);
        asked_at.iter().map(|ms| bucket.take(at(*ms)).map_or(0, |wait| wait.as_millis())).collect()
    }

    #[test]
    fn gives_a_burst_and_then_the_rate() {
        for (rate, burst, asked_at, want) in [
            (10.0, 2.0, vec![0, 0, 0, 50, 100, 100], vec![0, 0, 100, 50, 0, 100]),
            // Idle time fills no more than the burst.
            (10.0, 2.0, vec![60_000, 60_000, 60_000], vec![0, 0, 100]),
            // A burst below one would never give anything.
            (0.5, 0.1, vec![0, 0, 1000, 2000], vec![0, 2000, 1000, 0]),
            (0.0, 1.0, vec![0, 0], vec![0, 1_000_000]),
        ] {
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, burst, start);
            assert_eq!(waits(&mut bucket, start, &asked_at), want, "{rate} {burst}");
        }
    }

    #[test]
    fn a_pause_ends_without_a_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10.0, 5.0, start);
        bucket.pause(start + Duration::from_secs(3));
        bucket.pause(start + Duration::from_secs(1));
        assert_eq!(waits(&mut bucket, start, &[0, 1000, 3000, 3000, 3100]), [3000, 2000, 0, 100, 0]);
    }

    #[test]
    fn a_new_rate_counts_from_now() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10.0, 10.0, start);
        bucket.set_rate(1.0, 2.0, start);
        assert_eq!(waits(&mut bucket, start, &[0, 0, 0]), [0, 0, 1000]);
        bucket.set_rate(100.0, 100.0, start + Duration::from_millis(500));
        assert_eq!(waits(&mut bucket, start, &[500, 505]), [5, 0]);
    }
}
