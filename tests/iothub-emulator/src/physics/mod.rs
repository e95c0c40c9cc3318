//! What a hub of a given tier takes: rates by class of operation, and messages a day ("IoT Hub quotas and
//! throttling", 2025-05; "Azure IoT Hub billing information").
//!
//! All of it is off unless it is asked for.

mod bucket;
mod limits;
mod named;
mod quota;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{ErrorCode, HubError};
use bucket::Bucket;
pub use limits::{Limits, Operation, Rate, Tier};
pub use named::LimitError;
use quota::Quota;

/// The limits in force, and how far each is used up.
#[derive(Debug)]
pub(crate) struct Physics {
    limits: Limits,
    hub_name: String,
    buckets: Mutex<[Bucket; Operation::ALL.len()]>,
    quota: Mutex<Quota>,
}

impl Physics {
    pub fn new(limits: Limits, hub_name: String) -> Self {
        Self { limits, hub_name, buckets: Mutex::default(), quota: Mutex::default() }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes what `count` operations of a class cost, and says how long they have to wait for it; 429001 if
    /// that is longer than anything may wait, and then nothing is taken.
    pub fn reserve(&self, operation: Operation, count: u32, clock: &Clock) -> Result<Duration, HubError> {
        let Some(rate) = self.limits.rate(operation) else { return Ok(Duration::ZERO) };
        let mut buckets = locked(&self.buckets);
        let Some(bucket) = buckets.get_mut(operation as usize) else { return Ok(Duration::ZERO) };
        bucket
            .take(rate.time_for(count), self.limits.burst, self.limits.max_wait, clock.elapsed())
            .ok_or_else(|| throttled(operation))
    }

    /// 403002 if the messages of this day are used up.
    pub fn check_quota(&self, clock: &Clock) -> Result<(), HubError> {
        let Some(most) = self.limits.daily_messages else { return Ok(()) };
        let used = locked(&self.quota).used(clock.now());
        if used < most {
            return Ok(());
        }
        // iotedge#1234; how it goes on after the date is not known.
        let text = format!(
            "Total number of messages on IotHub '{}' exceeded the allocated quota. Max allowed message count : \
             '{most}', current message count : '{used}'. Send and Receive operations are blocked for this hub \
             until the next UTC day",
            self.hub_name
        );
        Err(HubError::new(ErrorCode::IotHubQuotaExceeded, text))
    }

    /// Counts a message of so many bytes; one that has none is a message too.
    pub fn charge(&self, bytes: usize, clock: &Clock) {
        let messages = bytes.div_ceil(self.limits.meter_bytes.max(1)).max(1);
        locked(&self.quota).add(u64::try_from(messages).unwrap_or(u64::MAX), clock.now());
    }

    /// Messages of this day so far.
    pub fn messages(&self, clock: &Clock) -> u64 {
        locked(&self.quota).used(clock.now())
    }
}

/// The wait that the text names is the only one that is known (Iot-Telemetry-Simulator#39).
fn throttled(operation: Operation) -> HubError {
    let text = format!(
        "The request has been throttled. Wait 10 seconds and try again. Operation type: {}",
        operation.shown()
    );
    HubError::new(ErrorCode::ThrottlingException, text)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const DAY: Duration = Duration::from_hours(24);

    fn clock() -> Clock {
        Clock::manual(Timestamp::from_unix_seconds(1_800_000_000))
    }

    #[test]
    fn a_load_is_served_at_once_then_delayed_then_refused_and_recovers() {
        let clock = clock();
        let physics = Physics::new(Limits::of(Tier::S1, 1), "h".to_owned());
        let mut waits = Vec::new();
        let refusal = loop {
            match physics.reserve(Operation::TwinUpdates, 1, &clock) {
                Ok(wait) => waits.push(wait),
                Err(error) => break error,
            }
        };
        // 50 a second: a minute's worth of them at once, then ten seconds' worth that wait ever longer.
        let at_once = waits.iter().filter(|wait| wait.is_zero()).count();
        assert_eq!((at_once, waits.len()), (3000, 3500));
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&Duration::from_secs(10)));
        assert_eq!((refusal.code.number(), refusal.code.status()), (429_001, 429));
        assert!(refusal.text.contains("Wait 10 seconds"));
        // What was refused took nothing: one second makes room for 50 more.
        clock.advance(Duration::from_secs(1));
        let room = (0..60).filter(|_| physics.reserve(Operation::TwinUpdates, 1, &clock).is_ok()).count();
        assert_eq!(room, 50);
        // Other classes have budgets of their own.
        assert_eq!(physics.reserve(Operation::TwinReads, 1, &clock).unwrap(), Duration::ZERO);
        // However long nobody asks, no more than the burst is saved up.
        clock.advance(DAY);
        let at_once = (0..4000)
            .filter(|_| physics.reserve(Operation::TwinUpdates, 1, &clock) == Ok(Duration::ZERO))
            .count();
        assert_eq!(at_once, 3000);
    }

    #[test]
    fn a_call_may_cost_several_operations() {
        let clock = clock();
        let physics =
            Physics::new(Limits { max_wait: Duration::ZERO, ..Limits::of(Tier::S1, 1) }, "h".to_owned());
        // 100 a minute, and a bulk call of 100 entries is all of them.
        assert!(physics.reserve(Operation::Registry, 100, &clock).is_ok());
        assert!(physics.reserve(Operation::Registry, 1, &clock).is_err());
        clock.advance(Duration::from_millis(600));
        assert!(physics.reserve(Operation::Registry, 1, &clock).is_ok());
    }

    #[test]
    fn the_quota_counts_in_meters_and_ends_with_the_utc_day() {
        // 2027-01-15T08:00:00Z.
        let clock = clock();
        let physics =
            Physics::new(Limits { daily_messages: Some(5), ..Limits::unlimited() }, "hub1".to_owned());
        for (bytes, used) in [(0, 1), (4096, 2), (4097, 4)] {
            physics.check_quota(&clock).unwrap();
            physics.charge(bytes, &clock);
            assert_eq!(physics.messages(&clock), used, "{bytes}");
        }
        physics.check_quota(&clock).unwrap();
        physics.charge(8192, &clock);
        let refusal = physics.check_quota(&clock).unwrap_err();
        assert_eq!((refusal.code.number(), refusal.code.status()), (403_002, 403));
        assert!(refusal.text.contains("IotHub 'hub1'"), "{}", refusal.text);
        assert!(refusal.text.contains("count : '5', current message count : '6'"), "{}", refusal.text);
        clock.advance(Duration::from_hours(16) - Duration::from_nanos(100));
        assert!(physics.check_quota(&clock).is_err());
        clock.advance(Duration::from_nanos(100));
        assert!(physics.check_quota(&clock).is_ok());
        assert_eq!(physics.messages(&clock), 0);
    }

    #[test]
    fn off_means_off() {
        let clock = clock();
        let physics = Physics::new(Limits::unlimited(), "h".to_owned());
        for operation in Operation::ALL.into_iter().filter(|operation| *operation != Operation::JobDevices) {
            assert_eq!(physics.reserve(operation, u32::MAX, &clock), Ok(Duration::ZERO));
        }
        physics.charge(usize::MAX, &clock);
        assert!(physics.check_quota(&clock).is_ok());
    }
}
