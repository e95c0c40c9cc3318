//! The `CustomResourceDefinition`: what the types say, and what no attribute of theirs can say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;
use serde_json::json;

use super::BlobRollout;

/// The definition as it is installed.
///
/// An object that nobody has looked at has a status that says so, or kstatus would call it Current for want of conditions. A status
/// that is null gets it too, because it is not nullable.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = BlobRollout::crd();
    for version in &mut crd.spec.versions {
        let root = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let fields = root.and_then(|root| root.properties.as_mut());
        if let Some(status) = fields.and_then(|fields| fields.get_mut("status")) {
            status.default = Some(JSON(json!({"observedGeneration": -1})));
            status.nullable = None;
        }
    }
    crd
}
