//! Symmetric keys of devices. Those that the hub makes are derived from its master key when they are needed:
//! a million devices cost no memory for them, and none of the time that making them would take.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::HubError;
use crate::identity::Identity;
use crate::random;

/// The secret from which made keys are derived, of the length that HMAC-SHA256 takes as it is. Base64 in a state file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct MasterKey([u8; 64]);

impl MasterKey {
    pub fn new() -> Self {
        Self(random::bytes())
    }

    /// Primary and secondary key of a device, base64 as in a connection string.
    pub fn keys_of(&self, identity: &Identity) -> [String; 2] {
        let [primary, secondary] = &identity.keys.0;
        let derive = |role: &str| {
            let mut mac = Hmac::<Sha256>::new(&self.0.into());
            mac.update(format!("{role}\n{}\n{}", identity.generation, identity.id).as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        };
        [
            primary.as_deref().map_or_else(|| derive("primary"), str::to_owned),
            secondary.as_deref().map_or_else(|| derive("secondary"), str::to_owned),
        ]
    }
}

impl TryFrom<String> for MasterKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("no master key")
    }
}

impl From<MasterKey> for String {
    fn from(key: MasterKey) -> Self {
        STANDARD.encode(key.0)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// The keys that a client chose; none where the hub's own are in force.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Keys([Option<Box<str>>; 2]);

impl Keys {
    pub fn replace(&mut self, given: [Option<String>; 2]) {
        for (current, new) in self.0.iter_mut().zip(given) {
            if let Some(new) = new {
                *current = Some(new.into());
            }
        }
    }
}

impl From<[Option<String>; 2]> for Keys {
    fn from(given: [Option<String>; 2]) -> Self {
        Self(given.map(|key| key.map(Into::into)))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// Checks a key that a client sent; an empty one is none. Keys have 16 to 64 bytes.
pub(super) fn given(name: &str, key: Option<&str>) -> Result<Option<String>, HubError> {
    let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(None) };
    match STANDARD.decode(key) {
        Ok(bytes) if (16..=64).contains(&bytes.len()) => Ok(Some(key.to_owned())),
        _ => Err(HubError::invalid(format!("{name} must be base64 of 16 to 64 bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{DeviceId, IdentityUpdate};
    use serde_json::json;

    fn identity(id: &str, generation: u64, body: &serde_json::Value) -> Identity {
        let id = DeviceId::parse(id).unwrap();
        let update = IdentityUpdate::parse(&id, body).unwrap();
        Identity::new(id, generation, update)
    }

    #[test]
    fn made_keys_differ_by_device_role_and_generation_and_stay_the_same() {
        let master = MasterKey::new();
        let made = [
            master.keys_of(&identity("a", 1, &json!({}))),
            master.keys_of(&identity("b", 1, &json!({}))),
            master.keys_of(&identity("a", 2, &json!({}))),
        ];
        let all: std::collections::BTreeSet<_> = made.iter().flatten().collect();
        assert_eq!(all.len(), 6);
        assert_eq!(master.keys_of(&identity("a", 1, &json!({}))), made[0]);
    }

    #[test]
    fn empty_keys_are_made_and_given_ones_are_kept() {
        let master = MasterKey::new();
        let given = STANDARD.encode([7; 32]);
        let body = json!({"authentication": {"type": "sas", "symmetricKey": {"primaryKey": given, "secondaryKey": ""}}});
        let keys = master.keys_of(&identity("a", 1, &body));
        assert_eq!(keys[0], given);
        assert_eq!(STANDARD.decode(&keys[1]).unwrap().len(), 32);
    }

    #[test]
    fn wrong_identities_are_refused() {
        let id = DeviceId::parse("a").unwrap();
        for body in [
            json!([]),
            json!({"deviceId": "b"}),
            json!({"status": "sleeping"}),
            json!({"authentication": {"type": "selfSigned"}}),
            json!({"authentication": {"symmetricKey": {"primaryKey": "AAAA"}}}),
            json!({"authentication": {"symmetricKey": {"primaryKey": "not base64"}}}),
        ] {
            assert!(IdentityUpdate::parse(&id, &body).is_err(), "{body}");
        }
    }
}
