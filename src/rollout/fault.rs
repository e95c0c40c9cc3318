//! What stands in the way of a rollout, and the one place that says when to try again.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::{api::conditions::Reason, retry_class::RetryClass, time::due};

/// Something that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The condition's reason.
    pub reason: Reason,
    /// What happened and what to do, without secrets.
    pub message: String,
    /// What has to happen before it is worth trying again.
    pub class: RetryClass,
}

/// An attempt that failed, and those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub fault: Fault,
    /// When.
    pub at: Timestamp,
    /// How many in a row, this one included.
    pub attempts: u32,
}

/// Longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// How often something that a user must mend is looked at, where no watch tells of the change.
const RECHECK_PERIOD: Duration = Duration::from_mins(1);

impl Fault {
    /// A fault that a user must mend.
    pub fn user(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), class: RetryClass::Terminal }
    }

    /// A fault of a service, by the class of its error: the first reason where it is down or busy, the second where it refuses.
    pub fn of(class: RetryClass, unavailable: Reason, refused: Reason, message: impl Into<String>) -> Self {
        let reason = if class == RetryClass::Terminal { refused } else { unavailable };
        Self { reason, message: message.into(), class }
    }

    /// Whether nothing changes until a user acts.
    pub fn needs_user(&self) -> bool {
        self.class == RetryClass::Terminal
    }

    /// How long to wait after `attempts` failures in a row: doubling from a second to five minutes, spread by a fifth so that
    /// rollouts that failed together do not return together. `seed` tells rollouts apart.
    pub fn wait(&self, attempts: u32, seed: &str) -> Duration {
        match self.class {
            RetryClass::Terminal => RECHECK_PERIOD,
            RetryClass::RetryAfter(asked) => asked.clamp(Duration::from_secs(1), LONGEST_WAIT),
            RetryClass::Transient => {
                let doubled = Duration::from_secs(1 << attempts.saturating_sub(1).min(9));
                let spread =
                    seed.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
                doubled.min(LONGEST_WAIT) * (80 + spread % 40) / 100
            }
        }
    }
}

impl Failure {
    /// One failure more after `before`.
    pub fn after(before: Option<&Self>, fault: Fault, at: Timestamp) -> Self {
        Self { fault, at, attempts: before.map_or(1, |before| before.attempts.saturating_add(1)) }
    }

    /// When the next attempt is due; `seed` tells rollouts apart.
    pub fn next_attempt(&self, seed: &str, now: Timestamp) -> Timestamp {
        due(self.at, self.fault.wait(self.attempts, seed), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::plus;

    fn fault(class: RetryClass) -> Fault {
        Fault { reason: Reason::HubUnavailable, message: String::new(), class }
    }

    #[test]
    fn waits_grow_to_a_bound_and_are_spread() {
        let again = fault(RetryClass::Transient);
        for attempts in 1..40 {
            let wait = again.wait(attempts, "a");
            let ideal = Duration::from_secs(1 << (attempts - 1).min(9)).min(LONGEST_WAIT);
            assert!(wait >= ideal * 80 / 100 && wait <= ideal * 120 / 100, "{attempts}: {wait:?}");
            assert_eq!(wait, again.wait(attempts, "a"), "the same for the same rollout");
        }
        assert_ne!(again.wait(5, "a"), again.wait(5, "b"));
        assert_eq!(fault(RetryClass::Terminal).wait(30, "a"), RECHECK_PERIOD);
        assert_eq!(fault(RetryClass::RetryAfter(Duration::from_hours(24))).wait(0, "a"), LONGEST_WAIT);
        assert_eq!(fault(RetryClass::RetryAfter(Duration::ZERO)).wait(0, "a"), Duration::from_secs(1));
        assert_eq!(
            fault(RetryClass::RetryAfter(Duration::from_secs(7))).wait(9, "a"),
            Duration::from_secs(7)
        );
    }

    #[test]
    fn a_time_in_the_future_is_due() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let failed = Failure::after(None, fault(RetryClass::Transient), plus(now, Duration::from_hours(1)));
        assert!(failed.next_attempt("a", now) <= now);
    }
}
