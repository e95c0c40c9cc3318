//! What clients prove who they are with: connection strings and tokens, all of them secrets.

use std::time::Duration;

use super::{CallError, Emulator};
use crate::auth;
use crate::identity::DeviceId;
use crate::settings::MQTT_PORT;

impl Emulator {
    /// Connection string of `iothubowner`, which may do everything. A secret.
    pub fn service_connection_string(&self) -> String {
        self.policy_connection_string("iothubowner").unwrap_or_default()
    }

    /// Connection string of `iothubowner`, `service`, `device`, `registryRead` or `registryReadWrite`; none
    /// for any other name. A secret.
    pub fn policy_connection_string(&self, policy: &str) -> Option<String> {
        let policy = self.hub.authority.policy(policy)?;
        let (name, key) = (policy.name, &policy.key);
        Some(format!("HostName={};SharedAccessKeyName={name};SharedAccessKey={key}", self.host_name))
    }

    /// A SAS token of a policy for the whole hub, good for `lifetime`; none for a name that no policy has. A
    /// secret.
    pub fn policy_token(&self, policy: &str, lifetime: Duration) -> Option<String> {
        let policy = self.hub.authority.policy(policy)?;
        let expires = self.hub.clock.now().plus(lifetime);
        auth::sign(&self.host_name, &policy.key, expires, Some(policy.name))
    }

    /// A SAS token of the own key of a device, or of a module by `{device}/{module}`, good for `lifetime`. A secret.
    pub fn device_token(&self, id: &str, lifetime: Duration) -> Result<String, CallError> {
        let (id, key) = self.id_and_key(id)?;
        let expires = self.hub.clock.now().plus(lifetime);
        let token = auth::sign(&format!("{}{}", self.host_name, id.resource()), &key, expires, None);
        token.ok_or_else(|| CallError::new("the key of the device is not base64"))
    }

    /// Connection string of a device, or of a module by `{device}/{module}`, a secret. Where MQTT is not on its usual
    /// port 8883, `GatewayHostName=` says which one to dial; `HostName=` is what the device signs for.
    pub fn device_connection_string(&self, id: &str) -> Result<String, CallError> {
        let (id, key) = self.id_and_key(id)?;
        let module = id.module().map(|module| format!(";ModuleId={module}")).unwrap_or_default();
        let gateway = if self.mqtt_port == MQTT_PORT {
            String::new()
        } else {
            format!(";GatewayHostName={}:{}", self.name, self.mqtt_port)
        };
        let (host, device) = (&self.host_name, id.device());
        Ok(format!("HostName={host};DeviceId={device}{module};SharedAccessKey={key}{gateway}"))
    }

    fn id_and_key(&self, id: &str) -> Result<(DeviceId, String), CallError> {
        let [key, _] =
            self.hub.identities(id)?.read(id, |device| self.hub.master_key.keys_of(&device.identity))?;
        Ok((DeviceId::parse_any(id)?, key))
    }
}
