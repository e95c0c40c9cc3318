//! Limits by their names, as they are given on a command line.

use std::str::FromStr;
use std::time::Duration;

use super::limits::{Limits, Rate};

/// Why a limit that was given as text is none.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// There is no limit of this name.
    #[error("'{0}' is no limit; there are {names}", names = Limits::NAMES.join(", "))]
    Name(String),
    /// The value is not of the form that the limit has.
    #[error("'{value}' is no value of {name}: write {form}")]
    Value {
        /// The limit.
        name: String,
        /// What was given.
        value: String,
        /// What it should look like.
        form: &'static str,
    },
}

impl Limits {
    /// Names of the limits for [`Limits::set`].
    pub const NAMES: [&str; 16] = [
        "registry",
        "queries",
        "connections",
        "telemetry",
        "twin-reads",
        "twin-updates",
        "jobs",
        "job-devices",
        "configurations",
        "active-jobs",
        "max-configurations",
        "bulk-twins",
        "daily-messages",
        "meter-bytes",
        "burst",
        "max-wait",
    ];

    /// Sets one limit by its name: `50/s`, `100/min` or `none` for rates, a number or `none` for messages a day, a
    /// number for bytes, jobs and configurations, `10s` or `2min` for times, `registry` or `twin-updates` for
    /// `bulk-twins`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LimitError> {
        let (known, form) = match name {
            "daily-messages" => (set_or_none(&mut self.daily_messages, value), "a number or none"),
            "meter-bytes" => (set(&mut self.meter_bytes, positive(value)), "a number, at least 1"),
            "active-jobs" => (set(&mut self.active_jobs, positive(value)), "a number, at least 1"),
            "max-configurations" => (set(&mut self.max_configurations, value.parse().ok()), "a number"),
            "bulk-twins" => {
                (set(&mut self.bulk_twins_are_updates, bulk_twins(value)), "registry or twin-updates")
            }
            "burst" => (set(&mut self.burst, time(value)), TIME),
            "max-wait" => (set(&mut self.max_wait, time(value)), TIME),
            rate => {
                let rate = self.rate_named(rate).ok_or_else(|| LimitError::Name(name.to_owned()))?;
                (set_or_none(rate, value), "a rate such as 50/s or 100/min, or none")
            }
        };
        let wrong = || LimitError::Value { name: name.to_owned(), value: value.to_owned(), form };
        known.ok_or_else(wrong)
    }

    fn rate_named(&mut self, name: &str) -> Option<&mut Option<Rate>> {
        Some(match name {
            "registry" => &mut self.registry,
            "queries" => &mut self.queries,
            "connections" => &mut self.connections,
            "telemetry" => &mut self.telemetry,
            "twin-reads" => &mut self.twin_reads,
            "twin-updates" => &mut self.twin_updates,
            "jobs" => &mut self.jobs,
            "job-devices" => &mut self.job_devices,
            "configurations" => &mut self.configurations,
            _ => return None,
        })
    }
}

const TIME: &str = "a time such as 500ms, 10s or 2min";

fn set<T>(limit: &mut T, value: Option<T>) -> Option<()> {
    *limit = value?;
    Some(())
}

/// The same for a limit that there need not be.
fn set_or_none<T: FromStr>(limit: &mut Option<T>, text: &str) -> Option<()> {
    *limit = if text == "none" { None } else { Some(text.parse().ok()?) };
    Some(())
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| *number > 0)
}

fn bulk_twins(text: &str) -> Option<bool> {
    match text {
        "registry" => Some(false),
        "twin-updates" => Some(true),
        _ => None,
    }
}

impl FromStr for Rate {
    type Err = ();

    /// `50/s`, `100/min`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (count, per) = text.split_once('/').ok_or(())?;
        let per = match per {
            "s" => Duration::from_secs(1),
            "min" => Duration::from_mins(1),
            _ => return Err(()),
        };
        Ok(Self { count: count.parse().map_err(|_| ())?, per })
    }
}

/// `500ms`, `10s`, `2min`.
fn time(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(millis)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::Tier;

    #[test]
    fn every_number_can_be_another() {
        let mut limits = Limits::of(Tier::S1, 1);
        for name in Limits::NAMES {
            let (value, wrong) = match name {
                "daily-messages" => ("9", "9/s"),
                "meter-bytes" | "active-jobs" => ("9", "0"),
                "max-configurations" => ("9", "-1"),
                "bulk-twins" => ("twin-updates", "twins"),
                "burst" | "max-wait" => ("9s", "9"),
                _ => ("9/min", "9"),
            };
            let before = limits.clone();
            assert!(matches!(limits.set(name, wrong), Err(LimitError::Value { .. })), "{name}");
            assert_eq!(limits, before);
            limits.set(name, value).unwrap();
            assert_ne!(limits, before, "{name}");
        }
        limits.set("twin-updates", "none").unwrap();
        limits.set("daily-messages", "none").unwrap();
        limits.set("burst", "1500ms").unwrap();
        limits.set("max-wait", "2min").unwrap();
        assert_eq!((limits.twin_updates, limits.daily_messages), (None, None));
        assert_eq!((limits.burst, limits.max_wait), (Duration::from_millis(1500), Duration::from_mins(2)));
        assert!(limits.set("twins", "9/s").unwrap_err().to_string().contains("twin-reads"));
    }
}
