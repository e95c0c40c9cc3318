//! Which devices get the asset.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Which devices get the asset: exactly one of `query` and `deviceIds`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(validation = Rule::new("(has(self.query) && dyn(self.query) != null) != (has(self.deviceIds) && dyn(self.deviceIds) != null)").message("spec.target must have exactly one of query and deviceIds"))]
pub struct TargetSpec {
    /// A condition of the IoT Hub query language, such as `tags.site = 'plant-a'`, or a whole `SELECT … FROM devices WHERE …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3000))]
    pub query: Option<String>,
    /// The devices by id, at most 1,000, each once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.size() >= 1 && self.size() <= 1000").message("spec.target.deviceIds must name 1 to 1000 devices: pick more by query"), validation = Rule::new("self.all(id, id.matches('^[A-Za-z0-9:.+%_#*?!(),=@$\\'-]{1,128}$'))").message("spec.target.deviceIds must be device ids: 1 to 128 letters, digits and - : . + % _ # * ? ! ( ) , = @ $ '"))]
    #[schemars(length(max = 1000), inner(length(max = 128)))]
    pub device_ids: Option<Vec<String>>,
    /// Guard: where more devices match, none is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_devices: Option<i64>,
}
