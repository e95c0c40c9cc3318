//! What a service must not get away with, and what it may ask for.

use std::time::Duration;

use blobrollout::{
    clock::Clock,
    retry_class::RetryClass,
    storage::{BlobStore, StorageAccount, StoreError},
};
use bytes::Bytes;

use crate::{
    properties, store_at,
    wire::{Answer, FakeService},
};

/// A store on a service that is not one.
fn store_on(fake: &FakeService) -> BlobStore {
    store_at(&format!("AccountName=acct;AccountKey=a2V5;BlobEndpoint=http://{}/acct", fake.address))
}

#[tokio::test]
async fn an_update_writes_the_content_type_last_and_clears_nothing() {
    let fake = FakeService::answering(vec![
        Answer::Send {
            status: "200 OK",
            headers: "etag: \"0x1\"\r\ncontent-type: a/old\r\ncontent-md5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\n\
                      content-encoding: br\r\ncontent-language: de\r\ncache-control: no-store\r\n\
                      content-disposition: inline\r\n",
            body: "",
        },
        Answer::Send { status: "200 OK", headers: "etag: \"0x2\"\r\n", body: "" },
    ])
    .await;
    store_on(&fake).update("a", "\"0x1\"", &properties(b"")).await.unwrap();
    let requests = fake.requests();
    let [head, metadata, content_type] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(head.starts_with("HEAD ") && head.contains("if-match: \"0x1\""), "{head}");
    assert!(metadata.contains("comp=metadata") && metadata.contains("if-match: \"0x1\""), "{metadata}");
    for line in [
        "if-match: \"0x2\"",
        "x-ms-blob-content-type: application/json",
        "x-ms-blob-content-md5: 1B2M2Y8AsgTpgAmY7PhCfg==",
        "x-ms-blob-content-encoding: br",
        "x-ms-blob-content-language: de",
        "x-ms-blob-cache-control: no-store",
        "x-ms-blob-content-disposition: inline",
    ] {
        assert!(
            content_type.contains("comp=properties") && content_type.contains(line),
            "{line}: {content_type}"
        );
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_tried_again() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for endpoint in [format!("http://127.0.0.1:{port}/acct"), "https://storage.invalid/acct".into()] {
        let store = store_at(&format!("AccountName=acct;AccountKey=a2V5;BlobEndpoint={endpoint}"));
        let error = store.list("").await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
        assert_eq!(error.retry_class(), RetryClass::Transient);
    }
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up() {
    let fake = FakeService::answering(vec![Answer::Silence]).await;
    let account = format!("AccountName=acct;AccountKey=a2V5;BlobEndpoint=http://{}/acct", fake.address);
    let impatient = reqwest::Client::builder().timeout(Duration::from_millis(100)).build().unwrap();
    let store = BlobStore::new(
        &StorageAccount::parse(&account, true).unwrap(),
        "rollouts",
        impatient,
        Clock::system(),
    )
    .unwrap();
    let link = format!("http://{}/acct/rollouts/a?sig=x", fake.address);
    for error in [store.list("").await.unwrap_err(), store.probe(&link).await.unwrap_err()] {
        assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
        assert!(error.to_string().contains("no answer in time"), "{error}");
    }
}

const BUSY: Answer = Answer::Send {
    status: "503 Busy",
    headers: "x-ms-error-code: ServerBusy\r\nretry-after: 86400\r\n",
    body: "",
};
const BROKEN: Answer =
    Answer::Send { status: "500 Oops", headers: "x-ms-error-code: InternalError\r\n", body: "" };
const CREATED: Answer = Answer::Send { status: "201 Created", headers: "etag: \"0x1\"\r\n", body: "" };
const EXISTS: Answer =
    Answer::Send { status: "409 There", headers: "x-ms-error-code: BlobAlreadyExists\r\n", body: "" };
/// The digest is the one of no bytes.
const OURS: Answer = Answer::Send {
    status: "200 OK",
    headers: "x-ms-meta-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\netag: \"0x1\"\r\n",
    body: "",
};

#[tokio::test]
async fn short_disturbances_are_ridden_out_and_a_busy_service_is_left_alone() {
    let put = async |answers: &[Answer]| {
        let fake = FakeService::answering(answers.to_vec()).await;
        let result = store_on(&fake).put("a", Bytes::new(), &properties(b"")).await;
        (result, fake.requests().len())
    };
    assert_eq!(put(&[BROKEN, Answer::HangUp, CREATED]).await, (Ok(()), 3));
    // The first was done, and its answer lost.
    assert_eq!(put(&[Answer::HangUp, EXISTS, OURS]).await, (Ok(()), 3));
    let (broken, tries) = put(&[BROKEN]).await;
    assert_eq!((broken.unwrap_err().retry_class(), tries), (RetryClass::Transient, 3));
    let (busy, tries) = put(&[BUSY]).await;
    assert_eq!((busy.unwrap_err().retry_class(), tries), (RetryClass::RetryAfter(Duration::from_mins(5)), 1));
}

#[tokio::test]
async fn a_listing_is_read_to_its_last_page() {
    let page = |body| Answer::Send { status: "200 OK", headers: "content-type: application/xml\r\n", body };
    let fake = FakeService::answering(vec![
        page(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs><Blob><Name>p/1</Name><Properties>\
             <Content-Length>3</Content-Length><Etag>0x1</Etag><Content-Type>text/plain</Content-Type></Properties>\
             <Metadata><Uid>u</Uid></Metadata></Blob></Blobs><NextMarker>2!next</NextMarker></EnumerationResults>",
        ),
        page(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs><Blob><Name>p/2</Name><Properties>\
             <Content-Length>0</Content-Length><Etag>0x2</Etag></Properties></Blob></Blobs><NextMarker/>\
             </EnumerationResults>",
        ),
    ])
    .await;
    let blobs = store_on(&fake).list("p/").await.unwrap();
    let seen: Vec<_> = blobs.iter().map(|blob| (&*blob.name, blob.size, &*blob.etag)).collect();
    assert_eq!(seen, [("p/1", 3, "\"0x1\""), ("p/2", 0, "\"0x2\"")]);
    assert_eq!(blobs[0].metadata.uid.as_deref(), Some("u"));
    let requests = fake.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].contains("marker=2%21next") && requests[1].contains("prefix=p%2F"), "{requests:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = FakeService::answering(vec![CREATED]).await;
    let headers: &'static str = format!("location: http://{}/\r\n", elsewhere.address).leak();
    let fake = FakeService::answering(vec![Answer::Send { status: "302 Found", headers, body: "" }]).await;
    let store = store_on(&fake);
    for error in [
        store.put("a", Bytes::new(), &properties(b"")).await.unwrap_err(),
        store.probe(&format!("http://{}/acct/c/a?sig=x", fake.address)).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("302"), "{error}");
    }
    assert!(elsewhere.requests().is_empty());
}
