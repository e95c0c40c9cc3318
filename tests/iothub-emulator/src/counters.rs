//! What the emulator has seen: requests by route and outcome, and what happened on the device side.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::route::Route;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Answered with this HTTP status.
    Status(u16),
    /// Cut off by a fault, without an answer.
    Reset,
}

/// A snapshot of the counters, all since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Service requests.
    pub requests: BTreeMap<(Route, Outcome), u64>,
    /// Device connections that were admitted.
    pub connects: u64,
    /// Device connections that were refused by a CONNACK.
    pub refused_connects: u64,
    /// Twins that devices read.
    pub device_reads: u64,
    /// Reported patches that devices sent, refused ones as well.
    pub reports: u64,
    /// Desired notifications handed to connected devices.
    pub notifications: u64,
    /// Telemetry messages.
    pub telemetry: u64,
    /// Operations of either side that had to wait for their share of what the hub takes.
    pub delayed: u64,
    /// Operations of devices that were refused as too many, connections included.
    pub throttled_device_operations: u64,
    /// Messages of this UTC day, as the quota counts them.
    pub messages: u64,
}

impl Counts {
    /// Requests of a route, whatever their outcome.
    pub fn of(&self, route: Route) -> u64 {
        self.requests.iter().filter(|((counted, _), _)| *counted == route).map(|(_, count)| count).sum()
    }

    /// Requests of a route that ended with this HTTP status.
    pub fn with_status(&self, route: Route, status: u16) -> u64 {
        self.requests.get(&(route, Outcome::Status(status))).copied().unwrap_or_default()
    }

    /// Requests of any route that were answered 429.
    pub fn throttled(&self) -> u64 {
        let throttled = self.requests.iter().filter(|((_, outcome), _)| *outcome == Outcome::Status(429));
        throttled.map(|(_, count)| count).sum()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: Mutex<BTreeMap<(Route, Outcome), u64>>,
    connects: AtomicU64,
    refused_connects: AtomicU64,
    device_reads: AtomicU64,
    reports: AtomicU64,
    notifications: AtomicU64,
    telemetry: AtomicU64,
    delayed: AtomicU64,
    throttled_device_operations: AtomicU64,
}

impl Counters {
    pub fn count_request(&self, route: Route, outcome: Outcome) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, outcome)).or_default() += 1;
    }

    pub fn count_connect(&self, admitted: bool) {
        let counter = if admitted { &self.connects } else { &self.refused_connects };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_device_read(&self) {
        self.device_reads.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_report(&self) {
        self.reports.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_notification(&self) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_telemetry(&self) {
        self.telemetry.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_delayed(&self) {
        self.delayed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_throttled_device_operation(&self) {
        self.throttled_device_operations.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now; `messages` are counted elsewhere.
    pub fn snapshot(&self, messages: u64) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            connects: read(&self.connects),
            refused_connects: read(&self.refused_connects),
            device_reads: read(&self.device_reads),
            reports: read(&self.reports),
            notifications: read(&self.notifications),
            telemetry: read(&self.telemetry),
            delayed: read(&self.delayed),
            throttled_device_operations: read(&self.throttled_device_operations),
            messages,
        }
    }
}
