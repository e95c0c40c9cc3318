//! Where the asset is kept for the devices to download.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::key_ref::KeyRef;

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
