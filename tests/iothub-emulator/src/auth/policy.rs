//! Shared access policies: the five that every hub starts with, and what each may do.

use std::fmt;

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

/// The policies of a new hub; `new_key` makes the key of each.
pub(crate) fn defaults(new_key: impl Fn() -> String) -> Vec<Policy> {
    use Permission::{DeviceConnect, RegistryRead, RegistryWrite, ServiceConnect};
    let table: [(&str, &[Permission]); 5] = [
        ("iothubowner", &[RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect]),
        ("service", &[ServiceConnect]),
        ("device", &[DeviceConnect]),
        ("registryRead", &[RegistryRead]),
        ("registryReadWrite", &[RegistryRead, RegistryWrite]),
    ];
    table.into_iter().map(|(name, permissions)| Policy { name, permissions, key: new_key() }).collect()
}
