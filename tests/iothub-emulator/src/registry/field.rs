//! The fields of a twin that a query can name.

use serde_json::json;

use super::Device;
use super::document::{self, Time};
use crate::twins::{Found, ObjectRef};

/// A path of a query, its first step resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    root: Root,
    rest: Box<[Box<str>]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    DeviceId,
    ModuleId,
    Etag,
    DeviceEtag,
    Status,
    StatusReason,
    StatusUpdateTime,
    ConnectionState,
    LastActivityTime,
    CloudToDeviceMessageCount,
    AuthenticationType,
    Version,
    Tags,
    Properties,
    Capabilities,
    Configurations,
    Unknown,
}

/// The documentation writes `SELECT DeviceId` and shows `deviceId` in the answer ("Queries for IoT Hub device
/// and module twins"): names of the twin itself are found in any case and answered in this one. Names below
/// tags and properties are the user's, and exact.
const ROOTS: [(&str, Root); 16] = [
    ("deviceId", Root::DeviceId),
    ("moduleId", Root::ModuleId),
    ("etag", Root::Etag),
    ("deviceEtag", Root::DeviceEtag),
    ("status", Root::Status),
    ("statusReason", Root::StatusReason),
    ("statusUpdateTime", Root::StatusUpdateTime),
    ("connectionState", Root::ConnectionState),
    ("lastActivityTime", Root::LastActivityTime),
    ("cloudToDeviceMessageCount", Root::CloudToDeviceMessageCount),
    ("authenticationType", Root::AuthenticationType),
    ("version", Root::Version),
    ("tags", Root::Tags),
    ("properties", Root::Properties),
    ("capabilities", Root::Capabilities),
    ("configurations", Root::Configurations),
];

impl Field {
    /// Resolves the steps of a path, of which there is at least one, and gives the column name that it has
    /// without AS: its last step.
    pub fn resolve(steps: &[String]) -> (Self, String) {
        let first = steps.first().map(String::as_str).unwrap_or_default();
        let known = ROOTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(first));
        let root = known.map_or(Root::Unknown, |(_, root)| *root);
        let column = match steps {
            [only] => known.map_or_else(|| only.clone(), |(name, _)| (*name).to_owned()),
            steps => steps.last().cloned().unwrap_or_default(),
        };
        (Self { root, rest: steps.iter().skip(1).map(|step| step.as_str().into()).collect() }, column)
    }

    /// Looks the field up in a device.
    pub fn of<'a>(&self, device: &'a Device) -> Found<'a> {
        let text = |value: &'a str| Found::Text(value.into());
        let owned = |value: String| Found::Text(value.into());
        match self.root {
            Root::Tags => self.in_tags(device),
            Root::Properties => self.in_properties(device),
            Root::Capabilities => self.in_capabilities(device),
            Root::Configurations => self.in_configurations(device),
            Root::Unknown => Found::Undefined,
            _ if !self.rest.is_empty() => Found::Undefined,
            Root::DeviceId => text(device.identity.id.device()),
            Root::ModuleId => device.identity.id.module().map_or(Found::Undefined, text),
            Root::Etag => owned(document::twin_etag(&device.twin)),
            Root::DeviceEtag => owned(document::device_etag(device)),
            Root::Status => text(device.status()),
            Root::StatusReason => match &device.identity.status_reason {
                Some(reason) => text(reason),
                None => Found::Null,
            },
            Root::StatusUpdateTime => owned(Time(device.identity.status_updated).to_string()),
            Root::ConnectionState => text(device.connection_state()),
            Root::LastActivityTime => owned(Time(device.last_activity).to_string()),
            Root::CloudToDeviceMessageCount => Found::Number(0.into()),
            Root::AuthenticationType => text(device.identity.authentication_type()),
            Root::Version => Found::Number(device.twin.version().into()),
        }
    }

    fn in_tags<'a>(&self, device: &'a Device) -> Found<'a> {
        match &*self.rest {
            [] => device.twin.tags().map_or(Found::Undefined, Found::Object),
            path => device.twin.find_tag(path),
        }
    }

    fn in_properties<'a>(&self, device: &'a Device) -> Found<'a> {
        let (desired, reported) = (&device.twin.desired, &device.twin.reported);
        match &*self.rest {
            [] => Found::Object(ObjectRef::Properties { desired, reported }),
            [section, path @ ..] => match &**section {
                "desired" => desired.find(path),
                "reported" => reported.find(path),
                _ => Found::Undefined,
            },
        }
    }

    fn in_capabilities<'a>(&self, device: &'a Device) -> Found<'a> {
        let iot_edge = device.identity.iot_edge;
        match &*self.rest {
            [] => {
                let map = json!({"iotEdge": iot_edge}).as_object().cloned().unwrap_or_default();
                Found::Object(ObjectRef::Fixed(map))
            }
            [only] if &**only == "iotEdge" => Found::Bool(iot_edge),
            _ => Found::Undefined,
        }
    }

    fn in_configurations<'a>(&self, device: &'a Device) -> Found<'a> {
        let Some(managed) = &device.configurations else { return Found::Undefined };
        let status = |id: &str| managed.status(id);
        match &*self.rest {
            [] => Found::Object(ObjectRef::Fixed(managed.document())),
            [id] => match status(id) {
                Some(status) => {
                    let map = json!({ "status": status }).as_object().cloned().unwrap_or_default();
                    Found::Object(ObjectRef::Fixed(map))
                }
                None => Found::Undefined,
            },
            [id, name] if &**name == "status" => {
                status(id).map_or(Found::Undefined, |status| Found::Text(status.into()))
            }
            _ => Found::Undefined,
        }
    }
}
