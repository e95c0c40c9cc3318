//! The API server: the object, its source and its Secrets.

use std::{sync::LazyLock, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use blobrollout::{
    api::{BlobRollout, conditions::Reason},
    hub::connection::HubConnection,
    rollout::{asset::Asset, fault::Fault, validate::Source},
    storage::StorageAccount,
    time::{plus, whole_seconds},
};
use bytes::Bytes;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::json;

/// What the API server holds.
pub struct Api {
    /// The object.
    pub object: BlobRollout,
    /// The content of the ConfigMap that the source may name.
    pub config_map: Option<&'static str>,
    /// Which of the storage account's keys is in force and in the Secret.
    pub key: usize,
    /// Objects made so far.
    pub made: u32,
}

static ACCOUNTS: LazyLock<Vec<StorageAccount>> = LazyLock::new(|| {
    let account = |byte: u8| {
        let key = BASE64_STANDARD.encode([byte; 32]);
        StorageAccount::parse(&format!("AccountName=account;AccountKey={key}"), false).unwrap()
    };
    (0..4).map(account).collect()
});

static HUB: LazyLock<HubConnection> = LazyLock::new(|| {
    HubConnection::parse("HostName=h.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=a2V5")
        .unwrap()
});

impl Api {
    /// A usual object, made at `now`.
    pub fn new(now: Timestamp) -> Self {
        let object = json!({
            "apiVersion": "blobrollout.dev/v1alpha1",
            "kind": "BlobRollout",
            "metadata": {"name": "recipes", "namespace": "ns"},
            "spec": {
                "source": {"inline": {"text": "content 0"}},
                "contentType": "text/plain",
                "interval": "15m",
                "sas": {"lifetime": "12h"},
                "storage": {"container": "rollouts", "connectionStringSecretRef": {"name": "storage", "key": "cs"}},
                "hub": {"connectionStringSecretRef": {"name": "hub", "key": "cs"}},
                "target": {"query": "tags.site = 'a'"},
            },
        });
        let object: BlobRollout = serde_json::from_value(object).unwrap();
        let mut api = Self { object, config_map: Some("map 0"), key: 0, made: 0 };
        api.make(now);
        api
    }

    /// Another object of the same name and spec.
    pub fn make(&mut self, now: Timestamp) {
        self.made += 1;
        self.object.metadata.uid = Some(format!("uid-{}", self.made));
        self.object.metadata.generation = Some(1);
        self.object.metadata.deletion_timestamp = None;
        // The API server's clock is no operator's, and does not go back.
        let before = self.object.metadata.creation_timestamp.as_ref();
        let before = before.map_or(Timestamp::UNIX_EPOCH, |time| plus(time.0, Duration::from_secs(1)));
        self.object.metadata.creation_timestamp = Some(Time(whole_seconds(now).max(before)));
        self.object.status = None;
    }

    /// The asset as the source has it now.
    pub fn read(&self, source: &Source) -> Result<Asset, Fault> {
        let bytes = match source {
            Source::Inline(bytes) => Some(bytes.clone()),
            Source::ConfigMap(_) => self.config_map.map(Bytes::from),
            Source::Secret(_) => None,
        };
        bytes.map(Asset::new).ok_or_else(|| Fault::user(Reason::SourceUnavailable, "there is no ConfigMap"))
    }

    /// The account with the key in force.
    pub fn account(&self) -> StorageAccount {
        ACCOUNTS[self.key].clone()
    }

    /// The hub's connection.
    pub fn hub() -> HubConnection {
        HUB.clone()
    }
}
