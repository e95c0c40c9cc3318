//! Identities of devices and modules: id, keys, status.

mod device_id;
mod keys;
mod thumbprints;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::error::HubError;
pub(crate) use device_id::DeviceId;
pub(crate) use keys::{Keys, MasterKey};
pub(crate) use thumbprints::{Thumbprints, X509Thumbprint};

/// What the identity registry knows of a device. Its fields are those of a state file, too.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Identity {
    pub id: DeviceId,
    /// New for every creation, also under an id that was used before.
    pub generation: u64,
    /// Grows with every write of the identity; its etag encodes it.
    pub revision: u64,
    pub enabled: bool,
    pub status_reason: Option<Box<str>>,
    pub status_updated: Option<Timestamp>,
    pub iot_edge: bool,
    /// Of its certificates, in place of keys.
    pub thumbprints: Option<Box<Thumbprints>>,
    /// Whether it has no keys of its own (`none`, as the modules have that the hub itself makes).
    pub keyless: bool,
    /// Who manages a module, `iotEdge` for one.
    pub managed_by: Option<Box<str>>,
    pub keys: Keys,
}

/// The writable part of an identity, as a PUT brings it.
#[derive(Debug)]
pub(crate) struct IdentityUpdate {
    enabled: bool,
    status_reason: Option<Box<str>>,
    iot_edge: bool,
    thumbprints: Option<Box<Thumbprints>>,
    keyless: bool,
    managed_by: Option<Box<str>>,
    keys: [Option<String>; 2],
}

impl IdentityUpdate {
    /// An enabled device whose keys the hub makes.
    pub fn generated() -> Self {
        Self {
            enabled: true,
            status_reason: None,
            iot_edge: false,
            thumbprints: None,
            keyless: false,
            managed_by: None,
            keys: [None, None],
        }
    }

    /// A module that the hub makes for an Edge device.
    pub fn edge_module() -> Self {
        Self { keyless: true, managed_by: Some("iotEdge".into()), ..Self::generated() }
    }

    /// Reads the body of `PUT /devices/{id}` or of a module's. Missing status means enabled, empty keys mean:
    /// make them.
    pub fn parse(id: &DeviceId, body: &Value) -> Result<Self, HubError> {
        let body = body.as_object().ok_or_else(|| HubError::invalid("The body must be a device object"))?;
        for (name, own) in [("deviceId", Some(id.device())), ("moduleId", id.module())] {
            let named = body.get(name).and_then(Value::as_str);
            if named.is_some() && named != own {
                let text = format!("The {name} in the body differs from the one in the path");
                return Err(HubError::invalid(text));
            }
        }
        let enabled = match body.get("status") {
            // A module has the status of its device.
            _ if id.module().is_some() => true,
            None | Some(Value::Null) => true,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("enabled") => true,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("disabled") => false,
            Some(_) => return Err(HubError::invalid("status must be 'enabled' or 'disabled'")),
        };
        let authentication = body.get("authentication").filter(|value| !value.is_null());
        let kind =
            authentication.and_then(|value| value.get("type")).and_then(Value::as_str).unwrap_or("sas");
        let thumbprints = match authentication {
            Some(authentication) if kind == "selfSigned" => {
                Some(Box::new(Thumbprints::parse(authentication)?))
            }
            _ => None,
        };
        if kind != "sas" && kind != "none" && thumbprints.is_none() {
            let text = format!(
                "Authentication type '{kind}' is not served by this emulator; use 'sas', 'selfSigned' or 'none'"
            );
            return Err(HubError::invalid(text));
        }
        let key = |name: &str| {
            let key = authentication
                .and_then(|value| value.pointer(&format!("/symmetricKey/{name}")))
                .and_then(Value::as_str);
            keys::given(name, key)
        };
        Ok(Self {
            enabled,
            status_reason: body.get("statusReason").and_then(Value::as_str).map(Into::into),
            iot_edge: id.module().is_none()
                && body.get("capabilities").and_then(|value| value.get("iotEdge"))
                    == Some(&Value::Bool(true)),
            thumbprints,
            keyless: kind == "none",
            managed_by: body
                .get("managedBy")
                .and_then(Value::as_str)
                .filter(|name| !name.is_empty())
                .map(Into::into),
            keys: [key("primaryKey")?, key("secondaryKey")?],
        })
    }
}

impl Identity {
    pub fn new(id: DeviceId, generation: u64, update: IdentityUpdate) -> Self {
        Self {
            id,
            generation,
            revision: generation % 1_000_000_000,
            enabled: update.enabled,
            status_reason: update.status_reason,
            status_updated: None,
            iot_edge: update.iot_edge,
            thumbprints: update.thumbprints,
            keyless: update.keyless,
            managed_by: update.managed_by,
            keys: Keys::from(update.keys),
        }
    }

    /// `selfSigned` for an identity with thumbprints, `none` for one without keys, or `sas`.
    pub fn authentication_type(&self) -> &'static str {
        match (&self.thumbprints, self.keyless) {
            (Some(_), _) => "selfSigned",
            (None, true) => "none",
            (None, false) => "sas",
        }
    }

    /// Whether its own keys open the hub.
    pub fn has_keys(&self) -> bool {
        self.thumbprints.is_none() && !self.keyless
    }

    /// Takes over what a PUT with If-Match brings; keys that it leaves out stay as they are.
    pub fn update(&mut self, update: IdentityUpdate, now: Timestamp) {
        if self.enabled != update.enabled {
            self.status_updated = Some(now);
        }
        self.revision += 1;
        self.enabled = update.enabled;
        self.status_reason = update.status_reason;
        self.iot_edge = update.iot_edge;
        self.thumbprints = update.thumbprints;
        self.keyless = update.keyless;
        self.managed_by = update.managed_by;
        self.keys.replace(update.keys);
    }
}
