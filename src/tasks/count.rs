//! Counts the fleet: who is targeted, who holds which link, who has answered.
//!
//! A target by ids takes many queries, and a small hub allows few. What an attempt has counted is kept for the next one, part by part.

use super::context::{Assignment, Tools, hub_fault};
use crate::{
    fleet::{Counts, FailureSample, counts, query, tally::SAMPLES},
    hub::{client::HubClient, error::HubError, limiter::Urgency},
    rollout::{
        fault::Fault,
        found::Reached,
        task::{CountInput, CountKey},
    },
};

/// Counts it: three queries for each part of the target, two more while answers are outstanding, one more where devices have failed.
pub async fn count(
    key: &CountKey,
    input: CountInput,
    assignment: &Assignment,
    tools: &Tools,
) -> Result<Counts, Fault> {
    let hub = tools.hubs.client(&assignment.uid, &key.hub, input.rates);
    let conditions = key.target.conditions(input.room);
    let mut parts = input.counted;
    parts.truncate(conditions.len());
    for condition in conditions.iter().skip(parts.len()) {
        let part = assignment.cancel.run_until_cancelled(part(&hub, key, condition)).await;
        // What nobody wants any more takes no queries from what is wanted.
        let Some(part) = part else { break };
        let part = part.map_err(|error| hub_fault(&error))?;
        parts.push(part);
        assignment.reached.send_replace(Reached::Counted(parts.clone(), conditions.len()));
    }
    let mut all = Counts::default();
    for part in parts {
        all.add(part);
    }
    all.failures.truncate(SAMPLES);
    Ok(all)
}

async fn part(hub: &HubClient, key: &CountKey, condition: &str) -> Result<Counts, HubError> {
    let CountKey { property, reported_property, blob, path, .. } = key;
    let rows = async |sql: String| hub.query_all(&sql, Urgency::Normal).await;
    let malformed = |error: counts::NoNumber| HubError::Malformed(error.to_string());
    let targeted = counts::total(&rows(query::count(condition)).await?).map_err(malformed)?;
    let held =
        counts::held(&rows(query::count_links(condition, property, path)).await?).map_err(malformed)?;
    let mut counts = Counts { targeted, held, ..Counts::default() };
    let linked = counts.linked(blob);
    if linked > 0 {
        let answers = rows(query::count_answers(condition, property, reported_property, blob)).await?;
        (counts.received, counts.failed) = counts::answers(&answers).map_err(malformed)?;
    }
    if counts.failed > 0 {
        counts.failures = failures(hub, key, condition).await?;
    }
    if linked > counts.received + counts.failed {
        let away = rows(query::count_disconnected(condition, property, blob)).await?;
        counts.unreachable = counts::total(&away).map_err(malformed)?;
    }
    // Not by a negation of the answers: what is no text is neither in a comparison nor in its negation.
    if counts.unreachable > 0 && counts.received + counts.failed > 0 {
        let sql = query::count_answered_and_gone(condition, property, reported_property, blob);
        let answered = counts::total(&rows(sql).await?).map_err(malformed)?;
        counts.unreachable = counts.unreachable.saturating_sub(answered);
    }
    counts.settle(blob);
    Ok(counts)
}

/// The first devices that answered `failed`. What they wrote beside it is untrusted text, so it is not repeated.
async fn failures(hub: &HubClient, key: &CountKey, condition: &str) -> Result<Vec<FailureSample>, HubError> {
    let sql = query::failed(condition, &key.property, &key.reported_property, &key.blob);
    let page = hub.query(&sql, None, Urgency::Normal).await?;
    let ids = page.rows.iter().filter_map(|row| row["deviceId"].as_str());
    Ok(ids
        .take(SAMPLES)
        .map(|id| FailureSample {
            device_id: id.to_owned(),
            reason: "the device answered that it could not use the revision".to_owned(),
        })
        .collect())
}
