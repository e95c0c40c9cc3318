//! What stands in the way of a rollout, as data: the reason a user reads, and what follows from it.

use std::time::Duration;

use crate::{
    api::{IntentError, conditions::Reason},
    follow::Follow,
};

/// Something that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The condition's reason.
    pub reason: Reason,
    /// What happened and what to do, without secrets.
    pub message: String,
    /// What has to happen before it is worth trying again.
    pub follow: Follow,
}

/// Longest wait between two tries.
const LONGEST: Duration = Duration::from_mins(5);
/// How often something that a user must mend is looked at, where no watch tells us.
const RECHECK: Duration = Duration::from_mins(1);

impl Fault {
    /// A fault that a user must mend.
    pub fn user(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), follow: Follow::UserMustAct }
    }

    /// A fault of a service, by what its error says follows: the first reason where it is down or busy, the second where it refuses.
    pub fn of(follow: Follow, unavailable: Reason, refused: Reason, message: impl Into<String>) -> Self {
        let reason = if follow == Follow::UserMustAct { refused } else { unavailable };
        Self { reason, message: message.into(), follow }
    }

    /// Whether nothing changes until a user acts.
    pub fn needs_user(&self) -> bool {
        self.follow == Follow::UserMustAct
    }

    /// How long to wait after `attempts` failures in a row: doubling from a second to five minutes, spread by a fifth so that
    /// rollouts that failed together do not return together. `seed` tells rollouts apart.
    pub fn wait(&self, attempts: u32, seed: &str) -> Duration {
        match self.follow {
            Follow::UserMustAct => RECHECK,
            Follow::WaitFor(asked) => asked.clamp(Duration::from_secs(1), LONGEST),
            Follow::TryAgain => {
                let doubled = Duration::from_secs(1 << attempts.min(9));
                let spread = seed.bytes().fold(u32::from(attempts < 1), |sum, byte| {
                    sum.wrapping_mul(31).wrapping_add(byte.into())
                });
                doubled.min(LONGEST) * (80 + spread % 40) / 100
            }
        }
    }
}

impl From<IntentError> for Fault {
    fn from(error: IntentError) -> Self {
        Self::user(Reason::InvalidSpec, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_are_spread() {
        let fault = |follow| Fault { reason: Reason::HubUnavailable, message: String::new(), follow };
        let again = fault(Follow::TryAgain);
        for attempts in 0..40 {
            let wait = again.wait(attempts, "a");
            let ideal = Duration::from_secs(1 << attempts.min(9)).min(LONGEST);
            assert!(wait >= ideal * 80 / 100 && wait <= ideal * 120 / 100, "{attempts}: {wait:?}");
            assert_eq!(wait, again.wait(attempts, "a"), "the same for the same rollout");
        }
        assert_ne!(again.wait(5, "a"), again.wait(5, "b"));
        assert_eq!(fault(Follow::UserMustAct).wait(30, "a"), RECHECK);
        assert_eq!(fault(Follow::WaitFor(Duration::from_hours(24))).wait(0, "a"), LONGEST);
        assert_eq!(fault(Follow::WaitFor(Duration::ZERO)).wait(0, "a"), Duration::from_secs(1));
        assert_eq!(fault(Follow::WaitFor(Duration::from_secs(7))).wait(9, "a"), Duration::from_secs(7));
    }
}
