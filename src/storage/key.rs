//! A storage account's name and key.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// An account with the key that signs its requests and its links.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountKey {
    account: String,
    key: Vec<u8>,
}

impl AccountKey {
    /// `key` is the account key, decoded from base64.
    pub fn new(account: impl Into<String>, key: Vec<u8>) -> Self {
        Self { account: account.into(), key }
    }

    /// The account's name.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// HMAC-SHA256 of `text` in base64, as both shared key and service SAS want it (Azure Storage docs, "Authorize with Shared
    /// Key", "Create a service SAS").
    pub fn sign(&self, text: &str) -> String {
        // HMAC takes a key of any length, so this cannot fail; an empty signature would be refused by the service.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(text.as_bytes());
        BASE64_STANDARD.encode(mac.finalize().into_bytes())
    }

    /// Tells keys apart without telling the key: the first 16 bytes of a SHA-256 over it, in hex.
    pub fn fingerprint(&self) -> String {
        let digest =
            Sha256::new().chain_update(b"blobrollout key fingerprint").chain_update(&self.key).finalize();
        format!("{:x}", Bytes::copy_from_slice(&digest[..16]))
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountKey").field("account", &self.account).field("key", &"[redacted]").finish()
    }
}

#[cfg(test)]
mod tests {
    use super::AccountKey;

    #[test]
    fn keys_are_told_apart_but_not_shown() {
        let (one, two) = (AccountKey::new("a", vec![1]), AccountKey::new("a", vec![2]));
        assert_ne!(one.fingerprint(), two.fingerprint());
        assert_eq!(one.fingerprint().len(), 32);
        assert_eq!(format!("{one:?}"), r#"AccountKey { account: "a", key: "[redacted]" }"#);
    }
}
