//! One limiter per hub, however many rollouts use it and by whichever of its policies: a hub counts all its callers together.

use super::{client::HubClient, connection::HubConnection, members::Members, sku::Rates};
use crate::clock::Clock;

/// Makes clients that share what a hub counts together.
pub struct HubRegistry {
    http: reqwest::Client,
    clock: Clock,
    pub(super) members: Members,
}

impl HubRegistry {
    /// All clients of this registry send by way of `http` and tell the time by `clock`.
    pub fn new(http: reqwest::Client, clock: Clock) -> Self {
        Self { http, clock, members: Members::default() }
    }

    /// A client for the rollout `uid`. Of all rates that rollouts ask for on one hub the slowest hold for all of them: whoever said
    /// the least knows of other users, or the others are wrong about the tier.
    ///
    /// A rollout's rates count once the hub has accepted its credential, so that one with a wrong or foreign key slows nobody down.
    /// Until then its calls go under the rates that hold, and where nobody's do, under its own.
    pub fn client(&self, uid: &str, connection: &HubConnection, rates: Rates) -> HubClient {
        let (limiter, membership) = self.members.join(uid, connection, rates);
        HubClient::new(self.http.clone(), self.clock.clone(), connection, limiter, membership)
    }

    /// The rollout `uid` is gone; what it asked for holds no longer.
    pub fn forget(&self, uid: &str) {
        self.members.leave(uid);
    }
}
