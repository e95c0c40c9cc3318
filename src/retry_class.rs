//! What follows from an error. Every error type of this crate says which class it is of; `rollout/fault.rs` says when to try again.

use std::time::Duration;

/// What has to happen before the failed call can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryClass {
    /// Somebody has to change an object, a key or a right: trying again would fail the same way.
    Terminal,
    /// The service asks to be left alone this long.
    RetryAfter(Duration),
    /// A disturbance: try again with growing delay.
    Transient,
}
