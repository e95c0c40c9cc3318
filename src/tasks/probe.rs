//! Reads one byte through a link before the first twin gets it: a link that does not work reaches nobody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;

use super::context::storage_fault;
use crate::{
    rollout::fault::Fault,
    storage::{BlobStore, link::Link},
};

/// What came of trying a link.
type Tried = OnceCell<Result<(), Fault>>;

/// Tries links, each once.
pub struct Probe {
    blobs: BlobStore,
    tried: Mutex<HashMap<String, Arc<Tried>>>,
}

impl Probe {
    /// Reads blobs by way of `blobs`, without its key.
    pub fn new(blobs: BlobStore) -> Self {
        Self { blobs, tried: Mutex::default() }
    }

    /// Whether the link works. Of all that ask for the same one, one tries, and the others wait for what comes of it.
    pub async fn works(&self, link: &Link) -> Result<(), Fault> {
        let tried = {
            let mut all = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(link.expose().to_owned()).or_default())
        };
        tried.get_or_init(|| self.read(link)).await.clone()
    }

    async fn read(&self, link: &Link) -> Result<(), Fault> {
        self.blobs.probe(link.expose()).await.map_err(|error| {
            let fault = storage_fault(&error);
            let message = format!(
                "no twin gets a link yet, because one byte could not be read through it: {}",
                fault.message
            );
            Fault { message, ..fault }
        })
    }
}
