//! Faults on demand: what a test lets go wrong, where, and how often.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::route::Route;

/// A rule: which requests it meets and what it does to them.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The route it is for; none for all.
    pub route: Option<Route>,
    /// Which of the route's requests it meets.
    pub when: When,
    /// What happens to them.
    pub effect: Effect,
    /// How long they wait before anything happens.
    pub delay: Duration,
}

/// Which requests a fault meets, counted from the moment it was set.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// The first so many.
    First(u64),
    /// The one with this number, from 1.
    Nth(u64),
    /// This percentage of them, evenly spread; 100 is all.
    Percent(u8),
}

/// What a fault does to a request.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Nothing: it is only delayed.
    None,
    /// Answered with this status, without effect on the hub.
    Status {
        /// HTTP status.
        status: u16,
        /// `Retry-After`, in any text.
        retry_after: Option<String>,
    },
    /// The connection is closed instead of an answer, and nothing was done.
    ResetBefore,
    /// The request is carried out, and the connection closed instead of an answer.
    ResetAfter,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<(Fault, u64)>>,
}

impl Faults {
    pub fn add(&self, fault: Fault) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push((fault, 0));
    }

    pub fn clear(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The fault that meets this request: the first that was set, if several do. All of them count it.
    pub fn meet(&self, route: Route) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut met = None;
        for (fault, seen) in
            rules.iter_mut().filter(|(fault, _)| fault.route.is_none_or(|wanted| wanted == route))
        {
            *seen += 1;
            if met.is_none() && fault.when.meets(*seen) {
                met = Some(fault.clone());
            }
        }
        met
    }
}

impl When {
    fn meets(self, number: u64) -> bool {
        match self {
            Self::First(count) => number <= count,
            Self::Nth(wanted) => number == wanted,
            Self::Percent(percent) => {
                let percent = u64::from(percent.min(100));
                number * percent / 100 > (number - 1) * percent / 100
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_meet_the_requests_they_name() {
        let table = [
            (When::First(2), vec![1, 2]),
            (When::Nth(3), vec![3]),
            (When::Percent(50), vec![2, 4, 6, 8, 10]),
            (When::Percent(100), (1..=10).collect()),
            (When::Percent(30), vec![4, 7, 10]),
            (When::Percent(0), vec![]),
        ];
        for (when, expected) in table {
            let faults = Faults::default();
            let fault =
                Fault { route: Some(Route::Query), when, effect: Effect::ResetBefore, delay: Duration::ZERO };
            faults.add(fault);
            assert!(faults.meet(Route::GetTwin).is_none());
            let met: Vec<u64> = (1..=10).filter(|_| faults.meet(Route::Query).is_some()).collect();
            assert_eq!(met, expected, "{when:?}");
            faults.clear();
            assert!(faults.meet(Route::Query).is_none());
        }
    }
}
