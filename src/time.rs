//! Instants and durations in the forms that users, twins and links want.

use std::time::Duration;

use k8s_openapi::jiff::{Timestamp, tz::TimeZone};

/// One tick of the twin's `ts`: 100 ns, the resolution of .NET's `DateTime`, which the older clients echo.
pub const TICK: Duration = Duration::from_nanos(100);

/// `at` as a twin carries it: seven fraction digits and `Z`, exactly what .NET's round-trip format echoes, so that a query can
/// compare texts (device contract).
pub fn ts(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.%7fZ").to_string()
}

/// Reads an instant in RFC 3339 form, or `None`.
pub fn parse_ts(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// `at` without what is finer than a tick.
pub fn whole_ticks(at: Timestamp) -> Timestamp {
    let nanos = at.as_nanosecond();
    Timestamp::from_nanosecond(nanos - nanos.rem_euclid(100)).unwrap_or(at)
}

/// `at` in whole seconds, for status and links: `2026-11-30T00:00:00Z`.
pub fn seconds(at: Timestamp) -> String {
    whole_seconds(at).to_string()
}

/// `at` without its fraction of a second.
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_nanosecond().div_euclid(1_000_000_000).try_into().unwrap_or(i64::MAX))
        .unwrap_or(at)
}

/// From `now` until `at`; zero when that is past.
pub fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// `at` moved by `by`, held at the ends of time.
pub fn plus(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// `at` moved back by `by`, held at the ends of time.
pub fn minus(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// When something that was last done at `last` is due again. A time in the future comes from a clock that was set back, and says
/// nothing: it is due now.
pub fn due(last: Timestamp, period: Duration, now: Timestamp) -> Timestamp {
    if last > now { minus(now, Duration::from_secs(1)) } else { plus(last, period) }
}

/// Reads a duration as Kubernetes writes them: Go's form of hours, minutes, seconds and milliseconds, such as `168h` or `1h30m`.
///
/// The error says what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return Err("a duration is empty: write hours, minutes and seconds, such as 168h or 1h30m".into());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let units = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        let (number, unit) = (&rest[..digits], &rest[digits..units]);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "d" => return Err(days(text, number)),
            _ => {
                return Err(format!(
                    "{text:?} is not a duration: write hours, minutes and seconds, such as 168h or 1h30m"
                ));
            }
        };
        let part = number.parse::<f64>().ok().and_then(|n| Duration::try_from_secs_f64(n * seconds).ok());
        let part = part.ok_or_else(|| format!("{text:?} is not a duration: {number:?} is not a number"))?;
        total = total.checked_add(part).ok_or_else(|| format!("{text:?} is too long a duration"))?;
        rest = &rest[units..];
    }
    Ok(total)
}

fn days(text: &str, number: &str) -> String {
    match number.parse::<u32>() {
        Ok(n) => format!(
            "{text:?} is not a duration: days have no unit here, for {n}d write {}h",
            u64::from(n) * 24
        ),
        Err(_) => format!("{text:?} is not a duration: days have no unit here, write hours"),
    }
}

/// A duration in Go's form, without parts that are zero: `168h`, `1h30m`, `45s`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds % 3600 / 60, "m"), (seconds % 60, "s")];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    let text = parts.concat();
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ts_is_what_dotnet_echoes() {
        let at: Timestamp = "2018-10-09T19:40:18.7138092Z".parse().unwrap();
        assert_eq!(ts(at), "2018-10-09T19:40:18.7138092Z");
        let at: Timestamp = "2018-10-09T19:40:18.713809299Z".parse().unwrap();
        assert_eq!(ts(at), "2018-10-09T19:40:18.7138092Z");
        assert_eq!(whole_ticks(at), "2018-10-09T19:40:18.7138092Z".parse().unwrap());
        assert_eq!(seconds(at), "2018-10-09T19:40:18Z");
        assert_eq!(ts("2018-10-09T19:40:18Z".parse().unwrap()), "2018-10-09T19:40:18.0000000Z");
    }

    #[test]
    fn a_time_in_the_future_is_due() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let minute = Duration::from_mins(1);
        assert_eq!(due(now, minute, now), plus(now, minute));
        assert!(due(plus(now, minute), minute, now) <= now);
    }

    #[test]
    fn durations() {
        for (text, want) in [
            ("168h", Ok(604_800_000)),
            ("1h30m", Ok(5_400_000)),
            ("45s", Ok(45_000)),
            ("1.5h", Ok(5_400_000)),
            ("1h250ms", Ok(3_600_250)),
            ("7d", Err("write 168h")),
            ("1d12h", Err("write 24h")),
            ("", Err("empty")),
            ("15", Err("168h or 1h30m")),
            ("-5m", Err("168h or 1h30m")),
            ("5 m", Err("168h or 1h30m")),
            ("1.2.3h", Err("not a number")),
            ("9999999999999999999999h", Err("not a")),
        ] {
            match (parse_duration(text), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, Duration::from_millis(want), "{text}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{text}: {got}"),
                (got, want) => assert!(got.is_err() == want.is_err(), "{text}: {got:?} for {want:?}"),
            }
        }
    }

    #[test]
    fn durations_are_shown_as_they_are_written() {
        for text in ["168h", "1h30m", "45s", "0s", "2h5s"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }
}
