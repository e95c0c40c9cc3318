//! The blob store as the operator uses it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod disturbed;
mod kept;
mod trust;
mod wire;

use blobrollout::{
    clock::Clock,
    storage::{BlobMetadata, BlobProperties, BlobStore, StorageAccount, http_client},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use standins::{Azurite, AzuriteOptions, Toolchain};
use tokio::sync::OnceCell;

async fn toolchain() -> &'static Toolchain {
    static SHARED: OnceCell<Toolchain> = OnceCell::const_new();
    SHARED.get_or_init(async || Toolchain::locate_or_build().await.unwrap()).await
}

async fn azurite() -> &'static Azurite {
    static SHARED: OnceCell<Azurite> = OnceCell::const_new();
    let start = async || Azurite::start(toolchain().await, AzuriteOptions::default()).await.unwrap();
    SHARED.get_or_init(start).await
}

fn store_at(connection_string: &str) -> BlobStore {
    let account = StorageAccount::parse(connection_string, true).unwrap();
    BlobStore::new(&account, "rollouts", http_client().unwrap(), Clock::system()).unwrap()
}

fn properties(bytes: &[u8]) -> BlobProperties {
    BlobProperties {
        content_type: "application/json".into(),
        metadata: BlobMetadata {
            sha256: Some(format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(bytes)))),
            ts: Some("2026-11-24T12:00:00.1234567Z".parse().unwrap()),
            uid: Some("9d9d".into()),
            ..BlobMetadata::default()
        },
    }
}
