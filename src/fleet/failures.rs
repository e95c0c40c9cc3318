//! Some of the devices that answered that they cannot use the revision.

use super::{query, tally::SAMPLES, target::Target};
use crate::{
    hub::{client::HubClient, error::HubError, limiter::Urgency},
    storage::link::BlobUri,
};

/// A device that did not get or cannot use the revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureSample {
    /// The device.
    pub device_id: String,
    /// Why, without secrets.
    pub reason: String,
}

/// The first devices that answered `failed`, at most 20.
///
/// What they wrote beside it is untrusted text, so it is not repeated. Fails as [`HubClient::query`] does.
pub async fn failures(
    hub: &HubClient,
    target: &Target,
    property: &str,
    reported_property: &str,
    blob: &BlobUri,
) -> Result<Vec<FailureSample>, HubError> {
    let mut samples = Vec::new();
    for condition in target.conditions() {
        let sql = query::failed(condition, property, reported_property, blob);
        let page = hub.query(&sql, None, Urgency::Normal).await?;
        let ids = page.rows.iter().filter_map(|row| row["deviceId"].as_str());
        samples.extend(ids.map(|id| FailureSample {
            device_id: id.to_owned(),
            reason: "the device answered that it could not use the revision".to_owned(),
        }));
        if samples.len() >= SAMPLES {
            samples.truncate(SAMPLES);
            break;
        }
    }
    Ok(samples)
}
