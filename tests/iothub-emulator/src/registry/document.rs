//! Devices as the JSON documents of the service API (twin and identity models of the service SDKs).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Device;
use crate::clock::Timestamp;
use crate::identity::Thumbprints;
use crate::twins::Twin;

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

pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NEVER.to_owned(), |at| at.to_string())
}

/// `GET /twins/{id}`; `tags` is left out when there are none.
pub(crate) fn twin_document(device: &Device) -> Value {
    let twin = &device.twin;
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| drop(document.insert(key.to_owned(), value));
    put("deviceId", device.identity.id.device().into());
    if let Some(module) = device.identity.id.module() {
        put("moduleId", module.into());
    }
    put("etag", twin_etag(twin).into());
    put("deviceEtag", device_etag(device).into());
    put("status", device.status().into());
    if let Some(reason) = &device.identity.status_reason {
        put("statusReason", (**reason).into());
    }
    put("statusUpdateTime", time(device.identity.status_updated).into());
    put("connectionState", device.connection_state().into());
    put("lastActivityTime", time(device.last_activity).into());
    put("cloudToDeviceMessageCount", 0.into());
    put("authenticationType", device.identity.authentication_type().into());
    put("x509Thumbprint", thumbprints(device));
    put("modelId", "".into());
    put("version", twin.version().into());
    if !twin.tags().is_empty() {
        put("tags", twin.tags().to_json().into());
    }
    if let Some(managed) = &device.configurations {
        put("configurations", managed.document().into());
    }
    put(
        "properties",
        json!({
            "desired": twin.desired.to_json_with_metadata(),
            "reported": twin.reported.to_json_with_metadata(),
        }),
    );
    put("capabilities", json!({"iotEdge": device.identity.iot_edge}));
    if let Some(scope) = edge_scope(device) {
        put("deviceScope", scope.into());
        put("parentScopes", json!([]));
    }
    Value::Object(document)
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
        "connectionStateUpdatedTime": time(device.connection_changed),
        "lastActivityTime": time(device.last_activity),
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
    put("statusUpdatedTime", time(identity.status_updated).into());
    put("capabilities", json!({"iotEdge": identity.iot_edge}));
    if let Some(scope) = edge_scope(device) {
        put("deviceScope", scope.into());
        put("parentScopes", json!([]));
    }
    document
}

fn thumbprints(device: &Device) -> Value {
    device.identity.thumbprints.as_deref().unwrap_or(&Thumbprints::default()).to_json()
}
