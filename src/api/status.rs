//! What we report. Bounded at any fleet size, computed whole on every pass, written only when it differs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a rollout. A wiped status is computed again from twins and blobs; what is read back are the account, the hub and the asset, so that none of them goes unnoticed when it is another or lost.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BlobRolloutStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Acknowledged, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The revision that devices are to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetStatus>,
    /// The links that lead to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sas: Option<SasStatus>,
    /// How far the fleet is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<DevicesStatus>,
    /// The hub that the twins are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubStatus>,
    /// Up to 20 devices that did not get or could not use the revision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureStatus>,
}

/// The revision that devices are to have.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AssetStatus {
    /// The first twelve digits of the digest, for people.
    pub revision: String,
    /// SHA-256 of the content in lower-case hex.
    pub sha256: String,
    /// Size in bytes.
    pub size: i64,
    /// The blob's address, without any signature.
    pub uri: String,
    /// When this content last became the one to deliver: the twin's ts.
    pub ts: String,
}

/// The links that lead to it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SasStatus {
    /// When the first of the links in the twins expires unless it is renewed.
    pub expires_at: String,
    /// When the next renewal begins.
    pub renew_at: String,
}

/// How far the fleet is. targeted = linked + those still without this revision; linked = received + failed + pending; unreachable is a
/// part of pending.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DevicesStatus {
    /// Devices that the target picks.
    pub targeted: i64,
    /// Of these, devices whose twin links to this revision, answered or not.
    pub linked: i64,
    /// Of the linked, devices that acknowledged it.
    pub received: i64,
    /// Of the linked, devices that answered that they could not use it.
    pub failed: i64,
    /// Of the linked, devices that have not answered yet.
    pub pending: i64,
    /// Of the pending, devices that are not connected: they get the link when they are back.
    #[serde(default)]
    pub unreachable: i64,
    /// Of the unlinked, devices left alone because their twin links to another BlobRollout's asset.
    pub conflicted: i64,
    /// received/targeted, for people.
    pub summary: String,
    /// When these numbers were first seen.
    pub observed_at: String,
}

/// The hub that the twins are in.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HubStatus {
    /// Its host name.
    pub host_name: String,
}

/// A device that did not get or could not use the revision.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// The device.
    pub device_id: String,
    /// Why, in a few words.
    pub reason: String,
}
