//! Configurations as a state file has them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Configurations;
use super::configuration::{Configuration, Results};
use crate::clock::Timestamp;
use crate::error::HubError;
use crate::settings::QuerySettings;

/// The document that the service API shows, which says it all but for the exact times and the number of the revision. It is
/// text: it may be as deep as JSON can be read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredConfiguration {
    document: String,
    created: Timestamp,
    updated: Timestamp,
    revision: u64,
}

impl Configurations {
    pub fn stored(&self) -> Vec<StoredConfiguration> {
        let stored = |found: &Configuration| StoredConfiguration {
            document: found.document().to_string(),
            created: found.created,
            updated: found.updated,
            revision: found.revision,
        };
        self.state().values().map(stored).collect()
    }

    /// Puts a configuration where it was. It is evaluated as soon as there is time.
    pub fn put_back(&self, stored: &StoredConfiguration, settings: &QuerySettings) -> Result<(), HubError> {
        // What was accepted once is not refused for a setting that is another one now.
        let settings = QuerySettings { module_aggregates: true, ..settings.clone() };
        let document = serde_json::from_str::<Value>(&stored.document).unwrap_or_default();
        let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
        let mut configuration = Configuration::create(id, &document, stored.created, &settings)?;
        configuration.updated = stored.updated;
        configuration.revision = stored.revision;
        let count = |path: &str| document.pointer(path).and_then(Value::as_u64).unwrap_or_default();
        let metrics = document.pointer("/metrics/results").and_then(Value::as_object).into_iter().flatten();
        configuration.results = Results {
            targeted: count("/systemMetrics/results/targetedCount"),
            applied: count("/systemMetrics/results/appliedCount"),
            metrics: metrics.filter_map(|(name, rows)| Some((name.clone(), rows.as_u64()?))).collect(),
        };
        self.state().insert(id.to_owned(), configuration);
        self.set_due(Timestamp::START);
        Ok(())
    }

    /// Grows whenever something may have changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A map whose keys are no texts, as a list of pairs.
pub(super) mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K, V, S>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize,
        V: Serialize,
        S: Serializer,
    {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
