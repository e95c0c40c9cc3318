//! What a hub of a given size allows, and the share of it that we take.

use std::time::Duration;

/// Twins on a page of a query's answer (IoT Hub docs, "IoT Hub query language").
const PAGE: u64 = 100;

/// A hub's edition. The Basic editions have no twins and so no place here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tier {
    /// Free.
    F1,
    /// Standard 1.
    S1,
    /// Standard 2.
    S2,
    /// Standard 3.
    S3,
}

/// A hub's size: its edition, bought this many times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sku {
    /// The edition.
    pub tier: Tier,
    /// How many units of it; zero counts as one.
    pub units: u32,
}

/// The part of a hub's budget that we use. The rest is for the devices' acks, which count as twin updates too, and for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u8);

impl Share {
    /// A share of 1 to 100 percent.
    pub fn percent(percent: u8) -> Option<Self> {
        (1..=100).contains(&percent).then_some(Self(percent))
    }
}

impl Default for Share {
    /// 80 percent.
    fn default() -> Self {
        Self(80)
    }
}

/// Calls per second.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Twins patched per second.
    pub twin_writes: f64,
    /// Twins read per second.
    pub twin_reads: f64,
    /// Pages of queries per second: whether each page counts is not documented, so each does.
    pub queries: f64,
}

impl Sku {
    /// Our part of what the hub allows (IoT Hub docs, "Quotas and throttling": twin updates, twin reads, queries).
    pub fn rates(self, share: Share) -> Rates {
        let units = f64::from(self.units.max(1));
        let (twin_writes, twin_reads, queries_a_minute) = match self.tier {
            Tier::F1 | Tier::S1 => (50.0, 100.0, 20.0 * units),
            Tier::S2 => (f64::max(50.0, 5.0 * units), f64::max(100.0, 10.0 * units), 20.0 * units),
            Tier::S3 => (250.0 * units, 500.0 * units, 1000.0 * units),
        };
        let ours = f64::from(share.0) / 100.0;
        Rates {
            twin_writes: twin_writes * ours,
            twin_reads: twin_reads * ours,
            queries: queries_a_minute / 60.0 * ours,
        }
    }
}

impl Rates {
    /// How long patching this many twins takes at least.
    #[allow(clippy::cast_precision_loss, reason = "an estimate, and fleets are far below 2^52 twins")]
    pub fn time_to_write(&self, twins: u64) -> Duration {
        time_for(twins as f64, self.twin_writes)
    }

    /// How long this many pages of queries take at least.
    pub fn time_to_query(&self, queries: u32) -> Duration {
        time_for(f64::from(queries), self.queries)
    }

    /// How long finding and patching this many twins takes at least. Both go on at once, so the slower one decides.
    pub fn time_to_sweep(&self, twins: u64) -> Duration {
        let pages = u32::try_from(twins.div_ceil(PAGE)).unwrap_or(u32::MAX);
        self.time_to_write(twins).max(self.time_to_query(pages))
    }

    /// The slower of the two in each respect.
    #[must_use]
    pub fn slower(&self, other: &Self) -> Self {
        Self {
            twin_writes: self.twin_writes.min(other.twin_writes),
            twin_reads: self.twin_reads.min(other.twin_reads),
            queries: self.queries.min(other.queries),
        }
    }
}

/// Without end where the rate is zero.
fn time_for(count: f64, rate: f64) -> Duration {
    if count == 0.0 {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(count / rate).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_table() {
        for (tier, units, percent, writes, reads, queries_a_minute) in [
            (Tier::F1, 1, 100, 50.0, 100.0, 20.0),
            (Tier::S1, 1, 80, 40.0, 80.0, 16.0),
            (Tier::S1, 10, 100, 50.0, 100.0, 200.0),
            (Tier::S1, 0, 100, 50.0, 100.0, 20.0),
            (Tier::S2, 2, 100, 50.0, 100.0, 40.0),
            (Tier::S2, 20, 50, 50.0, 100.0, 200.0),
            (Tier::S3, 2, 100, 500.0, 1000.0, 2000.0),
        ] {
            let rates = Sku { tier, units }.rates(Share::percent(percent).unwrap());
            for (got, want) in [
                (rates.twin_writes, writes),
                (rates.twin_reads, reads),
                (rates.queries * 60.0, queries_a_minute),
            ] {
                assert!((got - want).abs() < 1e-9, "{tier:?} {units} {percent}: {got} for {want}");
            }
        }
    }

    #[test]
    fn a_share_is_a_part() {
        for (percent, want) in [(0, false), (1, true), (100, true), (101, false)] {
            assert_eq!(Share::percent(percent).is_some(), want, "{percent}");
        }
    }

    #[test]
    fn estimates() {
        let rates = Rates { twin_writes: 40.0, twin_reads: 80.0, queries: 0.25 };
        assert_eq!(rates.time_to_write(1000), Duration::from_secs(25));
        assert_eq!(rates.time_to_query(10), Duration::from_secs(40));
        // IoT Hub docs, "Quotas and throttling": on S1 a million twins are found in more time than they are written.
        assert_eq!(rates.time_to_sweep(1_000_000), Duration::from_secs(40_000));
        assert_eq!(rates.time_to_sweep(1), Duration::from_secs(4));
        let still = Rates { twin_writes: 0.0, twin_reads: 90.0, queries: 1.0 };
        assert_eq!((still.time_to_write(1), still.time_to_write(0)), (Duration::MAX, Duration::ZERO));
        assert_eq!(rates.slower(&still), Rates { twin_writes: 0.0, twin_reads: 80.0, queries: 0.25 });
    }
}
