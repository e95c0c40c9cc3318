//! How far the fleet is: three queries at any size.

use serde_json::Value;

use super::{query, target::Target};
use crate::{
    hub::{client::HubClient, error::HubError},
    store::link::BlobUri,
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
}

/// Counts the devices of `target` for the revision at `blob`.
///
/// Each condition of the target costs three queries of the hub's budget. Fails as [`HubClient::query_all`] does.
pub async fn count(
    hub: &HubClient,
    target: &Target,
    property: &str,
    reported_property: &str,
    blob: &BlobUri,
) -> Result<Counts, HubError> {
    let mut counts = Counts::default();
    for condition in target.conditions() {
        let targeted = hub.query_all(&query::count(condition)).await?;
        let linked = hub.query_all(&query::count_linked(condition, property, blob)).await?;
        let answers =
            hub.query_all(&query::count_answers(condition, property, reported_property, blob)).await?;
        counts.add(&targeted, &linked, &answers);
    }
    counts.settle();
    Ok(counts)
}

impl Counts {
    fn add(&mut self, targeted: &[Value], linked: &[Value], answers: &[Value]) {
        self.targeted += sum(targeted);
        self.linked += sum(linked);
        for row in answers {
            // The query lets nothing through but `received`, `failed`, and echoes, which have no status.
            let share = if row["status"] == "failed" { &mut self.failed } else { &mut self.received };
            *share += number(row);
        }
    }

    /// The three queries see the fleet at three moments, and what they see must still add up.
    fn settle(&mut self) {
        self.linked = self.linked.max(self.received + self.failed);
        self.targeted = self.targeted.max(self.linked);
        self.pending = self.linked - self.received - self.failed;
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

    #[test]
    fn rows_are_summed_and_always_add_up() {
        let mut counts = Counts::default();
        counts.add(
            &[json!({"n": 10})],
            &[json!({"n": 8})],
            &[json!({"n": 3}), json!({"status": "received", "n": 2}), json!({"status": "failed", "n": 1})],
        );
        counts.add(&[json!({"n": 1})], &[json!({"n": 0})], &[]);
        counts.settle();
        assert_eq!(counts, Counts { targeted: 11, linked: 8, received: 5, failed: 1, pending: 2 });
        // Between two queries devices came and answered.
        let mut counts = Counts::default();
        counts.add(&[json!({"n": 1})], &[json!({"n": 1})], &[json!({"status": "received", "n": 3})]);
        counts.settle();
        assert_eq!(counts, Counts { targeted: 3, linked: 3, received: 3, failed: 0, pending: 0 });
    }
}
