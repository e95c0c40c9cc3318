//! Where an asset comes from.

pub mod objects;

use bytes::Bytes;
use kube::Client;

use crate::{retry_class::RetryClass, rollout::validate::Source};
use objects::ObjectError;

/// Largest asset of a ConfigMap or Secret, in bytes: the limit that Kubernetes sets to such an object.
const OBJECT_LIMIT: usize = 1024 * 1024;

/// Why an asset could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The object that holds it.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// It is too big.
    #[error("the asset is {size} bytes, and a ConfigMap or Secret carries at most {OBJECT_LIMIT}")]
    TooBig {
        /// Its size in bytes.
        size: usize,
    },
}

impl SourceError {
    /// What follows.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Object(error) => error.retry_class(),
            Self::TooBig { .. } => RetryClass::Terminal,
        }
    }
}

/// Reads the asset of a rollout in `namespace`.
pub async fn read(client: &Client, namespace: &str, source: &Source) -> Result<Bytes, SourceError> {
    let bytes = match source {
        Source::Inline(bytes) => bytes.clone(),
        Source::ConfigMap(key) => objects::config_map_key(client, namespace, key).await?,
        Source::Secret(key) => objects::secret_key(client, namespace, key).await?,
    };
    if bytes.len() > OBJECT_LIMIT {
        return Err(SourceError::TooBig { size: bytes.len() });
    }
    Ok(bytes)
}
