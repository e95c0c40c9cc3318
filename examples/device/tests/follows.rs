//! The device against the hub's emulator and a server of assets that can misbehave.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod assets;

use std::{path::PathBuf, time::Duration};

use assets::Assets;
use bytes::Bytes;
use iothub_emulator::{Emulator, Settings};
use reference_device::{Config, ConnectionString, Shared, run};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);

struct Case {
    hub: Emulator,
    assets: Assets,
    folder: TempDir,
    connection: String,
}

impl Case {
    async fn new() -> Self {
        let hub = Emulator::start(Settings::default()).await.unwrap();
        let connection = hub.create_device("d1", &Value::Null).unwrap();
        Self { hub, assets: Assets::start().await, folder: tempfile::tempdir().unwrap(), connection }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("asset")
    }

    /// Starts the device with a limit of 1,000 bytes.
    fn device(&self) -> (CancellationToken, JoinHandle<()>) {
        let mut config = Config::new(ConnectionString::parse(&self.connection).unwrap(), self.file());
        config.max_size = 1000;
        let stop = CancellationToken::new();
        let shared = Shared::new(Some(self.hub.ca_pem())).unwrap();
        (stop.clone(), tokio::spawn(run(config, shared, stop)))
    }

    /// Links the twin to `path`, with the digest of `promised`.
    fn link(&self, path: &str, promised: Option<&[u8]>) {
        let sha256 = promised.map(|bytes| format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(bytes))));
        let value =
            json!({"uri": self.assets.uri(path), "ts": "2026-11-24T00:00:00.0000000Z", "sha256": sha256});
        self.hub.patch_twin("d1", &json!({"properties": {"desired": {"configurationBlob": value}}})).unwrap();
    }

    fn answer(&self) -> Value {
        self.hub.twin("d1").unwrap()["properties"]["reported"]["configurationBlob"].clone()
    }

    /// Waits for the answer `status` about `path`, and returns it.
    async fn answered(&self, path: &str, status: &str) -> Value {
        let blob = self.assets.uri(path);
        let blob = blob.split('?').next().unwrap();
        let waiting = async {
            loop {
                let answer = self.answer();
                if answer["acknowledged"] == blob && answer["status"] == status {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let Ok(answer) = tokio::time::timeout(PATIENCE, waiting).await else {
            panic!("no answer {status} about {blob}, but {}", self.answer());
        };
        answer
    }

    fn held(&self) -> Vec<u8> {
        std::fs::read(self.file()).unwrap()
    }
}

#[tokio::test]
async fn it_follows_the_link_and_answers_once_for_each_content() {
    let case = Case::new().await;
    case.assets.put("a", b"first");
    case.assets.put("b", b"second");
    // The link is there before the device is.
    case.link("a?sig=one", Some(b"first"));
    let (stop, device) = case.device();
    let answer = case.answered("a", "received").await;
    assert_eq!((case.held(), answer["current"].clone()), (b"first".to_vec(), answer["acknowledged"].clone()));
    assert!(!answer.to_string().contains("sig="));

    // A renewal: another query, the same content. What comes after it has been judged after it.
    case.link("a?sig=two", Some(b"first"));
    case.link("b?sig=one", Some(b"second"));
    case.answered("b", "received").await;
    assert_eq!(case.held(), b"second");
    assert_eq!((case.assets.requests("a"), case.hub.counts().reports), (1, 2));
    // Back to what it had before.
    case.link("a?sig=three", Some(b"first"));
    case.answered("a", "received").await;
    assert_eq!((case.held(), case.assets.requests("a")), (b"first".to_vec(), 2));
    stop.cancel();
    device.await.unwrap();

    // A restart finds its file and its answer, and does nothing; it then follows the next link.
    let reports = case.hub.counts().reports;
    let (stop, device) = case.device();
    case.assets.put("c", b"third");
    case.link("c", None);
    case.answered("c", "received").await;
    assert_eq!((case.assets.requests("a"), case.hub.counts().reports), (2, reports + 1));
    stop.cancel();
    device.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_is_answered_with_failed_and_the_old_file_stays() {
    let case = Case::new().await;
    case.assets.put("good", b"good");
    case.assets.put("other", b"other bytes");
    case.assets.put("large", &[b'x'; 1001]);
    case.link("good", Some(b"good"));
    let (_stop, _device) = case.device();
    let good = case.answered("good", "received").await;
    for (path, promised) in
        [("other", Some(b"what was promised".as_slice())), ("large", None), ("nowhere", None)]
    {
        case.link(path, promised);
        let answer = case.answered(path, "failed").await;
        assert_eq!((&answer["current"], case.held()), (&good["current"], b"good".to_vec()), "{path}");
    }
    // The server is mended; the device has gone on trying.
    case.assets.put("nowhere", b"here");
    case.answered("nowhere", "received").await;
    assert_eq!(case.held(), b"here");
}

#[tokio::test]
async fn a_disturbed_way_is_gone_again() {
    let case = Case::new().await;
    case.assets.put("a", b"whole");
    case.assets.truncate("a", 1);
    case.link("a", None);
    let (_stop, _device) = case.device();
    case.answered("a", "received").await;
    assert_eq!((case.held(), case.assets.requests("a")), (b"whole".to_vec(), 2));

    // A dead link: nothing is answered to it at first, and the newer one is taken.
    case.assets.put("b", b"fresh");
    case.assets.refuse("b?sig=dead");
    case.link("b?sig=dead", None);
    case.assets.requested("b").await;
    case.link("b?sig=alive", None);
    case.answered("b", "received").await;
    assert_eq!(case.held(), b"fresh");
}
