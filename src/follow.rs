//! What follows from an error. Every error type of this crate answers this one question.

use std::time::Duration;

/// What has to happen before the failed call can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Somebody has to change an object, a key or a right: trying again would fail the same way.
    UserMustAct,
    /// The service asked us to wait this long.
    WaitFor(Duration),
    /// A disturbance: try again with growing delay.
    TryAgain,
}
