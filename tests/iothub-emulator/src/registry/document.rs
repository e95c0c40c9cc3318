//! Devices as the JSON documents of the service API (twin and identity models of the service SDKs).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::Device;
use crate::clock::Timestamp;
use crate::identity::{Thumbprints, X509Thumbprint};
use crate::twins::{Twin, WithMetadata};

/// What a time is before anything happened.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The twin's etag: base64 of its write counter in 8 bytes, without quotes.
pub(crate) fn twin_etag(twin: &Twin) -> String {
    STANDARD.encode(twin.writes.to_be_bytes())
}

/// The identity's etag: base64 of a decimal number, without quotes.
pub(crate) fn device_etag(device: &Device) -> String {
    STANDARD.encode(device.identity.revision.to_string())
}

/// `GET /twins/{id}`; `tags` is left out when there are none.
pub(crate) struct TwinDocument<'a>(pub &'a Device);

impl Serialize for TwinDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Device { identity, twin, .. } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("deviceId", identity.id.device())?;
        if let Some(module) = identity.id.module() {
            map.serialize_entry("moduleId", module)?;
        }
        map.serialize_entry("etag", &twin_etag(twin))?;
        map.serialize_entry("deviceEtag", &device_etag(self.0))?;
        map.serialize_entry("status", self.0.status())?;
        if let Some(reason) = &identity.status_reason {
            map.serialize_entry("statusReason", reason)?;
        }
        map.serialize_entry("statusUpdateTime", &Time(identity.status_updated))?;
        map.serialize_entry("connectionState", self.0.connection_state())?;
        map.serialize_entry("lastActivityTime", &Time(self.0.last_activity))?;
        map.serialize_entry("cloudToDeviceMessageCount", &0)?;
        map.serialize_entry("authenticationType", identity.authentication_type())?;
        map.serialize_entry("x509Thumbprint", &thumbprints(self.0))?;
        map.serialize_entry("modelId", "")?;
        map.serialize_entry("version", &twin.version())?;
        if let Some(tags) = twin.tags() {
            map.serialize_entry("tags", &tags)?;
        }
        if let Some(managed) = &self.0.configurations {
            map.serialize_entry("configurations", &managed.document())?;
        }
        map.serialize_entry("properties", &TwinProperties(twin))?;
        map.serialize_entry("capabilities", &Capabilities { iot_edge: identity.iot_edge })?;
        if let Some(scope) = edge_scope(self.0) {
            map.serialize_entry("deviceScope", &scope)?;
            map.serialize_entry::<_, [&str]>("parentScopes", &[])?;
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    iot_edge: bool,
}

struct TwinProperties<'a>(&'a Twin);

impl Serialize for TwinProperties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("desired", &WithMetadata(&self.0.desired))?;
        map.serialize_entry("reported", &WithMetadata(&self.0.reported))?;
        map.end()
    }
}

/// A time, or the one before anything happened.
pub(super) struct Time(pub Option<Timestamp>);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => at.fmt(f),
            None => f.write_str(NEVER),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The scope that the hub gives to an Edge device.
fn edge_scope(device: &Device) -> Option<String> {
    let identity = &device.identity;
    identity.iot_edge.then(|| format!("ms-azure-iot-edge://{}-{}", identity.id, identity.generation))
}

/// `GET /devices/{id}`, and `GET /devices/{id}/modules/{module}` for a module, which has no status of its own.
pub(crate) fn identity_document(device: &Device, keys: &[String; 2]) -> Value {
    let identity = &device.identity;
    let keys = if identity.has_keys() { keys.each_ref().map(Some) } else { [None, None] };
    let mut document = json!({
        "deviceId": identity.id.device(),
        "generationId": identity.generation.to_string(),
        "etag": device_etag(device),
        "connectionState": device.connection_state(),
        "connectionStateUpdatedTime": Time(device.connection_changed),
        "lastActivityTime": Time(device.last_activity),
        "cloudToDeviceMessageCount": 0,
        "authentication": {
            "symmetricKey": {"primaryKey": keys[0], "secondaryKey": keys[1]},
            "x509Thumbprint": thumbprints(device),
            "type": identity.authentication_type(),
        },
    });
    let mut put = |key: &str, value: Value| document[key] = value;
    if let Some(module) = identity.id.module() {
        put("moduleId", module.into());
        put("managedBy", identity.managed_by.as_deref().into());
        return document;
    }
    put("status", device.status().into());
    put("statusReason", identity.status_reason.as_deref().into());
    put("statusUpdatedTime", json!(Time(identity.status_updated)));
    put("capabilities", json!({"iotEdge": identity.iot_edge}));
    if let Some(scope) = edge_scope(device) {
        put("deviceScope", scope.into());
        put("parentScopes", json!([]));
    }
    document
}

fn thumbprints(device: &Device) -> X509Thumbprint<'_> {
    device.identity.thumbprints.as_deref().unwrap_or(&Thumbprints::NONE).into()
}
