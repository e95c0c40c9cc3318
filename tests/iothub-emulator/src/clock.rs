//! Where all of the emulator's time of day comes from, so that a test can make a day pass at once.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

const TICKS_PER_SECOND: u64 = 10_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// A point in time in UTC, to 100 nanoseconds, as the hub writes it (`2019-10-03T10:47:19.5741198Z`).
///
/// Its `Display` is that form; trailing zeros of the fraction are left out, as the hub's JSON writer does. For serde it
/// is the number of 100 nanoseconds since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From whole seconds since 1970-01-01.
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(TICKS_PER_SECOND))
    }

    /// Whole seconds since 1970-01-01.
    pub fn unix_seconds(self) -> u64 {
        self.0 / TICKS_PER_SECOND
    }

    /// Whole days since 1970-01-01.
    pub(crate) fn unix_days(self) -> u64 {
        self.unix_seconds() / SECONDS_PER_DAY
    }

    /// 1970-01-01, before anything that happens.
    pub(crate) const START: Self = Self(0);

    /// Units of 100 nanoseconds since 1970-01-01.
    pub(crate) fn ticks(self) -> u64 {
        self.0
    }

    /// The point in time that is `later` by so much.
    pub(crate) fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(ticks(later)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).saturating_mul(100))
    }

    /// The form of `ExceptionMessage`: `05/31/2022 22:06:56`.
    pub(crate) fn american(self) -> String {
        let (year, month, day) = civil_date(self.unix_seconds() / SECONDS_PER_DAY);
        let (hour, minute, second) = time_of_day(self.unix_seconds());
        format!("{month:02}/{day:02}/{year:04} {hour:02}:{minute:02}:{second:02}")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digit by digit: a twin has a dozen of these, and `write!` took nearly half of the time that its JSON takes.
        let mut text = *b"0000-00-00T00:00:00.0000000Z";
        let (year, month, day) = civil_date(self.unix_seconds() / SECONDS_PER_DAY);
        let (hour, minute, second) = time_of_day(self.unix_seconds());
        let fraction = self.0 % TICKS_PER_SECOND;
        let fields =
            [(year, 0..4), (month, 5..7), (day, 8..10), (hour, 11..13), (minute, 14..16), (second, 17..19)];
        for (value, place) in fields.into_iter().chain([(fraction, 20..27)]) {
            set_digits(text.get_mut(place).unwrap_or_default(), value);
        }
        let text = str::from_utf8(&text).map_err(|_| fmt::Error)?;
        let (seconds, fraction) = text.trim_end_matches('Z').split_at(19);
        f.write_str(seconds)?;
        f.write_str(fraction.trim_end_matches('0').trim_end_matches('.'))?;
        f.write_str("Z")
    }
}

/// Writes a number that has at most so many digits, with zeros before it.
fn set_digits(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
    }
}

fn time_of_day(unix_seconds: u64) -> (u64, u64, u64) {
    let second = unix_seconds % SECONDS_PER_DAY;
    (second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day of the Gregorian calendar for a number of days since 1970-01-01.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that the leap day is the last of its year; 400 years are 146,097 days.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The clock of one emulator: the system's, moved by an offset, or one that stands still until it is moved.
///
/// Time that passes and the time of day are two things: [`Clock::advance`] lets time pass, for everything that
/// waits as well; [`Clock::skew`] only sets the hands, as on a machine whose clock is wrong.
#[derive(Clone, Debug)]
pub struct Clock {
    base: Base,
    moves: Arc<Moves>,
}

#[derive(Clone, Copy, Debug)]
enum Base {
    System,
    Fixed(Timestamp),
}

#[derive(Debug, Default)]
struct Moves {
    advanced_ticks: AtomicU64,
    skew_ticks: AtomicI64,
    /// Wakes all that wait for a time.
    moved: Notify,
}

impl Clock {
    /// Follows the system's clock.
    pub fn system() -> Self {
        Self { base: Base::System, moves: Arc::default() }
    }

    /// Stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self { base: Base::Fixed(start), moves: Arc::default() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.passed().saturating_add_signed(self.moves.skew_ticks.load(Ordering::Relaxed)))
    }

    /// Moves this clock, and every clone of it, forward. What waits for a time that is thereby past goes on.
    pub fn advance(&self, by: Duration) {
        self.moves.advanced_ticks.fetch_add(ticks(by), Ordering::Relaxed);
        self.moves.moved.notify_waiters();
    }

    /// Sets the hands this many seconds fast, or slow where negative, from now on; 0 sets them right. Nothing
    /// gets older by it.
    pub fn skew(&self, seconds: i64) {
        self.moves
            .skew_ticks
            .store(seconds.saturating_mul(TICKS_PER_SECOND.cast_signed()), Ordering::Relaxed);
        self.moves.moved.notify_waiters();
    }

    /// How much time has passed since some fixed point: what rates are measured by, whatever the hands say.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.passed().saturating_mul(100))
    }

    /// Waits until so much time has passed on this clock.
    pub(crate) async fn sleep(&self, time: Duration) {
        let end = self.elapsed().saturating_add(time);
        self.wait(|| end.saturating_sub(self.elapsed())).await;
    }

    /// Waits until it is `time` by this clock.
    pub(crate) async fn reach(&self, time: Timestamp) {
        self.wait(|| time.since(self.now())).await;
    }

    /// Waits until nothing is left to wait for.
    async fn wait(&self, left: impl Fn() -> Duration) {
        loop {
            let mut moved = pin!(self.moves.moved.notified());
            // Before the look at the clock: a move right after it must not be missed.
            moved.as_mut().enable();
            let left = left();
            if left.is_zero() {
                return;
            }
            match self.base {
                Base::System => {
                    let _ = tokio::time::timeout(left, moved).await;
                }
                Base::Fixed(_) => moved.await,
            }
        }
    }

    /// Ticks without the skew.
    fn passed(&self) -> u64 {
        let base = match self.base {
            Base::System => ticks(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            Base::Fixed(start) => start.0,
        };
        base.saturating_add(self.moves.advanced_ticks.load(Ordering::Relaxed))
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() / 100).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_the_hub_writes_them() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400 * TICKS_PER_SECOND, "2000-02-29T00:00:00Z"),
            (4_107_542_399 * TICKS_PER_SECOND, "2100-02-28T23:59:59Z"),
            (15_700_996_395_741_198, "2019-10-03T10:47:19.5741198Z"),
            (15_700_996_395_700_000, "2019-10-03T10:47:19.57Z"),
        ];
        for (ticks, text) in table {
            assert_eq!(Timestamp(ticks).to_string(), text);
        }
        assert_eq!(Timestamp::from_unix_seconds(1_654_034_816).american(), "05/31/2022 22:06:56");
    }

    #[test]
    fn advancing_moves_every_clone() {
        let clock = Clock::manual(Timestamp::from_unix_seconds(100));
        let clone = clock.clone();
        clock.advance(Duration::from_hours(24));
        assert_eq!(clone.now().unix_seconds(), 86_500);
    }

    #[test]
    fn a_skew_sets_the_hands_and_lets_no_time_pass() {
        let clock = Clock::manual(Timestamp::from_unix_seconds(100));
        let before = clock.elapsed();
        for (seconds, now) in [(50, 150), (-40, 60), (-1000, 0), (0, 100)] {
            clock.skew(seconds);
            assert_eq!((clock.now().unix_seconds(), clock.elapsed()), (now, before));
        }
    }

    #[tokio::test]
    async fn waits_end_when_their_time_has_come() {
        let clock = Clock::manual(Timestamp::from_unix_seconds(100));
        let mut sleep = Box::pin(clock.sleep(Duration::from_secs(10)));
        let mut reach = Box::pin(clock.reach(Timestamp::from_unix_seconds(110)));
        assert!(futures::poll!(&mut sleep).is_pending() && futures::poll!(&mut reach).is_pending());
        clock.advance(Duration::from_secs(5));
        assert!(futures::poll!(&mut sleep).is_pending() && futures::poll!(&mut reach).is_pending());
        // The hands alone are enough for a time of day.
        clock.skew(5);
        assert!(futures::poll!(&mut sleep).is_pending());
        reach.await;
        clock.advance(Duration::from_secs(5));
        sleep.await;
        let system = Clock::system();
        let mut day = Box::pin(system.sleep(Duration::from_hours(24)));
        assert!(futures::poll!(&mut day).is_pending());
        system.advance(Duration::from_hours(24));
        day.await;
    }
}
