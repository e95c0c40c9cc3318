//! What a user declares. The types take whatever the schema admits: values are parsed afterwards (see [`crate::rollout::validate`]), because
//! one stored object that does not deserialise would stop the watch for all.
//!
//! A null is the same as nothing. The API server replaces it where the schema has a default, for no field with a default is nullable.
//! Every other optional field is an `Option` and nullable, because server-side apply refuses a null where it is not and stores it
//! where it is. So `has()` alone does not say whether a field is given: rules ask for null as well, as `dyn`, for CEL compares no
//! text or list with null.

#![allow(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use super::sections::{
    hub::{HubSpec, SkuSpec},
    key_ref::KeyRef,
    sas::SasSpec,
    source::{InlineSource, SourceSpec},
    storage::StorageSpec,
    target::TargetSpec,
    twin::TwinSpec,
};
use super::{sections::durations::DURATION, status::BlobRolloutStatus};

/// Delivers one asset to the devices of an IoT Hub that a query picks, and reports which of them have acknowledged it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "blobrollout.dev",
    version = "v1alpha1",
    kind = "BlobRollout",
    plural = "blobrollouts",
    singular = "blobrollout",
    shortname = "br",
    category = "iot",
    namespaced,
    status = "BlobRolloutStatus",
    derive = "PartialEq",
    doc = "Delivers one asset to the devices of an IoT Hub that a query picks, and reports which of them have acknowledged it.",
    printcolumn(
        name = "Revision",
        type_ = "string",
        json_path = ".status.asset.revision",
        description = "First twelve digits of the asset's SHA-256"
    ),
    printcolumn(
        name = "Received",
        type_ = "string",
        json_path = ".status.devices.summary",
        description = "Devices that acknowledged this revision, of those targeted"
    ),
    printcolumn(
        name = "Failed",
        type_ = "integer",
        json_path = ".status.devices.failed",
        description = "Devices that answered that they could not use it"
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".status.sas.expiryTime",
        description = "When the first of the links in the twins expires, unless renewed"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether the asset is stored and every targeted device holds a live link"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why Ready is as it is"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Linked",
        type_ = "integer",
        priority = 1,
        json_path = ".status.devices.linked",
        description = "Devices whose twin links to this revision"
    ),
    printcolumn(
        name = "Conflicted",
        type_ = "integer",
        priority = 1,
        json_path = ".status.devices.conflicted",
        description = "Devices whose twin links to another BlobRollout's asset"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        description = "Why Ready is as it is, in a sentence, and what to do"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.storage.container == oldSelf.storage.container").message("spec.storage.container is immutable: create another BlobRollout for another container").field_path(".storage.container"),
    validation = Rule::new("(has(self.storage.prefix) && dyn(self.storage.prefix) != null ? self.storage.prefix : '') == (has(oldSelf.storage.prefix) && dyn(oldSelf.storage.prefix) != null ? oldSelf.storage.prefix : '')").message("spec.storage.prefix is immutable, also adding or removing it: create another BlobRollout for another prefix"),
    validation = Rule::new("self.twin.property == oldSelf.twin.property").message("spec.twin.property is immutable, and configurationBlob where it is not given: create another BlobRollout for another property").field_path(".twin.property")
)]
pub struct BlobRolloutSpec {
    /// Freezes the rollout: no twin gets a new revision while this is true. Links that devices hold are still renewed.
    #[serde(default)]
    pub suspend: bool,

    /// How often the fleet is looked at: the longest time that a device which joins the target waits for its link.
    /// Hours, minutes, seconds; 5s to 24h. While a revision is on its way the fleet is looked at every 15s, or at this interval where it is shorter, as far as
    /// the hub's query budget allows.
    #[serde(default = "defaults::interval")]
    #[x_kube(validation = Rule::new(format!("{DURATION} && duration(self) >= duration('5s') && duration(self) <= duration('24h')")).message("spec.interval must be hours, minutes and seconds between 5s and 24h, such as 5m (days have no unit: for 1d write 24h)"))]
    #[schemars(length(max = 32))]
    pub interval: String,

    /// Where the asset comes from: exactly one of the fields.
    pub source: SourceSpec,

    /// The asset's media type: the blob's Content-Type and the twin's contentType.
    #[serde(default = "defaults::content_type")]
    #[x_kube(validation = Rule::new("self.matches('^[!-~]([ -~]*[!-~])?$')").message("spec.contentType must be 1 to 255 printable ASCII characters, such as application/json, with no space at either end"))]
    #[schemars(length(max = 255))]
    pub content_type: String,

    /// Where the asset is kept for the devices to download.
    pub storage: StorageSpec,

    /// The links' lifetime.
    #[serde(default)]
    pub sas: SasSpec,

    /// The IoT Hub.
    pub hub: HubSpec,

    /// Which devices get the asset.
    pub target: TargetSpec,

    /// Where in the twin the link stands.
    #[serde(default)]
    pub twin: TwinSpec,
}

/// Defaults that the schema carries.
mod defaults {
    pub(super) fn interval() -> String {
        "5m".into()
    }
    pub(super) fn content_type() -> String {
        "application/octet-stream".into()
    }
}
