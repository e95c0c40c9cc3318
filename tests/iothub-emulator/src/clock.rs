//! Where all of the emulator's time of day comes from, so that a test can make a day pass at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TICKS_PER_SECOND: u64 = 10_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// A point in time in UTC, to 100 nanoseconds, as the hub writes it (`2019-10-03T10:47:19.5741198Z`).
///
/// Its `Display` is that form; trailing zeros of the fraction are left out, as the hub's JSON writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From whole seconds since 1970-01-01.
    pub fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(TICKS_PER_SECOND))
    }

    /// Whole seconds since 1970-01-01.
    pub fn unix_seconds(self) -> u64 {
        self.0 / TICKS_PER_SECOND
    }

    /// Units of 100 nanoseconds since 1970-01-01.
    pub(crate) fn ticks(self) -> u64 {
        self.0
    }

    /// The point in time that is `later` by so much.
    pub(crate) fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos() / 100).unwrap_or(u64::MAX)))
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
        let (year, month, day) = civil_date(self.unix_seconds() / SECONDS_PER_DAY);
        let (hour, minute, second) = time_of_day(self.unix_seconds());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let fraction = self.0 % TICKS_PER_SECOND;
        if fraction > 0 {
            let digits = format!("{fraction:07}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
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
#[derive(Clone, Debug)]
pub struct Clock {
    base: Base,
    offset_ticks: Arc<AtomicI64>,
}

#[derive(Clone, Copy, Debug)]
enum Base {
    System,
    Fixed(Timestamp),
}

impl Clock {
    /// Follows the system's clock.
    pub fn system() -> Self {
        Self { base: Base::System, offset_ticks: Arc::default() }
    }

    /// Stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self { base: Base::Fixed(start), offset_ticks: Arc::default() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let base = match self.base {
            Base::System => {
                let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(elapsed.as_nanos() / 100).unwrap_or(u64::MAX)
            }
            Base::Fixed(start) => start.0,
        };
        Timestamp(base.saturating_add_signed(self.offset_ticks.load(Ordering::Relaxed)))
    }

    /// Moves this clock, and every clone of it, forward.
    pub fn advance(&self, by: Duration) {
        let ticks = i64::try_from(by.as_nanos() / 100).unwrap_or(i64::MAX);
        self.offset_ticks.fetch_add(ticks, Ordering::Relaxed);
    }
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
}
