//! Faults on demand: what a test lets go wrong, where, and how often.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::route::Route;

/// A rule: which requests it meets and what it does to them.
///
/// In JSON: `{"route": "patchTwin", "when": {"percent": 10}, "effect": {"status": {"status": 429, "retryAfter": "7"}},
/// "delayMs": 50}`; what is left out is every route, every request, no effect, no delay.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The route it is for; none for all.
    #[serde(default)]
    pub route: Option<Route>,
    /// Which of the route's requests it meets.
    #[serde(default)]
    pub when: When,
    /// What happens to them.
    #[serde(default)]
    pub effect: Effect,
    /// How long they wait on the hub's clock before anything happens.
    #[serde(default, rename = "delayMs", deserialize_with = "milliseconds")]
    pub delay: Duration,
}

/// Which requests a fault meets, counted from the moment it was set. In JSON `{"first": 3}`, `{"nth": 2}`,
/// `{"percent": 10}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// The first so many.
    First(u64),
    /// The one with this number, from 1.
    Nth(u64),
    /// This percentage of them, evenly spread; 100 is all.
    Percent(u8),
}

impl Default for When {
    /// All of them.
    fn default() -> Self {
        Self::Percent(100)
    }
}

/// What a fault does to a request. In JSON `"none"`, `{"status": {"status": 503, "retryAfter": "soon"}}`,
/// `"resetBefore"`, `"resetAfter"`, `"truncate"`, `{"contentType": "text/html"}`, `{"body": "[{}]"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Effect {
    /// Nothing: it is only delayed.
    #[default]
    None,
    /// Answered with this status, without effect on the hub.
    Status {
        /// HTTP status.
        status: u16,
        /// `Retry-After`, in any text.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The connection is closed instead of an answer, and nothing was done.
    ResetBefore,
    /// The request is carried out, and the connection closed instead of an answer.
    ResetAfter,
    /// The request is carried out, and the connection closed after half of the answer's body.
    Truncate,
    /// The request is carried out and answered, under another `Content-Type`.
    ContentType(String),
    /// The request is carried out and answered, with this text for the body.
    Body(String),
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
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
    fn faults_are_read_from_json() {
        let of = |json: &str| serde_json::from_str::<Fault>(json);
        let every =
            Fault { route: None, when: When::Percent(100), effect: Effect::None, delay: Duration::ZERO };
        let status = Effect::Status { status: 429, retry_after: Some("in a while".to_owned()) };
        let table = [
            ("{}", every.clone()),
            (r#"{"delayMs": 50}"#, Fault { delay: Duration::from_millis(50), ..every.clone() }),
            (
                r#"{"when": {"nth": 2}, "effect": "truncate"}"#,
                Fault { when: When::Nth(2), effect: Effect::Truncate, ..every.clone() },
            ),
            (
                r#"{"route": "patchTwin", "when": {"first": 1}, "effect": {"status": {"status": 429, "retryAfter": "in a while"}}}"#,
                Fault {
                    route: Some(Route::PatchTwin),
                    when: When::First(1),
                    effect: status,
                    ..every.clone()
                },
            ),
            (
                r#"{"effect": {"contentType": "text/html"}}"#,
                Fault { effect: Effect::ContentType("text/html".to_owned()), ..every.clone() },
            ),
            (r#"{"effect": {"body": "[{}]"}}"#, Fault { effect: Effect::Body("[{}]".to_owned()), ..every }),
        ];
        for (json, expected) in table {
            assert_eq!(of(json).unwrap(), expected, "{json}");
        }
        for json in [
            r#""all""#,
            r#"{"rout": "query"}"#,
            r#"{"route": "nowhere"}"#,
            r#"{"effect": {"status": {"status": 1, "retry": ""}}}"#,
        ] {
            assert!(of(json).is_err(), "{json}");
        }
    }

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
