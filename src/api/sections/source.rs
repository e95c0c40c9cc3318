//! Where the asset comes from.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::key_ref::KeyRef;

/// Where the asset comes from: exactly one of the fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(validation = Rule::new("[has(self.inline) && dyn(self.inline) != null, has(self.configMapKeyRef) && dyn(self.configMapKeyRef) != null, has(self.secretKeyRef) && dyn(self.secretKeyRef) != null].filter(given, given).size() == 1").message("spec.source must name exactly one of inline, configMapKeyRef and secretKeyRef"))]
pub struct SourceSpec {
    /// The asset itself, up to 128 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlineSource>,
    /// A key of a ConfigMap in the same namespace, text or binary, up to 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A key of a Secret in the same namespace, up to 1 MiB. Devices get its content: whoever can read the link can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
}

/// An asset written into the resource: exactly one of the fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(validation = Rule::new("(has(self.text) && dyn(self.text) != null) != (has(self.base64) && dyn(self.base64) != null)").message("spec.source.inline must have exactly one of text and base64"))]
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
