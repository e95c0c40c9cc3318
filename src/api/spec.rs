//! What a user declares. The types take whatever the schema admits: values are parsed afterwards (see [`super::intent`]), because
//! one stored object that does not deserialise would stop the watch for all.

#![allow(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::BlobRolloutStatus;

/// A duration's form, as CEL sees it. Go's units up to hours, no sign.
const DURATION: &str = "self.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms))+$')";
const PROPERTY: &str = "self.matches('^[A-Za-z_][A-Za-z0-9_-]{0,63}$')";

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
        json_path = ".status.sas.expiresAt",
        description = "When the links in the twins expire unless renewed"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether the asset is stored and every targeted device holds a live link"
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
        name = "Reason",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why Ready is as it is"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        description = "The same in a sentence"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.storage.container == oldSelf.storage.container").message("spec.storage.container is immutable: create another BlobRollout for another container").field_path(".storage.container"),
    validation = Rule::new("has(self.storage.prefix) == has(oldSelf.storage.prefix) && (!has(self.storage.prefix) || self.storage.prefix == oldSelf.storage.prefix)").message("spec.storage.prefix is immutable, also adding or removing it: create another BlobRollout for another prefix"),
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

/// Where the asset comes from: exactly one of the fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.inline), has(self.configMapRef), has(self.secretRef)].filter(given, given).size() == 1").message("spec.source must name exactly one of inline, configMapRef and secretRef"))]
pub struct SourceSpec {
    /// The asset itself, up to 128 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlineSource>,
    /// A key of a ConfigMap in the same namespace, text or binary, up to 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<KeyRef>,
    /// A key of a Secret in the same namespace, up to 1 MiB. Devices get its content: whoever can read the link can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<KeyRef>,
}

/// An asset written into the resource: exactly one of the fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.text) != has(self.base64)").message("spec.source.inline must have exactly one of text and base64"))]
pub struct InlineSource {
    /// The asset as text, at most 131072 bytes of UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 131_072))]
    pub text: Option<String>,
    /// The asset in standard base64, at most 131072 bytes when decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 180_000))]
    pub base64: Option<String>,
}

/// One key of a ConfigMap or Secret in the BlobRollout's own namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Where the asset is kept for the devices to download.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StorageSpec {
    /// The blob container; created, without public access, if it does not exist.
    #[x_kube(validation = Rule::new("self.size() >= 3 && self.matches('^[a-z0-9](-?[a-z0-9])+$')").message("spec.storage.container must be 3 to 63 lower-case letters, digits and single hyphens, such as rollouts"))]
    #[schemars(length(max = 63))]
    pub container: String,
    /// Stands before the namespace in every blob's name. Must differ between clusters that share a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$')").message("spec.storage.prefix must be letters, digits, hyphens and underscores, parts separated by single slashes, such as plant-a/line-1"))]
    #[schemars(length(max = 253))]
    pub prefix: Option<String>,
    /// The Secret's key that holds the storage account's connection string, with its account key.
    pub connection_string_secret_ref: KeyRef,
}

impl StorageSpec {
    /// What all blob names of the rollout `namespace`/`name` begin with, without a slash at the end.
    pub fn path(&self, namespace: &str, name: &str) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}/{namespace}/{name}"),
            None => format!("{namespace}/{name}"),
        }
    }
}

/// The links' lifetime.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.renewBefore) || !self.renewBefore.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms))+$') || !self.lifetime.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms))+$') || duration(self.renewBefore) + duration(self.renewBefore) <= duration(self.lifetime)").message("spec.sas.renewBefore must be at most half of spec.sas.lifetime: links are minted every half lifetime"))]
pub struct SasSpec {
    /// How long a link is valid from the moment it is minted, 1m to 8760h. A new link has half of it to all of it left, and is replaced before less than spec.sas.renewBefore is left.
    #[serde(default = "defaults::lifetime")]
    #[x_kube(validation = Rule::new(format!("{DURATION} && duration(self) >= duration('1m') && duration(self) <= duration('8760h')")).message("spec.sas.lifetime must be hours, minutes and seconds between 1m and 8760h (days have no unit: for 7d write 168h)"))]
    #[schemars(length(max = 32))]
    pub lifetime: String,
    /// How long before its expiry a link is renewed: at most half of the lifetime, by default a third of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(format!("{DURATION} && duration(self) >= duration('1s') && duration(self) <= duration('8760h')")).message("spec.sas.renewBefore must be hours, minutes and seconds, such as 56h (days have no unit: for 2d write 48h)"))]
    #[schemars(length(max = 32))]
    pub renew_before: Option<String>,
}

impl Default for SasSpec {
    fn default() -> Self {
        Self { lifetime: defaults::lifetime(), renew_before: None }
    }
}

/// The IoT Hub.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HubSpec {
    /// The Secret's key that holds a service connection string of the hub; the policy `service` is enough.
    pub connection_string_secret_ref: KeyRef,
    /// The hub's tier and units. They decide how fast we go: a service credential cannot ask the hub for them.
    #[serde(default)]
    pub sku: SkuSpec,
    /// How much of the hub's twin and query rates we may use; the rest is for the devices' answers and for others.
    #[serde(default = "defaults::share")]
    #[x_kube(validation = Rule::new("self.matches('^([1-9][0-9]?|100)%$')").message("spec.hub.share must be a percentage from 1% to 100%, such as 80%"))]
    #[schemars(length(max = 4))]
    pub share: String,
}

/// The hub's tier and units.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SkuSpec {
    /// The tier. The basic tiers have no device twins (IoT Hub docs, "Choose the right IoT Hub tier and size").
    #[serde(default = "defaults::tier")]
    #[schemars(extend("enum" = ["F1", "S1", "S2", "S3"]))]
    pub name: String,
    /// How many units of it, 1 to 200.
    #[serde(default = "defaults::units")]
    #[schemars(range(min = 1, max = 200))]
    pub units: i64,
}

impl Default for SkuSpec {
    fn default() -> Self {
        Self { name: defaults::tier(), units: defaults::units() }
    }
}

/// Which devices get the asset: exactly one of `query` and `deviceIds`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.query) != has(self.deviceIds)").message("spec.target must have exactly one of query and deviceIds"))]
pub struct TargetSpec {
    /// A condition of the IoT Hub query language, such as `tags.site = 'plant-a'`, or a whole `SELECT … FROM devices WHERE …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3000))]
    pub query: Option<String>,
    /// The devices by id, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.size() >= 1 && self.size() <= 1000").message("spec.target.deviceIds must name 1 to 1000 devices: pick more by query"), validation = Rule::new("self.all(id, id.matches('^[A-Za-z0-9:.+%_#*?!(),=@$\\'-]{1,128}$'))").message("spec.target.deviceIds must be device ids: 1 to 128 letters, digits and - : . + % _ # * ? ! ( ) , = @ $ '"))]
    #[schemars(length(max = 1000), inner(length(max = 128)))]
    pub device_ids: Option<Vec<String>>,
    /// Guard: where more devices match, none is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_devices: Option<i64>,
}

/// Where in the twin the link stands.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TwinSpec {
    /// The desired property that carries the link, at the top level.
    #[serde(default = "defaults::property")]
    #[x_kube(validation = Rule::new(PROPERTY).message("spec.twin.property must be a name that a twin can have: a letter or underscore, then up to 63 letters, digits, underscores and hyphens"))]
    #[schemars(length(max = 64))]
    pub property: String,
    /// The reported property in which devices answer; the same name where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(PROPERTY).message("spec.twin.reportedProperty must be a name that a twin can have: a letter or underscore, then up to 63 letters, digits, underscores and hyphens"))]
    #[schemars(length(max = 64))]
    pub reported_property: Option<String>,
    /// What the twin carries beside uri, ts and contentType: the asset's SHA-256 in lower-case hex, its size in bytes. Clients that do
    /// not know them ignore them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("items" = {"type": "string", "enum": ["sha256", "size"]}))]
    pub extra_fields: Vec<String>,
}

impl Default for TwinSpec {
    fn default() -> Self {
        Self { property: defaults::property(), reported_property: None, extra_fields: Vec::new() }
    }
}

/// Defaults that the schema carries.
mod defaults {
    pub(super) fn interval() -> String {
        "5m".into()
    }
    pub(super) fn content_type() -> String {
        "application/octet-stream".into()
    }
    pub(super) fn lifetime() -> String {
        "168h".into()
    }
    pub(super) fn share() -> String {
        "80%".into()
    }
    pub(super) fn tier() -> String {
        "S1".into()
    }
    pub(super) fn units() -> i64 {
        1
    }
    pub(super) fn property() -> String {
        "configurationBlob".into()
    }
}
