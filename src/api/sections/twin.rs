//! Where in the twin the link stands.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

const PROPERTY: &str = "self.matches('^[A-Za-z_][A-Za-z0-9_-]{0,63}$')";

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 2), extend("items" = {"type": "string", "enum": ["sha256", "size"]}))]
    pub extra_fields: Option<Vec<String>>,
}

impl Default for TwinSpec {
    fn default() -> Self {
        Self { property: defaults::property(), reported_property: None, extra_fields: None }
    }
}

/// Defaults that the schema carries.
mod defaults {
    pub(super) fn property() -> String {
        "configurationBlob".into()
    }
}
