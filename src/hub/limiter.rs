//! Keeps all our calls to one hub within its rates, the urgent ones first.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep},
};

use super::{
    bucket::Bucket,
    sku::Rates,
    slots::{Slot, Slots},
};

/// Calls to one hub under way at once, at least and at most. A hub near its limits gets slow before it throttles; this keeps us from
/// piling up on it.
const IN_FLIGHT: (f64, f64) = (64.0, 1024.0);
/// Calls under way for each twin that is written in a second: one in a hundred may take 30 s, which keeps 0.3 busy, and more than as
/// many again are left for the others.
const IN_FLIGHT_PER_WRITE: f64 = 0.75;
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
pub struct Permit<'a> {
    _slot: Slot<'a>,
}

/// Gives out permits for calls to one hub.
pub struct Limiter {
    slots: Slots,
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

impl Limiter {
    /// A limiter that holds these rates.
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
            slots: Slots::new(in_flight(&rates)),
            lanes,
            rates: Mutex::new(rates),
            throttled: AtomicU64::new(0),
        }
    }

    /// Waits for this call's turn. Calls of one class and urgency go in the order in which they came, so that who makes many calls one
    /// after the other does not hold up who makes one.
    pub async fn permit(&self, class: Class, urgency: Urgency) -> Permit<'_> {
        let lane = self.lane(class);
        let (turns, _waiting) = match urgency {
            Urgency::Normal => (&lane.normal, None),
            Urgency::Urgent => (&lane.urgent, Some(UrgentWaiting::new(lane))),
        };
        let _first_in_line = turns.acquire().await;
        let slot = self.slots.take().await;
        loop {
            let served = lane.urgent_served.notified();
            if urgency == Urgency::Normal && lane.urgent_waiting.load(Ordering::SeqCst) > 0 {
                served.await;
                continue;
            }
            let wait = locked(&lane.bucket).take(Instant::now());
            let Some(wait) = wait else { return Permit { _slot: slot } };
            sleep(wait.min(LONGEST_SLEEP)).await;
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
        self.slots.resize(in_flight(&rates));
        *locked(&self.rates) = rates;
    }

    /// The rates that are held now.
    pub fn rates(&self) -> Rates {
        locked(&self.rates).clone()
    }

    /// How many calls may be under way at once.
    pub fn in_flight(&self) -> usize {
        self.slots.size()
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

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is whole, and within the bounds"
)]
fn in_flight(rates: &Rates) -> usize {
    let (least, most) = IN_FLIGHT;
    (rates.twin_writes * IN_FLIGHT_PER_WRITE).ceil().max(least).min(most) as usize
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
    use tokio::join;

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
        let limiter = Limiter::new(rates(2.0));
        for (class, burst) in [(Class::Write, 2), (Class::Read, 1), (Class::Query, 10)] {
            for _ in 0..burst {
                assert!(at_once(limiter.permit(class, Urgency::Normal)).is_some(), "{class:?}");
            }
            assert!(at_once(limiter.permit(class, Urgency::Urgent)).is_none(), "{class:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn urgent_calls_overtake() {
        let limiter = Limiter::new(rates(50.0));
        limiter.pause(Class::Write, Duration::from_millis(500));
        let order = Mutex::new(Vec::new());
        let call = async |urgency| {
            let _permit = limiter.permit(Class::Write, urgency).await;
            locked(&order).push(urgency);
        };
        join_all([Urgency::Normal, Urgency::Normal, Urgency::Urgent, Urgency::Urgent].map(call)).await;
        let order = order.into_inner().unwrap();
        assert_eq!(order, [Urgency::Urgent, Urgency::Urgent, Urgency::Normal, Urgency::Normal]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_urgent_caller_that_gives_up_holds_nobody() {
        let limiter = Limiter::new(rates(1000.0));
        limiter.pause(Class::Write, Duration::from_millis(20));
        assert!(at_once(limiter.permit(Class::Write, Urgency::Urgent)).is_none());
        limiter.permit(Class::Write, Urgency::Normal).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_often_does_not_starve_who_asks_once() {
        let limiter = Limiter::new(rates(1.0));
        let served = Mutex::new(Vec::new());
        let asks = async |who: &'static str, calls: usize, held: Duration| {
            for _ in 0..calls {
                let _permit = limiter.permit(Class::Query, Urgency::Normal).await;
                sleep(held).await;
                locked(&served).push(who);
            }
        };
        let quick = Duration::ZERO;
        let slow = Duration::from_secs(2);
        join!(asks("many", 100, quick), asks("few", 10, quick), asks("slow", 10, slow));
        let served = served.into_inner().unwrap();
        // After the burst of ten they go turn by turn: while others have calls left, who asks often never goes three times in a row.
        let (_, rest) = served.split_at(10);
        let last = rest.iter().rposition(|served| *served == "few").unwrap();
        assert!(rest[..last].windows(3).all(|three| three != ["many"; 3]), "{served:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_first_is_served_first() {
        let limiter = Limiter::new(rates(1.0));
        for _ in 0..10 {
            limiter.permit(Class::Query, Urgency::Normal).await;
        }
        let served = Mutex::new(Vec::new());
        let asks = async |at: u64| {
            sleep(Duration::from_secs(at)).await;
            let _permit = limiter.permit(Class::Query, Urgency::Normal).await;
            locked(&served).push(at);
        };
        // The next permit is there after ten seconds, and all of them look for it then, the latest first.
        join!(asks(9), asks(5), asks(1));
        assert_eq!(*locked(&served), [1, 5, 9]);
    }

    #[tokio::test]
    async fn the_slots_follow_the_rate_of_writes() {
        let limiter = Limiter::new(rates(40.0));
        assert_eq!(limiter.in_flight(), 64);
        for (twin_writes, want) in [(86.0, 65), (200.0, 150), (1e9, 1024), (0.0, 64)] {
            limiter.set_rates(rates(twin_writes));
            assert_eq!(limiter.in_flight(), want, "{twin_writes}");
        }
    }

    #[tokio::test]
    async fn only_so_many_are_under_way() {
        let limiter = Limiter::new(rates(1000.0));
        limiter.set_rates(rates(100.0));
        assert_eq!(limiter.in_flight(), 75);
        let mut held = Vec::new();
        for _ in 0..limiter.in_flight() {
            held.push(limiter.permit(Class::Write, Urgency::Normal).await);
        }
        assert!(at_once(limiter.permit(Class::Read, Urgency::Urgent)).is_none());
        held.pop();
        assert!(at_once(limiter.permit(Class::Read, Urgency::Urgent)).is_some());
    }

    #[tokio::test]
    async fn a_pause_is_of_one_class_and_counted() {
        let limiter = Limiter::new(rates(5.0));
        limiter.pause(Class::Write, Duration::from_mins(5));
        assert_eq!(limiter.throttled(), 1);
        assert!(at_once(limiter.permit(Class::Write, Urgency::Normal)).is_none());
        assert!(at_once(limiter.permit(Class::Read, Urgency::Normal)).is_some());
    }
}
