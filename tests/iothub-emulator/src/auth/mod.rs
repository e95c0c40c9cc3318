//! Who may do what: shared access policies for services, device keys for devices.

mod policy;
mod sas;

use crate::clock::{Clock, Timestamp};
use crate::error::HubError;
use crate::identity::Identity;
pub(crate) use policy::{Permission, Policy, PolicyKeys, new_keys};
pub(crate) use sas::{SasToken, sign};

/// The hub's policies, and the names by which clients may know it.
#[derive(Debug)]
pub(crate) struct Authority {
    policies: Vec<Policy>,
    /// Lower case, without port.
    host_names: Vec<String>,
}

impl Authority {
    pub fn new(host_names: impl IntoIterator<Item = String>, keys: &PolicyKeys) -> Self {
        Self {
            policies: policy::with_keys(keys),
            host_names: host_names.into_iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// Whether a client that names `host` (with or without a port) means this hub.
    pub fn knows_host(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => name,
            _ => host,
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        self.host_names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Judges the `Authorization` header of a service call on `path` (`/twins/dev1`, decoded).
    pub fn authorize_service(
        &self,
        header: Option<&str>,
        path: &str,
        needed: Permission,
        clock: &Clock,
    ) -> Result<(), HubError> {
        let token = header.and_then(SasToken::parse).ok_or_else(HubError::unauthorized)?;
        let policy = token.policy.as_deref().and_then(|name| self.policy(name));
        let granted = policy.is_some_and(|policy| policy.allows(needed) && token.is_signed_by(&policy.key));
        if granted && self.is_current_for(&token, path, clock) {
            Ok(())
        } else {
            Err(HubError::unauthorized())
        }
    }

    /// Judges the MQTT password of a device or a module; gives the time at which it expires.
    pub fn authorize_device(
        &self,
        password: &str,
        identity: &Identity,
        keys: &[String; 2],
        clock: &Clock,
    ) -> Result<Timestamp, HubError> {
        let token = SasToken::parse(password).ok_or_else(HubError::unauthorized)?;
        let signed = match &token.policy {
            Some(name) => self.policy(name).is_some_and(|policy| {
                policy.allows(Permission::DeviceConnect) && token.is_signed_by(&policy.key)
            }),
            None => identity.has_keys() && keys.iter().any(|key| token.is_signed_by(key)),
        };
        let resource = identity.id.resource();
        let granted = signed && self.is_current_for(&token, &resource, clock);
        if granted { Ok(token.expires) } else { Err(HubError::unauthorized()) }
    }

    fn is_current_for(&self, token: &SasToken<'_>, path: &str, clock: &Clock) -> bool {
        let Some(audience) = token.audience() else { return false };
        let (host, scope) = match audience.split_once('/') {
            Some((host, scope)) => (host, scope),
            None => (audience.as_str(), ""),
        };
        clock.now() < token.expires && self.knows_host(host) && covers(scope, path)
    }
}

/// Whether a token for `scope` reaches `path`: by whole segments, `a/b` covers `/a/b/c` and not `/a/bc`.
fn covers(scope: &str, path: &str) -> bool {
    let scope = scope.trim_end_matches('/');
    let path = path.trim_start_matches('/');
    scope.is_empty() || path.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> Authority {
        let names = ["localhost", "::1", "MyHub.azure-devices.net"].map(str::to_owned);
        Authority::new(names, &new_keys())
    }

    /// Rights by policy: "Control access to IoT Hub with shared access signatures".
    #[test]
    fn each_policy_allows_what_the_documentation_says() {
        use Permission::{DeviceConnect, RegistryRead, RegistryWrite, ServiceConnect};
        let all = [RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect];
        let table: [(&str, &[Permission]); 5] = [
            ("iothubowner", &all),
            ("service", &[ServiceConnect]),
            ("device", &[DeviceConnect]),
            ("registryRead", &[RegistryRead]),
            ("registryReadWrite", &[RegistryRead, RegistryWrite]),
        ];
        let authority = authority();
        let clock = Clock::manual(Timestamp::from_unix_seconds(1000));
        for (name, allowed) in table {
            let key = &authority.policy(name).unwrap().key;
            let token = sign("localhost:8443", key, Timestamp::from_unix_seconds(2000), Some(name)).unwrap();
            for permission in all {
                let verdict = authority.authorize_service(Some(&token), "/devices/d", permission, &clock);
                assert_eq!(verdict.is_ok(), allowed.contains(&permission), "{name} {permission:?}");
            }
        }
    }

    #[test]
    fn audience_expiry_and_key_are_judged() {
        let authority = authority();
        let clock = Clock::manual(Timestamp::from_unix_seconds(1000));
        let service = authority.policy("service").unwrap().key.clone();
        let owner = authority.policy("iothubowner").unwrap().key.clone();
        let table = [
            ("localhost", &service, 1001, "service", true),
            ("LOCALHOST:1", &service, 1001, "service", true),
            ("[::1]:443", &service, 1001, "service", true),
            ("[::1]", &service, 1001, "service", true),
            ("myhub.azure-devices.net", &service, 1001, "service", true),
            ("localhost/twins", &service, 1001, "service", true),
            ("localhost/twins/d1", &service, 1001, "service", true),
            ("localhost/twins/d", &service, 1001, "service", false),
            ("localhost/devices", &service, 1001, "service", false),
            ("otherhub.azure-devices.net", &service, 1001, "service", false),
            ("localhost", &service, 1000, "service", false),
            ("localhost", &service, 999, "service", false),
            ("localhost", &owner, 1001, "service", false),
            ("localhost", &service, 1001, "nobody", false),
        ];
        for (audience, key, expires, policy, accepted) in table {
            let token = sign(audience, key, Timestamp::from_unix_seconds(expires), Some(policy)).unwrap();
            let verdict =
                authority.authorize_service(Some(&token), "/twins/d1", Permission::ServiceConnect, &clock);
            assert_eq!(verdict.is_ok(), accepted, "{audience} {expires} {policy}");
        }
        assert!(authority.authorize_service(None, "/twins/d1", Permission::ServiceConnect, &clock).is_err());
    }
}
