//! The numbers of each tier ("IoT Hub quotas and throttling"; messages a day: "Choose the right IoT Hub tier
//! and size").

use std::str::FromStr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// A hub's tier and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// One unit, 8,000 messages a day of 0.5 KB.
    Free,
    /// Standard, size 1.
    S1,
    /// Standard, size 2.
    S2,
    /// Standard, size 3.
    S3,
}

/// A class of operations that share one budget, whoever asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Identities and modules, each entry of a bulk call by itself.
    Registry,
    /// Pages of queries.
    Queries,
    /// New connections of devices.
    Connections,
    /// Telemetry.
    Telemetry,
    /// Twins read, by services and by devices.
    TwinReads,
    /// Twins written, by services and by devices: an ack takes from the same budget as a PATCH.
    TwinUpdates,
    /// Jobs created, read, cancelled.
    Jobs,
    /// Devices that jobs write to.
    JobDevices,
    /// Configurations created, read, changed, deleted.
    Configurations,
}

/// So many operations in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Operations; 0 admits none.
    pub count: u64,
    /// The time for them.
    pub per: Duration,
}

/// What a hub takes; none is no limit. [`Limits::of`] gives a tier's numbers, any of which can be another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of [`Operation::Registry`].
    pub registry: Option<Rate>,
    /// Of [`Operation::Queries`].
    pub queries: Option<Rate>,
    /// Of [`Operation::Connections`].
    pub connections: Option<Rate>,
    /// Of [`Operation::Telemetry`].
    pub telemetry: Option<Rate>,
    /// Of [`Operation::TwinReads`].
    pub twin_reads: Option<Rate>,
    /// Of [`Operation::TwinUpdates`].
    pub twin_updates: Option<Rate>,
    /// Of [`Operation::Jobs`].
    pub jobs: Option<Rate>,
    /// Of [`Operation::JobDevices`]: the pace of all jobs together, without bursts.
    pub job_devices: Option<Rate>,
    /// Of [`Operation::Configurations`].
    pub configurations: Option<Rate>,
    /// Jobs that can run at a time.
    pub active_jobs: usize,
    /// Most configurations, and most Edge deployments beside them.
    pub max_configurations: usize,
    /// Whether an entry of a bulk call that only writes a twin takes from [`Operation::TwinUpdates`]. The documents do not
    /// say it; by default it takes from [`Operation::Registry`], as other entries do, which admits fewer.
    pub bulk_twins_are_updates: bool,
    /// Messages of a UTC day.
    pub daily_messages: Option<u64>,
    /// Bytes that count as one message.
    pub meter_bytes: usize,
    /// For how long a rested hub serves twice its rate before it delays anything; the documents say "the first
    /// minute or two".
    pub burst: Duration,
    /// Longest delay; what would wait longer is refused with 429001. No document has this number.
    pub max_wait: Duration,
}

impl Operation {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 9] = [
        Self::Registry,
        Self::Queries,
        Self::Connections,
        Self::Telemetry,
        Self::TwinReads,
        Self::TwinUpdates,
        Self::Jobs,
        Self::JobDevices,
        Self::Configurations,
    ];

    /// The name in the hub's error text; only CRUD is known from the field (Iot-Telemetry-Simulator#39).
    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Registry => "CRUD",
            Self::Queries => "Query",
            Self::Connections => "Connect",
            Self::Telemetry => "Telemetry",
            Self::TwinReads => "GetTwin",
            Self::TwinUpdates => "UpdateTwin",
            Self::Jobs => "Jobs",
            Self::JobDevices => "JobOperations",
            Self::Configurations => "Configurations",
        }
    }
}

impl Rate {
    /// The time in which so many operations become possible.
    pub(crate) fn time_for(self, count: u32) -> Duration {
        let nanos = self.per.as_nanos().saturating_mul(count.into()).checked_div(self.count.into());
        Duration::from_nanos(nanos.map_or(u64::MAX, |nanos| u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

impl Limits {
    /// Nothing is delayed or refused for its number, but there is the pace of jobs, one at a time, and the most
    /// configurations of an S1: a hub has these in any case.
    pub fn unlimited() -> Self {
        Self {
            registry: None,
            queries: None,
            connections: None,
            telemetry: None,
            twin_reads: None,
            twin_updates: None,
            jobs: None,
            job_devices: Some(Rate { count: 10, per: SECOND }),
            configurations: None,
            active_jobs: 1,
            max_configurations: 100,
            bulk_twins_are_updates: false,
            daily_messages: None,
            meter_bytes: 4096,
            burst: MINUTE,
            max_wait: Duration::from_secs(10),
        }
    }

    /// The documented numbers of a tier with so many units; Free has one, whatever is asked for.
    pub fn of(tier: Tier, units: u32) -> Self {
        let units = if tier == Tier::Free { 1 } else { u64::from(units) };
        let rate = |count: u64, per: Duration| Some(Rate { count, per });
        let (small, size2) = (matches!(tier, Tier::Free | Tier::S1), tier == Tier::S2);
        // Columns of the table: size 1, size 2, size 3.
        let pick = |one: u64, two: u64, three: u64| match () {
            () if small => one,
            () if size2 => two,
            () => three,
        };
        Self {
            registry: rate(pick(100, 100, 5000) * units, MINUTE),
            queries: rate(pick(20, 20, 1000) * units, MINUTE),
            connections: rate(pick(100.max(12 * units), 120 * units, 6000 * units), SECOND),
            telemetry: rate(pick(100.max(12 * units), 120 * units, 6000 * units), SECOND),
            twin_reads: rate(pick(100, 100.max(10 * units), 500 * units), SECOND),
            twin_updates: rate(pick(50, 50.max(5 * units), 250 * units), SECOND),
            jobs: rate(pick(100, 100, 5000) * units, MINUTE),
            job_devices: rate(pick(10, 10.max(units), 50 * units), SECOND),
            configurations: rate(20 * units, MINUTE),
            active_jobs: match tier {
                Tier::Free | Tier::S1 => 1,
                Tier::S2 => 5,
                Tier::S3 => 10,
            },
            max_configurations: if tier == Tier::Free { 10 } else { 100 },
            daily_messages: Some(match tier {
                Tier::Free => 8000,
                Tier::S1 => 400_000 * units,
                Tier::S2 => 6_000_000 * units,
                Tier::S3 => 300_000_000 * units,
            }),
            // From the price list.
            meter_bytes: if tier == Tier::Free { 512 } else { 4096 },
            ..Self::unlimited()
        }
    }

    pub(super) fn rate(&self, operation: Operation) -> Option<Rate> {
        match operation {
            Operation::Registry => self.registry,
            Operation::Queries => self.queries,
            Operation::Connections => self.connections,
            Operation::Telemetry => self.telemetry,
            Operation::TwinReads => self.twin_reads,
            Operation::TwinUpdates => self.twin_updates,
            Operation::Jobs => self.jobs,
            Operation::JobDevices => self.job_devices,
            Operation::Configurations => self.configurations,
        }
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_uppercase().as_str() {
            "FREE" | "F1" => Ok(Self::Free),
            "S1" => Ok(Self::S1),
            "S2" => Ok(Self::S2),
            "S3" => Ok(Self::S3),
            _ => Err("tiers are Free, S1, S2 and S3".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "IoT Hub quotas and throttling" (2025-05), row by row.
    #[test]
    fn tiers_have_the_documented_numbers() {
        let table: [(Tier, u32, [u64; 9], u64); 8] = [
            (Tier::Free, 5, [100, 20, 100, 100, 100, 50, 100, 10, 20], 8000),
            (Tier::S1, 1, [100, 20, 100, 100, 100, 50, 100, 10, 20], 400_000),
            // Units do not help twins and jobs on S1.
            (Tier::S1, 10, [1000, 200, 120, 120, 100, 50, 1000, 10, 200], 4_000_000),
            (Tier::S2, 1, [100, 20, 120, 120, 100, 50, 100, 10, 20], 6_000_000),
            (Tier::S2, 11, [1100, 220, 1320, 1320, 110, 55, 1100, 11, 220], 66_000_000),
            (Tier::S2, 200, [20_000, 4000, 24_000, 24_000, 2000, 1000, 20_000, 200, 4000], 1_200_000_000),
            (Tier::S3, 1, [5000, 1000, 6000, 6000, 500, 250, 5000, 50, 20], 300_000_000),
            (Tier::S3, 10, [50_000, 10_000, 60_000, 60_000, 5000, 2500, 50_000, 500, 200], 3_000_000_000),
        ];
        for (tier, units, counts, messages) in table {
            let limits = Limits::of(tier, units);
            assert_eq!(limits.daily_messages, Some(messages), "{tier:?} {units}");
            for (operation, count) in Operation::ALL.into_iter().zip(counts) {
                let minutes = matches!(
                    operation,
                    Operation::Registry | Operation::Queries | Operation::Jobs | Operation::Configurations
                );
                let per = Duration::from_secs(if minutes { 60 } else { 1 });
                assert_eq!(
                    limits.rate(operation),
                    Some(Rate { count, per }),
                    "{tier:?} {units} {operation:?}"
                );
            }
        }
        assert_eq!(Limits::of(Tier::Free, 1).meter_bytes, 512);
        let jobs_and_configurations =
            [(Tier::Free, 1, 10), (Tier::S1, 1, 100), (Tier::S2, 5, 100), (Tier::S3, 10, 100)];
        for (tier, jobs, configurations) in jobs_and_configurations {
            let limits = Limits::of(tier, 2);
            assert_eq!((limits.active_jobs, limits.max_configurations), (jobs, configurations), "{tier:?}");
        }
        for (place, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, place);
        }
    }

    #[test]
    fn a_rate_of_none_admits_none() {
        assert!(Rate { count: 0, per: SECOND }.time_for(1) > Duration::from_hours(1_000_000));
    }
}
