//! Keeps all our calls to one hub within its rates, the urgent ones first.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::{bucket::Bucket, sku::Rates};

/// Calls to one hub under way at once. A hub near its limits gets slow before it throttles; this keeps us from piling up on it.
pub(super) const IN_FLIGHT: usize = 64;
/// The longest sleep before looking again, so that new rates take hold.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// What a call counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A twin is written.
    Write,
    /// A twin is read.
    Read,
    /// A page of a query.
    Query,
}

/// Which call goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// In its turn.
    Normal,
    /// Before all that are not: a device is about to lose its link.
    Urgent,
}

/// The right to make one call, for as long as it is held.
pub struct Permit {
    _slot: OwnedSemaphorePermit,
}

/// Gives out permits for calls to one hub.
pub struct Governor {
    slots: Arc<Semaphore>,
    lanes: [Lane; 3],
    rates: Mutex<Rates>,
    throttled: AtomicU64,
}

/// The calls of one class. Of each urgency only the first in line looks at the bucket.
struct Lane {
    bucket: Mutex<Bucket>,
    normal: Semaphore,
    urgent: Semaphore,
    urgent_waiting: AtomicUsize,
    urgent_served: Notify,
}

impl Governor {
    /// A governor that holds these rates.
    pub fn new(rates: Rates) -> Self {
        let now = Instant::now();
        let lanes = settings(&rates).map(|(rate, burst)| Lane {
            bucket: Mutex::new(Bucket::new(rate, burst, now)),
            normal: Semaphore::new(1),
            urgent: Semaphore::new(1),
            urgent_waiting: AtomicUsize::new(0),
            urgent_served: Notify::new(),
        });
        Self {
            slots: Arc::new(Semaphore::new(IN_FLIGHT)),
            lanes,
            rates: Mutex::new(rates),
            throttled: AtomicU64::new(0),
        }
    }

    /// Waits for this call's turn.
    pub async fn permit(&self, class: Class, urgency: Urgency) -> Permit {
        let lane = self.lane(class);
        let (turns, _waiting) = match urgency {
            Urgency::Normal => (&lane.normal, None),
            Urgency::Urgent => (&lane.urgent, Some(UrgentWaiting::new(lane))),
        };
        let _first_in_line = turns.acquire().await;
        let slot = loop {
            // The semaphores are never closed.
            if let Ok(slot) = self.slots.clone().acquire_owned().await {
                break slot;
            }
        };
        loop {
            let served = lane.urgent_served.notified();
            if urgency == Urgency::Normal && lane.urgent_waiting.load(Ordering::SeqCst) > 0 {
                served.await;
                continue;
            }
            let wait = locked(&lane.bucket).take(Instant::now());
            let Some(wait) = wait else { return Permit { _slot: slot } };
            tokio::time::sleep(wait.min(LONGEST_SLEEP)).await;
        }
    }

    /// The hub throttled a call of this class: none of them goes out `for_` this long.
    pub fn pause(&self, class: Class, for_: Duration) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
        locked(&self.lane(class).bucket).pause(Instant::now() + for_);
    }

    /// Holds other rates from now on.
    pub fn set_rates(&self, rates: Rates) {
        let now = Instant::now();
        for (lane, (rate, burst)) in self.lanes.iter().zip(settings(&rates)) {
            locked(&lane.bucket).set_rate(rate, burst, now);
        }
        *locked(&self.rates) = rates;
    }

    /// The rates that are held now.
    pub fn rates(&self) -> Rates {
        locked(&self.rates).clone()
    }

    /// How often the hub throttled us.
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    fn lane(&self, class: Class) -> &Lane {
        let [writes, reads, queries] = &self.lanes;
        match class {
            Class::Write => writes,
            Class::Read => reads,
            Class::Query => queries,
        }
    }
}

/// Rate and burst of writes, reads and queries. Hubs judge by the minute and let short peaks pass, so a second's worth at once is
/// safe; queries are so few that a small rollout would otherwise wait for most of its own.
fn settings(rates: &Rates) -> [(f64, f64); 3] {
    [
        (rates.twin_writes, rates.twin_writes),
        (rates.twin_reads, rates.twin_reads),
        (rates.queries, f64::max(10.0, rates.queries * 15.0)),
    ]
}

/// Counts an urgent call for as long as it waits, also when its caller gives up.
struct UrgentWaiting<'a>(&'a Lane);

impl<'a> UrgentWaiting<'a> {
    fn new(lane: &'a Lane) -> Self {
        lane.urgent_waiting.fetch_add(1, Ordering::SeqCst);
        Self(lane)
    }
}

impl Drop for UrgentWaiting<'_> {
    fn drop(&mut self) {
        self.0.urgent_waiting.fetch_sub(1, Ordering::SeqCst);
        self.0.urgent_served.notify_waiters();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::join_all};

    use super::*;

    fn rates(twin_writes: f64) -> Rates {
        Rates { twin_writes, twin_reads: 1.0, queries: 0.1 }
    }

    /// What is ready now, also where the test used up its turn on the runtime.
    fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::task::unconstrained(future).now_or_never()
    }

    #[tokio::test]
    async fn small_use_is_instant_and_more_is_not() {
        let governor = Governor::new(rates(2.0));
        for (class, burst) in [(Class::Write, 2), (Class::Read, 1), (Class::Query, 10)] {
            for _ in 0..burst {
                assert!(at_once(governor.permit(class, Urgency::Normal)).is_some(), "{class:?}");
            }
            assert!(at_once(governor.permit(class, Urgency::Urgent)).is_none(), "{class:?}");
        }
    }

    #[tokio::test]
    async fn urgent_calls_overtake() {
        let governor = Governor::new(rates(50.0));
        governor.pause(Class::Write, Duration::from_millis(500));
        let order = Mutex::new(Vec::new());
        let call = async |urgency| {
            let _permit = governor.permit(Class::Write, urgency).await;
            locked(&order).push(urgency);
        };
        join_all([Urgency::Normal, Urgency::Normal, Urgency::Urgent, Urgency::Urgent].map(call)).await;
        let order = order.into_inner().unwrap();
        assert_eq!(order, [Urgency::Urgent, Urgency::Urgent, Urgency::Normal, Urgency::Normal]);
    }

    #[tokio::test]
    async fn an_urgent_caller_that_gives_up_holds_nobody() {
        let governor = Governor::new(rates(1000.0));
        governor.pause(Class::Write, Duration::from_millis(20));
        assert!(at_once(governor.permit(Class::Write, Urgency::Urgent)).is_none());
        governor.permit(Class::Write, Urgency::Normal).await;
    }

    #[tokio::test]
    async fn only_so_many_are_under_way() {
        let governor = Governor::new(rates(1000.0));
        let mut held = Vec::new();
        for _ in 0..IN_FLIGHT {
            held.push(governor.permit(Class::Write, Urgency::Normal).await);
        }
        assert!(at_once(governor.permit(Class::Read, Urgency::Urgent)).is_none());
        held.pop();
        assert!(at_once(governor.permit(Class::Read, Urgency::Urgent)).is_some());
    }

    #[tokio::test]
    async fn a_pause_is_of_one_class_and_counted() {
        let governor = Governor::new(rates(5.0));
        governor.pause(Class::Write, Duration::from_mins(5));
        assert_eq!(governor.throttled(), 1);
        assert!(at_once(governor.permit(Class::Write, Urgency::Normal)).is_none());
        assert!(at_once(governor.permit(Class::Read, Urgency::Normal)).is_some());
    }
}
