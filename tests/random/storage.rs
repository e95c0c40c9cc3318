//! Blob storage: one container.

use std::collections::BTreeMap;

use blobrollout::storage::{BlobProperties, StoredBlob};

/// Why a call came to nothing.
#[derive(Debug)]
pub enum StorageError {
    /// No answer.
    Away,
    /// The blob is not the one that was judged, or not there.
    Changed,
}

/// The container.
#[derive(Default)]
pub struct Storage {
    /// By name.
    pub blobs: BTreeMap<String, StoredBlob>,
    /// No call is answered.
    pub away: bool,
    /// Writes so far.
    pub writes: u64,
}

impl Storage {
    /// Everything there is.
    pub fn list(&self) -> Result<Vec<StoredBlob>, StorageError> {
        if self.away { Err(StorageError::Away) } else { Ok(self.blobs.values().cloned().collect()) }
    }

    fn etag(&mut self) -> String {
        self.writes += 1;
        format!("\"{}\"", self.writes)
    }

    /// Stores a blob, never over another. Where the same stands already it is well.
    pub fn put(&mut self, name: &str, size: u64, properties: &BlobProperties) -> Result<(), StorageError> {
        if self.away {
            return Err(StorageError::Away);
        }
        if let Some(there) = self.blobs.get(name) {
            let same = there.size == size && there.metadata.sha256 == properties.metadata.sha256;
            return if same { Ok(()) } else { Err(StorageError::Changed) };
        }
        let blob = StoredBlob {
            name: name.to_owned(),
            size,
            etag: self.etag(),
            content_type: Some(properties.content_type.clone()),
            metadata: properties.metadata.clone(),
        };
        self.blobs.insert(name.to_owned(), blob);
        Ok(())
    }

    /// Gives the blob that had `etag` these properties.
    pub fn update(
        &mut self,
        name: &str,
        etag: &str,
        properties: &BlobProperties,
    ) -> Result<(), StorageError> {
        if self.away {
            return Err(StorageError::Away);
        }
        let Some(old) = self.blobs.get(name).filter(|blob| blob.etag == etag).cloned() else {
            return Err(StorageError::Changed);
        };
        let mut new = old.clone();
        new.content_type = Some(properties.content_type.clone());
        new.metadata = properties.metadata.clone();
        new.metadata.other.clone_from(&old.metadata.other);
        if new != old {
            new.etag = self.etag();
            self.blobs.insert(name.to_owned(), new);
        }
        Ok(())
    }
}
