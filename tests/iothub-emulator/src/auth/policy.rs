//! Shared access policies: the five that every hub starts with, and what each may do.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::random;

/// What a policy can allow ("Control access to IoT Hub with shared access signatures").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    RegistryRead,
    RegistryWrite,
    ServiceConnect,
    DeviceConnect,
}

/// A named key and what it allows.
pub(crate) struct Policy {
    pub name: &'static str,
    permissions: &'static [Permission],
    /// Base64, as in a connection string.
    pub key: String,
}

impl Policy {
    pub fn allows(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What each policy of a new hub allows.
const DEFAULTS: [(&str, &[Permission]); 5] = {
    use Permission::{DeviceConnect, RegistryRead, RegistryWrite, ServiceConnect};
    [
        ("iothubowner", &[RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect]),
        ("service", &[ServiceConnect]),
        ("device", &[DeviceConnect]),
        ("registryRead", &[RegistryRead]),
        ("registryReadWrite", &[RegistryRead, RegistryWrite]),
    ]
};

/// Keys of policies by their names, base64.
pub(crate) type PolicyKeys = BTreeMap<String, String>;

/// A key for each policy of a new hub.
pub(crate) fn new_keys() -> PolicyKeys {
    let key = || STANDARD.encode(random::bytes::<32>());
    DEFAULTS.iter().map(|(name, _)| ((*name).to_owned(), key())).collect()
}

/// The policies with these keys; one without a key is none.
pub(super) fn with_keys(keys: &PolicyKeys) -> Vec<Policy> {
    let policy = |(name, permissions): &(&'static str, &'static [Permission])| {
        Some(Policy { name, permissions, key: keys.get(*name)?.clone() })
    };
    DEFAULTS.iter().filter_map(policy).collect()
}
