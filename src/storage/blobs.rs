//! The blobs of one container.

use std::{num::NonZero, sync::Arc};

use azure_core::http::{Body, ClientOptions, RetryOptions, Transport};
use azure_storage_blob::{
    BlobClient, BlobClientOptions, BlobContainerClient, BlobContainerClientOptions,
    models::{
        BlobClientGetPropertiesOptions, BlobClientGetPropertiesResultHeaders, BlobClientSetMetadataOptions,
        BlobClientSetPropertiesOptions, BlobClientUploadOptions, BlobContainerClientListBlobsOptions,
        ListBlobsIncludeItem,
    },
};
use bytes::Bytes;
use futures::TryStreamExt;

use super::{
    BlobProperties, Refusal, StorageAccount, StoreError, StoredBlob, block_md5::BlockMd5, error::Hints,
    retry::Retry, shared_key::SharedKey, stored,
};
use crate::clock::Clock;

/// Assets up to this size go in one request, larger ones in blocks of it, as many at a time. Together they bound what an upload
/// holds in memory, and the line that it needs (see `transport.rs`).
const BLOCK_BYTES: NonZero<u64> = NonZero::new(2 << 20).unwrap();
const BLOCKS_AT_ONCE: NonZero<usize> = NonZero::new(2).unwrap();

/// A container, reached with the account's key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BlobStore {
    account: StorageAccount,
    container: String,
    http: reqwest::Client,
    clock: Clock,
    options: ClientOptions,
}

impl BlobStore {
    /// Nothing is asked of the service yet. `http` is [`super::http_client`], and requests are signed for the time that `clock`
    /// tells; fails for what cannot be a container's name.
    pub fn new(
        account: &StorageAccount,
        container: &str,
        http: reqwest::Client,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        if !is_container_name(container) {
            return Err(StoreError::invalid_name(
                "a container's name has 3 to 63 lower-case letters, digits and single hyphens between them",
            ));
        }
        let shared_key = SharedKey::new(account.key().clone(), clock.clone());
        let options = ClientOptions {
            per_call_policies: vec![Arc::new(Retry)],
            per_try_policies: vec![Arc::new(BlockMd5), Arc::new(shared_key)],
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::new(http.clone()))),
            ..ClientOptions::default()
        };
        Ok(Self { account: account.clone(), container: container.to_owned(), http, clock, options })
    }

    /// The blobs whose names begin with `prefix`, by name; none where there is no container.
    pub async fn list(&self, prefix: &str) -> Result<Vec<StoredBlob>, StoreError> {
        let options = BlobContainerClientListBlobsOptions {
            // An empty parameter is signed by us, and not by every service.
            prefix: (!prefix.is_empty()).then(|| prefix.to_owned()),
            include: Some(vec![ListBlobsIncludeItem::Metadata]),
            ..Default::default()
        };
        let mut pages = self.told(self.container()?.list_blobs(Some(options)))?.into_pages();
        let mut blobs = Vec::new();
        loop {
            match self.told(pages.try_next().await) {
                Ok(Some(page)) => {
                    let items = self.told(page.into_model())?.blob_items;
                    blobs.extend(items.into_iter().filter_map(StoredBlob::listed));
                }
                Ok(None) => return Ok(blobs),
                Err(StoreError::NotFound(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the container, without public access, unless it is there.
    pub async fn ensure_container(&self) -> Result<(), StoreError> {
        match self.told(self.container()?.create(None).await) {
            Err(StoreError::Refused(refusal)) if refusal.code == "ContainerAlreadyExists" => Ok(()),
            result => result.map(drop),
        }
    }

    /// Stores `bytes` under `name`, every block verified by the service. Never overwrites: where a blob of this size and with this
    /// `sha256` noted stands already, that is a success, whatever else is noted at it; another blob is
    /// [`StoreError::Occupied`], and a container that is not there [`StoreError::NotFound`].
    pub async fn put(&self, name: &str, bytes: Bytes, properties: &BlobProperties) -> Result<(), StoreError> {
        let size = bytes.len() as u64;
        let options = BlobClientUploadOptions {
            blob_content_type: Some(properties.content_type.clone()),
            metadata: Some(properties.metadata.pairs().into_iter().collect()),
            partition_size: Some(BLOCK_BYTES),
            parallel: Some(BLOCKS_AT_ONCE),
            ..Default::default()
        };
        let content = Body::from(bytes).into();
        let uploaded = self.blob(name)?.upload(content, Some(options.if_not_exists())).await;
        match self.told(uploaded) {
            Ok(_) => Ok(()),
            // Also after a try of ours that succeeded and whose answer was lost.
            Err(StoreError::Refused(refusal)) if refusal.code == "BlobAlreadyExists" => {
                let stands = self.head(name).await?.ok_or(StoreError::Precondition(refusal))?;
                let sha256 = &properties.metadata.sha256;
                if stands.size == size && sha256.is_some() && stands.metadata.sha256 == *sha256 {
                    return Ok(());
                }
                Err(StoreError::Occupied { blob: name.to_owned(), stands: stands.summary() })
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the blob that had `etag` these properties; what they do not say stays. Writes only what differs. The metadata goes
    /// first: a crash then leaves the old content type, which the next look finds and mends, while a new content type with the
    /// old `ts` would look finished, and no device would be told.
    pub async fn update(
        &self,
        name: &str,
        etag: &str,
        properties: &BlobProperties,
    ) -> Result<(), StoreError> {
        let blob = self.blob(name)?;
        let options = BlobClientGetPropertiesOptions { if_match: Some(etag.into()), ..Default::default() };
        let response = self.told(blob.get_properties(Some(options)).await)?;
        let old = StoredBlob::headed(name, &response);
        let mut etag = old.etag.clone();
        let metadata = properties.metadata.over(&old.metadata);
        if metadata != old.metadata {
            let options =
                BlobClientSetMetadataOptions { if_match: Some(etag.as_str().into()), ..Default::default() };
            let pairs = metadata.pairs().into_iter().collect();
            let written = self.told(blob.set_metadata(&pairs, Some(options)).await)?;
            etag = stored::etag(written.headers());
        }
        if old.content_type.as_ref() != Some(&properties.content_type) {
            // The service clears what this call does not carry (Azure Storage docs, "Set Blob Properties").
            let options = BlobClientSetPropertiesOptions {
                blob_content_type: Some(properties.content_type.clone()),
                blob_cache_control: self.told(response.cache_control())?,
                blob_content_disposition: self.told(response.content_disposition())?,
                blob_content_encoding: self.told(response.content_encoding())?,
                blob_content_language: self.told(response.content_language())?,
                blob_content_md5: self.told(response.content_md5())?,
                if_match: Some(etag.as_str().into()),
                ..Default::default()
            };
            self.told(blob.set_properties(Some(options)).await)?;
        }
        Ok(())
    }

    /// The blob of this name, if there is one.
    pub async fn head(&self, name: &str) -> Result<Option<StoredBlob>, StoreError> {
        match self.told(self.blob(name)?.get_properties(None).await) {
            Ok(response) => Ok(Some(StoredBlob::headed(name, &response))),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the first byte through a link, as a device would: without our key, and without a retry. An empty blob is fine.
    pub async fn probe(&self, link: &str) -> Result<(), StoreError> {
        let mut response = self.http.get(link).header("range", "bytes=0-0").send().await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let status = response.status().as_u16();
        let code = header("x-ms-error-code").unwrap_or_default().to_owned();
        if status == 416 && matches!(code.as_str(), "InvalidRange" | "") {
            return Ok(());
        }
        if !matches!(status, 200 | 206) {
            let hints = Hints { retry_after: header("retry-after"), date: header("date") };
            let message = "reading through the new link".to_owned();
            return Err(StoreError::refused(Refusal { status, code, message }, hints, self.clock.now()));
        }
        response.chunk().await?;
        Ok(())
    }

    /// A result of the SDK as one of ours.
    fn told<T>(&self, result: azure_core::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::of(error, self.clock.now()))
    }

    fn container(&self) -> Result<BlobContainerClient, StoreError> {
        let options =
            BlobContainerClientOptions { client_options: self.options.clone(), ..Default::default() };
        self.told(BlobContainerClient::new(self.account.container_url(&self.container), None, Some(options)))
    }

    fn blob(&self, name: &str) -> Result<BlobClient, StoreError> {
        // A URL would take these for a way up, and the blob for another.
        if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(StoreError::invalid_name(
                "a blob's name has no empty segments, and none of dots alone",
            ));
        }
        let options = BlobClientOptions { client_options: self.options.clone(), ..Default::default() };
        let url = self.account.blob_url(&self.container, name);
        self.told(BlobClient::new(url, None, Some(options)))
    }
}

/// Azure Storage docs, "Naming and referencing containers".
fn is_container_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        let text = "AccountName=acct;AccountKey=a2V5;BlobEndpoint=https://127.0.0.1:1/acct";
        let account = StorageAccount::parse(text, false).unwrap();
        let store =
            |container: &str| BlobStore::new(&account, container, reqwest::Client::new(), Clock::system());
        for container in ["", "ab", "..", "a/b", "Abc", "-abc", "abc-", "a--b", &"a".repeat(64)] {
            assert!(store(container).unwrap_err().to_string().contains("InvalidResourceName"), "{container}");
        }
        let store = store("a-1-b").unwrap();
        for name in ["", "a//b", "/a", "../other/b", "a/./b"] {
            assert!(store.blob(name).is_err(), "{name}");
        }
        assert_eq!(store.blob("p/ns/n/5f").unwrap().url().path(), "/acct/a-1-b/p/ns/n/5f");
    }
}
