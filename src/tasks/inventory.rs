//! Lists the blobs that storage has at a rollout's path.

use std::time::Duration;

use super::context::{Tools, storage_fault};
use crate::{
    api::conditions::Reason,
    retry_class::RetryClass,
    rollout::{fault::Fault, task::InventoryKey},
    storage::{BlobStore, StoredBlob},
};

/// How long a listing may take.
const LISTING_TIMEOUT: Duration = Duration::from_mins(5);

/// Lists them.
pub async fn inventory(key: &InventoryKey, tools: &Tools) -> Result<Vec<StoredBlob>, Fault> {
    let (http, clock) = (tools.storage_http.clone(), tools.clock.clone());
    let blobs = BlobStore::new(&key.account, &key.storage.container, http, clock)
        .map_err(|error| storage_fault(&error))?;
    let path = format!("{}/", key.storage.path);
    let listed = tokio::time::timeout(LISTING_TIMEOUT, blobs.list(&path)).await.map_err(|_| {
        let message = format!("listing the blobs took more than {} s", LISTING_TIMEOUT.as_secs());
        Fault { reason: Reason::StorageUnavailable, message, class: RetryClass::Transient }
    })?;
    listed.map_err(|error| storage_fault(&error))
}
