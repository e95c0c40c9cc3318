//! Blobs in a real blob service.

use std::time::Duration;

use blobrollout::{
    retry_class::RetryClass,
    storage::{BlobMetadata, BlobProperties, BlobStore, StorageAccount, StoreError, StoredBlob},
};
use bytes::Bytes;
use k8s_openapi::jiff::Timestamp;
use standins::Account;

use crate::{
    azurite, properties, store_at,
    wire::{self, FRAGILE},
};

/// A store on an account of the test's own.
async fn store() -> (BlobStore, Account) {
    let account = azurite().await.fresh_account().unwrap();
    (store_at(&account.connection_string()), account)
}

/// Bytes that are no text and do not repeat within a block.
fn binary(size: usize) -> Bytes {
    (0..size).map(|index| ((index * index) >> 7).to_le_bytes()[0] & 0x7f).collect()
}

/// A read link for an hour, made by the table in Microsoft's page "Create a service SAS".
fn link(account: &Account, name: &str) -> String {
    let parsed = StorageAccount::parse(&account.connection_string(), true).unwrap();
    let expiry = (Timestamp::now() + Duration::from_hours(1)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let blob = format!("/blob/{}/rollouts/{name}", account.name);
    let fields = ["r", "", &expiry, &blob, "", "", "", "2022-11-02", "b", "", "", "", "", "", "", ""];
    let mut url = parsed.blob_url("rollouts", name);
    let signature = parsed.key().sign(&fields.join("\n"));
    url.query_pairs_mut().extend_pairs([
        ("se", &*expiry),
        ("sp", "r"),
        ("sv", "2022-11-02"),
        ("sr", "b"),
        ("sig", &signature),
    ]);
    url.into()
}

async fn download(link: &str) -> Bytes {
    reqwest::get(link).await.unwrap().error_for_status().unwrap().bytes().await.unwrap()
}

async fn stored(store: &BlobStore, name: &str) -> StoredBlob {
    store.head(name).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_container_is_made_where_there_is_none() {
    let (store, _) = store().await;
    assert_eq!(store.list("").await.unwrap(), []);
    assert_eq!(store.head("a").await.unwrap(), None);
    let error = store.put("a", Bytes::from("{}"), &properties(b"{}")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(_)), "{error}");
    store.ensure_container().await.unwrap();
    store.ensure_container().await.unwrap();
    store.put("a", Bytes::from("{}"), &properties(b"{}")).await.unwrap();
}

#[tokio::test]
async fn what_is_put_is_what_a_link_gives_and_what_a_listing_shows() {
    let (store, account) = store().await;
    store.ensure_container().await.unwrap();
    // Nothing, one request, one block to the last byte, and several blocks; names as users may choose them.
    for (size, name) in
        [(0, "p/empty"), (1 << 20, "p/ü b+c&d=e/5f"), (2 << 20, "p/whole"), ((5 << 20) + 3, "p/blocks")]
    {
        let bytes = binary(size);
        store.put(name, bytes.clone(), &properties(&bytes)).await.unwrap();
        let link = link(&account, name);
        store.probe(&link).await.unwrap();
        assert!(download(&link).await == bytes, "{name}");

        let head = stored(&store, name).await;
        assert_eq!((head.size, &head.content_type), (size as u64, &Some("application/json".into())));
        assert_eq!(head.metadata, properties(&bytes).metadata);
        let listed = store.list("p/").await.unwrap();
        assert!(listed.contains(&head), "{head:?} in {listed:?}");
    }
    assert_eq!(store.list("p/").await.unwrap().len(), 4);
    assert_eq!(store.list("p/ü").await.unwrap().len(), 1);
    assert_eq!(store.list("other/").await.unwrap(), []);
}

#[tokio::test]
async fn the_same_asset_is_stored_once_and_another_never_over_it() {
    let (store, account) = store().await;
    store.ensure_container().await.unwrap();
    let blocks = binary((2 << 20) + 1);
    for (name, bytes) in [("small", Bytes::from("one")), ("large", blocks)] {
        store.put(name, bytes.clone(), &properties(&bytes)).await.unwrap();
        let first = stored(&store, name).await;
        let mut later = properties(&bytes);
        later.metadata.ts = Some(Timestamp::now());
        store.put(name, bytes.clone(), &later).await.unwrap();
        assert_eq!(stored(&store, name).await, first);

        let other = Bytes::from("two");
        let error = store.put(name, other.clone(), &properties(&other)).await.unwrap_err();
        assert!(matches!(error, StoreError::Occupied { .. }), "{error}");
        assert_eq!(error.retry_class(), RetryClass::Terminal);
        assert!(error.to_string().contains(first.metadata.sha256.as_ref().unwrap()), "{error}");
        assert!(download(&link(&account, name)).await == bytes, "{name}");
    }
    // Somebody's own blob, of the right size and without a digest.
    let theirs = BlobProperties { content_type: "text/plain".into(), metadata: BlobMetadata::default() };
    store.put("theirs", Bytes::from("xxx"), &theirs).await.unwrap();
    let error = store.put("theirs", Bytes::from("one"), &properties(b"one")).await.unwrap_err();
    assert!(error.to_string().contains("3 bytes without a sha256"), "{error}");
}

#[tokio::test]
async fn a_block_that_was_damaged_on_its_way_is_refused_by_the_service() {
    let (store, account) = store().await;
    store.ensure_container().await.unwrap();
    let real = account.endpoint.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let line = wire::damaging(real.clone()).await;
    let damaged = store_at(&account.connection_string().replace(&real, &line));
    for size in [1 << 20, 5 << 20] {
        let name = format!("of-{size}");
        let sound = binary(size);
        let mut fragile = sound.to_vec();
        fragile[size - 1] = FRAGILE;
        let error = damaged.put(&name, fragile.clone().into(), &properties(&fragile)).await.unwrap_err();
        assert!(error.to_string().contains("Md5Mismatch"), "{error}");
        assert_eq!(error.retry_class(), RetryClass::Transient);
        assert_eq!(store.head(&name).await.unwrap(), None);
        // It was the damage that was refused, not the line.
        damaged.put(&name, sound.clone(), &properties(&sound)).await.unwrap();
    }
}

#[tokio::test]
async fn an_update_writes_what_differs_and_only_to_the_blob_that_was_looked_at() {
    let (store, account) = store().await;
    store.ensure_container().await.unwrap();
    let mut with_theirs = properties(b"{}");
    with_theirs.metadata.other.insert("owner".into(), "them".into());
    store.put("a", Bytes::from("{}"), &with_theirs).await.unwrap();
    let first = stored(&store, "a").await;

    store.update("a", &first.etag, &properties(b"{}")).await.unwrap();
    assert_eq!(stored(&store, "a").await, first, "nothing differed");

    let mut new = properties(b"{}");
    new.content_type = "text/csv".into();
    new.metadata.ts = Some("2026-11-25T00:00:00Z".parse().unwrap());
    store.update("a", &first.etag, &new).await.unwrap();
    let second = stored(&store, "a").await;
    assert_eq!(second.content_type.as_deref(), Some("text/csv"));
    assert_eq!(second.metadata.ts, new.metadata.ts);
    assert_eq!(second.metadata.sha256, first.metadata.sha256);
    assert_eq!(second.metadata.other["owner"], "them");
    assert_ne!(second.etag, first.etag);
    let response = reqwest::get(link(&account, "a")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/csv");

    let error = store.update("a", &first.etag, &properties(b"{}")).await.unwrap_err();
    assert!(matches!(error, StoreError::Precondition(_)), "{error}");
    assert_eq!(error.retry_class(), RetryClass::Transient);
    assert_eq!(stored(&store, "a").await, second);
    let error = store.update("absent", &first.etag, &new).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(_) | StoreError::Precondition(_)), "{error}");
}

#[tokio::test]
async fn a_wrong_key_is_for_the_user_to_mend() {
    let (_, account) = store().await;
    let wrong = "d3Jvbmcta2V5LXdyb25nLWtleQ==";
    let store = store_at(&account.connection_string().replace(&account.key, wrong));
    let results = [
        store.ensure_container().await,
        store.list("").await.map(drop),
        store.head("a").await.map(drop),
        store.put("a", Bytes::from("{}"), &properties(b"{}")).await,
    ];
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.retry_class(), RetryClass::Terminal, "{error}");
        assert!(error.to_string().contains("403"), "{error}");
        let shown = format!("{error} {error:?} {store:?}");
        assert!(!shown.contains(wrong) && !shown.contains("SharedKey "), "{shown}");
    }
    assert!(matches!(store.list("").await.unwrap_err(), StoreError::Unauthorized(_)));
}

#[tokio::test]
async fn a_link_that_does_not_open_is_told_without_the_link() {
    let (store, account) = store().await;
    store.ensure_container().await.unwrap();
    store.put("a", Bytes::from("{}"), &properties(b"{}")).await.unwrap();
    let good = link(&account, "a");
    let tampered = good.replace("se=2", "se=3");
    for (link, status) in [(&tampered, "403"), (&link(&account, "absent"), "404")] {
        let error = store.probe(link).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(status), "{shown}");
        assert!(!shown.contains("sig=") && !shown.contains(&account.endpoint), "{shown}");
    }
}
