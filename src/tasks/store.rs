//! Stores what storage lacks: the asset, or what its blob tells of itself.
//!
//! The goal changes only on fresh sight: the object and its source are read from the API server right before, not from the cache. So a
//! process that was stopped and goes on, or whose cache is behind, moves nobody backwards.

use std::time::Duration;

use kube::{Api, Resource};

use super::context::{Assignment, Tools, storage_fault};
use crate::{
    api::{BlobRollout, conditions::Reason},
    retry_class::RetryClass,
    rollout::{Rollout, asset::Asset, fault::Fault, revision::Upkeep, task::StoreKey},
    source,
    storage::BlobStore,
};

/// How long reading the object and storing the asset may take.
const STORE_TIMEOUT: Duration = Duration::from_mins(10);

/// Stores it.
pub async fn store(
    key: &StoreKey,
    upkeep: &Upkeep,
    assignment: &Assignment,
    tools: &Tools,
) -> Result<(), Fault> {
    let work = async {
        look_again(key, assignment, tools).await?;
        write(key, upkeep, assignment, tools).await
    };
    tokio::time::timeout(STORE_TIMEOUT, work).await.unwrap_or_else(|_| {
        let message = format!("storing the asset took more than {} s", STORE_TIMEOUT.as_secs());
        Err(Fault { reason: Reason::StorageUnavailable, message, class: RetryClass::Transient })
    })
}

/// Whether object and source are still what the goal was chosen by.
async fn look_again(key: &StoreKey, assignment: &Assignment, tools: &Tools) -> Result<(), Fault> {
    let changed = |what: &str| {
        let message = format!("{what} has changed meanwhile, and is looked at again");
        Fault { reason: Reason::Progressing, message, class: RetryClass::Transient }
    };
    let reference = &assignment.rollout;
    let namespace = reference.namespace.as_deref().unwrap_or_default();
    let api: Api<BlobRollout> = Api::namespaced(tools.client.clone(), namespace);
    let object = api.get_opt(&reference.name).await.map_err(|error| {
        let message = format!(
            "the BlobRollout could not be read before storing its asset: {}",
            source::objects::in_words(&error)
        );
        Fault { reason: Reason::Progressing, message, class: RetryClass::Transient }
    })?;
    let object = object.filter(|object| object.meta().uid.as_ref() == Some(&assignment.uid));
    let object = object.ok_or_else(|| changed("the BlobRollout"))?;
    let fresh = Rollout::of(&object);
    if fresh.deleted || fresh.generation != key.generation {
        return Err(changed("the BlobRollout"));
    }
    let source = fresh.spec.source.map_err(|_| changed("the BlobRollout"))?;
    let bytes = source::read(&tools.client, namespace, &source).await.map_err(|error| {
        let unavailable = Reason::SourceUnavailable;
        Fault::of(error.retry_class(), unavailable, unavailable, format!("spec.source: {error}"))
    })?;
    if Asset::new(bytes).sha256 != key.sha256 {
        return Err(changed("the source"));
    }
    Ok(())
}

async fn write(key: &StoreKey, upkeep: &Upkeep, assignment: &Assignment, tools: &Tools) -> Result<(), Fault> {
    if assignment.cancel.is_cancelled() {
        return Ok(());
    }
    let (http, clock) = (tools.storage_http.clone(), tools.clock.clone());
    let blobs = BlobStore::new(&key.account, &key.storage.container, http, clock)
        .map_err(|error| storage_fault(&error))?;
    let properties = upkeep.properties(tools.clock.now());
    let stored = if let Some(etag) = &upkeep.etag {
        blobs.update(&upkeep.name, etag, &properties).await
    } else {
        blobs.ensure_container().await.map_err(|error| storage_fault(&error))?;
        blobs.put(&upkeep.name, upkeep.asset.bytes.clone(), &properties).await
    };
    stored.map_err(|error| storage_fault(&error))
}
