//! How far the fleet is: three queries at any size, and a fourth while somebody has not answered.

use serde_json::Value;

use super::{query, target::Target};
use crate::{
    hub::{client::HubClient, error::HubError, limiter::Urgency},
    storage::link::BlobUri,
};

/// The fleet in numbers: linked = received + failed + pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Devices that the target picks.
    pub targeted: u64,
    /// Of these, devices whose twin links to the revision.
    pub linked: u64,
    /// Of the linked, devices that have received it.
    pub received: u64,
    /// Of the linked, devices that cannot use it.
    pub failed: u64,
    /// Of the linked, the others.
    pub pending: u64,
    /// Of the pending, devices that are not connected now.
    pub unreachable: u64,
}

/// Counts the devices of `target` for the revision at `blob`.
///
/// Each condition of the target costs three queries of the hub's budget, or four. Fails as [`HubClient::query_all`] does.
pub async fn count(
    hub: &HubClient,
    target: &Target,
    property: &str,
    reported_property: &str,
    blob: &BlobUri,
) -> Result<Counts, HubError> {
    let mut counts = Counts::default();
    for condition in target.conditions() {
        let targeted = hub.query_all(&query::count(condition), Urgency::Normal).await?;
        let linked = hub.query_all(&query::count_linked(condition, property, blob), Urgency::Normal).await?;
        let answers = hub
            .query_all(&query::count_answers(condition, property, reported_property, blob), Urgency::Normal)
            .await?;
        let mut part = Counts::of(&targeted, &linked, &answers);
        // Not by a negation of the answers: what is no text is neither in a comparison nor in its negation.
        if part.pending > 0 && part.unreachable > 0 {
            let gone = query::count_answered_and_gone(condition, property, reported_property, blob);
            part.answered_and_gone(sum(&hub.query_all(&gone, Urgency::Normal).await?));
        }
        counts.add(part);
    }
    Ok(counts)
}

impl Counts {
    /// Of one condition. Until [`Counts::answered_and_gone`] is told, `unreachable` has those that answered as well.
    ///
    /// The queries see the fleet at several moments, and what they see must still add up.
    fn of(targeted: &[Value], linked: &[Value], answers: &[Value]) -> Self {
        let mut counts = Self::default();
        for row in answers {
            // The query lets nothing through but `received`, `failed`, and echoes, which have no status.
            let share = if row["status"] == "failed" { &mut counts.failed } else { &mut counts.received };
            *share += number(row);
        }
        let gone = linked.iter().filter(|row| row["state"] == query::DISCONNECTED);
        counts.linked = sum(linked).max(counts.received + counts.failed);
        counts.targeted = sum(targeted).max(counts.linked);
        counts.pending = counts.linked - counts.received - counts.failed;
        counts.unreachable = gone.map(number).sum::<u64>();
        if counts.pending == 0 {
            counts.unreachable = 0;
        }
        counts
    }

    fn answered_and_gone(&mut self, answered: u64) {
        self.unreachable = self.unreachable.saturating_sub(answered).min(self.pending);
    }

    fn add(&mut self, other: Self) {
        self.targeted += other.targeted;
        self.linked += other.linked;
        self.received += other.received;
        self.failed += other.failed;
        self.pending += other.pending;
        self.unreachable += other.unreachable;
    }

    /// Whether nothing has moved but connections, which come and go.
    pub fn is_as_far_as(&self, other: &Self) -> bool {
        Self { unreachable: 0, ..*self } == Self { unreachable: 0, ..*other }
    }
}

fn sum(rows: &[Value]) -> u64 {
    rows.iter().map(number).sum()
}

fn number(row: &Value) -> u64 {
    row["n"].as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn linked(connected: u64, gone: u64) -> [Value; 2] {
        [json!({"state": "Connected", "n": connected}), json!({"state": "Disconnected", "n": gone})]
    }

    #[test]
    fn rows_are_summed_and_always_add_up() {
        let answers =
            [json!({"n": 3}), json!({"status": "received", "n": 2}), json!({"status": "failed", "n": 1})];
        let mut counts = Counts::of(&[json!({"n": 10})], &linked(5, 3), &answers);
        // One of the three that are gone has answered before.
        counts.answered_and_gone(1);
        counts.add(Counts::of(&[json!({"n": 1})], &[], &[]));
        let want = Counts { targeted: 11, linked: 8, received: 5, failed: 1, pending: 2, unreachable: 2 };
        assert_eq!(counts, want);
        // Between two queries devices came and answered.
        let counts = Counts::of(&[json!({"n": 1})], &linked(0, 1), &[json!({"status": "received", "n": 3})]);
        let want = Counts { targeted: 3, linked: 3, received: 3, failed: 0, pending: 0, unreachable: 0 };
        assert_eq!(counts, want);
        // Or answered and left.
        let mut counts = Counts::of(&[json!({"n": 9})], &linked(1, 8), &[json!({"n": 4})]);
        for (answered, unreachable) in [(1, 5), (4, 1), (9, 0)] {
            counts.answered_and_gone(answered);
            assert_eq!(counts.unreachable, unreachable);
            assert!(counts.unreachable <= counts.pending);
        }
    }

    #[test]
    fn connections_that_come_and_go_are_no_progress() {
        let counts = Counts { targeted: 2, linked: 2, received: 1, failed: 0, pending: 1, unreachable: 1 };
        assert!(counts.is_as_far_as(&Counts { unreachable: 0, ..counts }));
        assert!(!counts.is_as_far_as(&Counts { pending: 0, received: 2, ..counts }));
    }
}
