//! One key of a ConfigMap or Secret, read by name: no list, no other object, never another namespace.

use bytes::Bytes;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{Api, Client};

use crate::{api::spec::KeyRef, retry_class::RetryClass};

/// Why a key could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object.
    #[error("there is no {kind} {name:?} in this namespace: create it")]
    NoObject {
        /// ConfigMap or Secret.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// It has no such key.
    #[error("the {kind} {name:?} has no key {key:?}: add it{}", others(.has))]
    NoKey {
        /// ConfigMap or Secret.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key that is not there.
        key: String,
        /// The keys that are there.
        has: Vec<String>,
    },
    /// The API server does not let us read it.
    #[error(
        "reading the {kind} {name:?} is forbidden: the operator's role must allow it to get {kind}s in this namespace"
    )]
    Forbidden {
        /// ConfigMap or Secret.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The API server did not answer well.
    #[error("the {kind} {name:?} could not be read: {}", in_words(.source))]
    Api {
        /// ConfigMap or Secret.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What happened.
        source: Box<kube::Error>,
    },
}

fn others(has: &[String]) -> String {
    if has.is_empty() {
        return " (it has none)".into();
    }
    let named: Vec<&str> = has.iter().take(5).map(String::as_str).collect();
    format!(", or name one that is there ({})", named.join(", "))
}

impl ObjectError {
    /// What follows.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Api { .. } => RetryClass::Transient,
            _ => RetryClass::Terminal,
        }
    }
}

/// A key of a ConfigMap, text or binary.
pub async fn config_map_key(client: &Client, namespace: &str, key: &KeyRef) -> Result<Bytes, ObjectError> {
    const KIND: &str = "ConfigMap";
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = api.get_opt(&key.name).await.map_err(|error| api_error(KIND, &key.name, error))?;
    let map = map.ok_or_else(|| ObjectError::NoObject { kind: KIND, name: key.name.clone() })?;
    let (text, binary) = (map.data.unwrap_or_default(), map.binary_data.unwrap_or_default());
    if let Some(text) = text.get(&key.key) {
        return Ok(Bytes::from(text.clone()));
    }
    match binary.get(&key.key) {
        Some(ByteString(bytes)) => Ok(Bytes::from(bytes.clone())),
        None => Err(no_key(KIND, key, text.into_keys().chain(binary.into_keys()))),
    }
}

/// A key of a Secret.
pub async fn secret_key(client: &Client, namespace: &str, key: &KeyRef) -> Result<Bytes, ObjectError> {
    const KIND: &str = "Secret";
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = api.get_opt(&key.name).await.map_err(|error| api_error(KIND, &key.name, error))?;
    let secret = secret.ok_or_else(|| ObjectError::NoObject { kind: KIND, name: key.name.clone() })?;
    let data = secret.data.unwrap_or_default();
    match data.get(&key.key) {
        Some(ByteString(bytes)) => Ok(Bytes::from(bytes.clone())),
        None => Err(no_key(KIND, key, data.into_keys())),
    }
}

fn no_key(kind: &'static str, key: &KeyRef, has: impl Iterator<Item = String>) -> ObjectError {
    ObjectError::NoKey { kind, name: key.name.clone(), key: key.key.clone(), has: has.collect() }
}

/// A failed call to the API server in its own words, without the whole answer behind them.
pub fn in_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}

fn api_error(kind: &'static str, name: &str, error: kube::Error) -> ObjectError {
    match &error {
        kube::Error::Api(status) if status.is_forbidden() => {
            ObjectError::Forbidden { kind, name: name.into() }
        }
        _ => ObjectError::Api { kind, name: name.into(), source: Box::new(error) },
    }
}
