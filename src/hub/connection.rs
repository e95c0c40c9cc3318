//! A hub's connection string: the service form with the name and the key of a shared access policy.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Where a hub is and the policy key that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct HubConnection {
    host: String,
    policy: String,
    key: Vec<u8>,
}

/// What is wrong with a connection string. Never holds any of its values: they may be misplaced keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubConnectionError {
    /// A part is absent or empty.
    #[error(
        "the IoT Hub connection string lacks {0}: \
         it reads HostName=<hub>.azure-devices.net;SharedAccessKeyName=<policy>;SharedAccessKey=<key>"
    )]
    Missing(&'static str),
    /// A part has a value that cannot be right.
    #[error("the IoT Hub connection string is malformed: {part} is not {wanted}")]
    Malformed {
        /// The part's name.
        part: &'static str,
        /// What its value has to be.
        wanted: &'static str,
    },
    /// A string for something other than a hub's service side.
    #[error(
        "this is the connection string of {0}: the operator needs that of a shared access policy of the IoT Hub, \
         such as `service` (az iot hub connection-string show --policy-name service)"
    )]
    OfAnother(&'static str),
}

/// Parts that give away a string for something else.
const STRANGERS: [(&str, &str); 6] = [
    ("DeviceId", "a device"),
    ("AccountName", "a storage account"),
    ("AccountKey", "a storage account"),
    ("BlobEndpoint", "a storage account"),
    ("DefaultEndpointsProtocol", "a storage account"),
    ("Endpoint", "an Event Hub or a Service Bus"),
];

impl HubConnection {
    /// Reads a service connection string. Parts stand between `;`, and a part's name ends at its first `=`, for base64 ends with
    /// such signs as well (IoT Hub docs, "Control access with shared access signatures").
    pub fn parse(text: &str) -> Result<Self, HubConnectionError> {
        let parts: Vec<(&str, &str)> = text
            .split(';')
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let part = |name: &str| {
            let found = parts.iter().rev().find(|(given, _)| given.eq_ignore_ascii_case(name));
            found.map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        if let Some((_, what)) = STRANGERS.iter().find(|(name, _)| part(name).is_some()) {
            return Err(HubConnectionError::OfAnother(what));
        }
        let required = |name| part(name).ok_or(HubConnectionError::Missing(name));
        let host = required("HostName")?;
        if !is_host(host) {
            return Err(HubConnectionError::Malformed {
                part: "HostName",
                wanted: "a host name without scheme and path, such as <hub>.azure-devices.net",
            });
        }
        let policy = required("SharedAccessKeyName")?;
        let key = BASE64_STANDARD.decode(required("SharedAccessKey")?).ok().filter(|key| !key.is_empty());
        let key = key.ok_or(HubConnectionError::Malformed {
            part: "SharedAccessKey",
            wanted: "the policy's key in base64",
        })?;
        Ok(Self { host: host.into(), policy: policy.into(), key })
    }

    /// The hub's host as written, with a port where one was given.
    pub fn host_name(&self) -> &str {
        &self.host
    }

    /// The shared access policy's name.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Tells keys apart without telling the key: the first 16 bytes of a SHA-256 over it, in hex.
    pub fn fingerprint(&self) -> String {
        let digest =
            Sha256::new().chain_update(b"blobrollout key fingerprint").chain_update(&self.key).finalize();
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        format!("{:032x}", u128::from_be_bytes(first))
    }

    /// HMAC-SHA256 of `text` in base64.
    pub(super) fn sign(&self, text: &str) -> String {
        // HMAC takes a key of any length, so this cannot fail; an empty signature would be refused by the hub.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(text.as_bytes());
        BASE64_STANDARD.encode(mac.finalize().into_bytes())
    }
}

/// Whether `text` is a host with or without a port and nothing else.
fn is_host(text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c));
    plain && url::Url::parse(&format!("https://{text}/")).is_ok()
}

impl fmt::Debug for HubConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubConnection")
            .field("host", &self.host)
            .field("policy", &self.policy)
            .field("key", &"[redacted]")
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_service_form() {
        for (text, host) in [
            (
                "HostName=My.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=QUFBQUFBQUE=",
                "My.azure-devices.net",
            ),
            (
                "SharedAccessKey=QUFBQUFBQUE=;HostName=localhost:8443;SharedAccessKeyName=service;\n",
                "localhost:8443",
            ),
            (
                "hostname=127.0.0.1:1;SharedAccessKeyName=service;SharedAccessKey=QUFBQUFBQUE=;Extra=1;;",
                "127.0.0.1:1",
            ),
        ] {
            let connection = HubConnection::parse(text).unwrap();
            assert_eq!((connection.host_name(), connection.policy()), (host, "service"));
            assert_eq!(connection.key, b"AAAAAAAA");
        }
    }

    #[test]
    fn refuses_with_what_would_be_right_and_without_the_key() {
        for (text, want) in [
            ("", "lacks HostName"),
            ("c2VjcmV0", "lacks HostName"),
            ("HostName=;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0", "lacks HostName"),
            ("HostName=h;SharedAccessKey=c2VjcmV0", "lacks SharedAccessKeyName"),
            ("HostName=h;SharedAccessKeyName=n", "lacks SharedAccessKey:"),
            ("HostName=https://h;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0", "HostName is not a host"),
            ("HostName=h/x;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0", "HostName is not a host"),
            ("HostName=h:x;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0", "HostName is not a host"),
            ("HostName=u@h;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0", "HostName is not a host"),
            (
                "HostName=h;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0!",
                "SharedAccessKey is not the policy's key",
            ),
            ("HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0", "of a device"),
            ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0", "of a storage account"),
            ("Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0", "of an Event Hub"),
        ] {
            let error = HubConnection::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
            assert!(!error.contains("c2VjcmV0"), "{text}: {error}");
        }
    }

    #[test]
    fn keys_are_told_apart_but_not_shown() {
        let of = |key: &str| {
            HubConnection::parse(&format!("HostName=h;SharedAccessKeyName=n;SharedAccessKey={key}")).unwrap()
        };
        assert_ne!(of("c2VjcmV0").fingerprint(), of("QUFBQUFBQUE=").fingerprint());
        assert_eq!(of("c2VjcmV0").fingerprint().len(), 32);
        assert_eq!(
            format!("{:?}", of("c2VjcmV0")),
            r#"HubConnection { host: "h", policy: "n", key: "[redacted]" }"#
        );
    }
}
