//! The IoT Hub, and how much of it may be used.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::key_ref::KeyRef;

/// The IoT Hub.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HubSpec {
    /// The Secret's key that holds a service connection string of the hub; the policy `service` is enough.
    pub connection_string_secret_ref: KeyRef,
    /// The hub's tier and units. They decide how fast twins are written: a service credential cannot ask the hub for them.
    #[serde(default)]
    pub sku: SkuSpec,
    /// How much of the hub's twin and query rates may be used; the rest is for the devices' answers and for others.
    #[serde(default = "defaults::share")]
    #[x_kube(validation = Rule::new("self.matches('^([1-9][0-9]?|100)%$')").message("spec.hub.share must be a percentage from 1% to 100%, such as 80%"))]
    #[schemars(length(max = 4))]
    pub share: String,
}

/// The hub's tier and units.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.name != 'F1' || self.units == 1").message("spec.hub.sku.units must be 1 for F1: a free hub has one unit").field_path(".units"),
    validation = Rule::new("self.name != 'S3' || self.units <= 10").message("spec.hub.sku.units must be 1 to 10 for S3: no hub has more of them").field_path(".units")
)]
pub struct SkuSpec {
    /// The tier. The basic tiers have no device twins and so cannot be used.
    #[serde(default = "defaults::tier")]
    #[schemars(extend("enum" = ["F1", "S1", "S2", "S3"]))]
    pub name: String,
    /// How many units of it: 1 of F1, 1 to 200 of S1 and S2, 1 to 10 of S3.
    #[serde(default = "defaults::units")]
    #[schemars(range(min = 1, max = 200))]
    pub units: i64,
}

impl Default for SkuSpec {
    fn default() -> Self {
        Self { name: defaults::tier(), units: defaults::units() }
    }
}

/// Defaults that the schema carries.
mod defaults {
    pub(super) fn share() -> String {
        "80%".into()
    }
    pub(super) fn tier() -> String {
        "S1".into()
    }
    pub(super) fn units() -> i64 {
        1
    }
}
