//! What is reported. Bounded at any fleet size, computed whole in every reconcile, written only when it differs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
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
    /// Ready and Acknowledged; beside them, only while they are True, Reconciling, Stalled, Renewing, Suspended and what holds up storage, hub or single devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The revision that devices are to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetStatus>,
    /// The links that lead to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sas: Option<SasStatus>,
    /// The value of the annotation blobrollout.dev/reconcileRequestedAt after whose change everything has been looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_request: Option<String>,
    /// How far the fleet is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<DevicesStatus>,
    /// The hub that the twins are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubStatus>,
    /// Up to 20 devices that did not get or could not use the revision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["deviceId".into()]))]
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
    /// The earliest expiry of any link that a twin may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_time: Option<Time>,
    /// When the next renewal begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_time: Option<Time>,
    /// Devices that hold a link of this rollout, of whatever revision, that is due for renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices_on_old_link: Option<i64>,
    /// When the last renewal was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_renewal_time: Option<Time>,
    /// The value of the annotation blobrollout.dev/renewRequestedAt whose renewal is done: wait for it after setting the annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_renew_request: Option<String>,
}

/// How far the fleet is. Linked devices are received, failed or pending; unreachable ones are pending too.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DevicesStatus {
    /// Devices that the target picks.
    #[serde(default)]
    pub targeted: i64,
    /// Of these, devices whose twin links to this revision, answered or not.
    #[serde(default)]
    pub linked: i64,
    /// Of the linked, devices that acknowledged it.
    #[serde(default)]
    pub received: i64,
    /// Of the linked, devices that answered that they could not use it.
    #[serde(default)]
    pub failed: i64,
    /// Of the linked, devices that have not answered yet.
    #[serde(default)]
    pub pending: i64,
    /// Of the pending, devices that are not connected: they get the link when they are back.
    #[serde(default)]
    pub unreachable: i64,
    /// Of the targeted, devices left alone because their twin links to another BlobRollout's asset.
    #[serde(default)]
    pub conflicted: i64,
    /// Devices whose twin the hub refuses to change; tried again once an hour.
    #[serde(default)]
    pub refused: i64,
    /// Targeted devices that are due and were not written by the last round that ended.
    #[serde(default)]
    pub remaining: i64,
    /// received/targeted, for people.
    #[serde(default)]
    pub summary: String,
    /// When these numbers were first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_time: Option<Time>,
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
