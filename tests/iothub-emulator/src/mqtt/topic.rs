//! The topics that a hub knows; on any other it closes the connection ("Communicate with an IoT hub using the
//! MQTT protocol").

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::identity::DeviceId;
use crate::physics::Operation;

/// A subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Filter {
    TwinResponses,
    DesiredPatches,
    Methods,
    /// Messages to a device.
    DeviceBound,
    /// Messages to the inputs of a module, by which Edge's routes reach it.
    Inputs,
}

impl Filter {
    pub fn parse(text: &str, id: &DeviceId) -> Option<Self> {
        match text {
            "$iothub/twin/res/#" => Some(Self::TwinResponses),
            "$iothub/twin/PATCH/properties/desired/#" => Some(Self::DesiredPatches),
            "$iothub/methods/POST/#" => Some(Self::Methods),
            _ => match (below(text, id)?, id.module()) {
                ("/messages/devicebound/#", None) => Some(Self::DeviceBound),
                ("/inputs/#", Some(_)) => Some(Self::Inputs),
                _ => None,
            },
        }
    }
}

/// What a device or a module asks for by the topic of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    TwinGet { rid: String },
    TwinReport { rid: String, base: Option<String> },
    Telemetry,
}

impl Request {
    /// What it takes from.
    pub fn operation(&self) -> Operation {
        match self {
            Self::TwinGet { .. } => Operation::TwinReads,
            Self::TwinReport { .. } => Operation::TwinUpdates,
            Self::Telemetry => Operation::Telemetry,
        }
    }

    /// None for a topic that is none of these, or none to publish to: without wildcards and NUL (MQTT 3.1.1, 3.3.2.1 and
    /// 1.5.3), but for those of the client's own id.
    pub fn parse(topic: &str, id: &DeviceId) -> Option<Self> {
        if let Some(query) = topic.strip_prefix("$iothub/twin/GET/?") {
            return Some(Self::TwinGet { rid: parameter(query, "$rid")? });
        }
        if let Some(query) = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?") {
            return Some(Self::TwinReport {
                rid: parameter(query, "$rid")?,
                base: parameter(query, "$version"),
            });
        }
        // To an output of a module as well: its name is the property `$.on` in the topic (`mqtt.js`).
        let bag = below(topic, id)?.strip_prefix("/messages/events")?;
        ((bag.is_empty() || bag.starts_with('/')) && is_literal(bag)).then_some(Self::Telemetry)
    }
}

/// What follows `devices/{deviceId}`, of a module `devices/{deviceId}/modules/{moduleId}`; the ids are not encoded
/// (`mqtt_topic_iothub.py`).
fn below<'a>(topic: &'a str, id: &DeviceId) -> Option<&'a str> {
    let rest = topic.strip_prefix("devices/")?.strip_prefix(id.device())?;
    match id.module() {
        None => Some(rest),
        Some(module) => rest.strip_prefix("/modules/")?.strip_prefix(module),
    }
}

/// Longest part of a topic that an answer repeats: its own topic has to fit into 65,535 bytes.
const MAX_PARAMETERS: usize = 32 * 1024;

fn is_literal(text: &str) -> bool {
    !text.contains(['+', '#', '\0'])
}

/// A value as it stands in the topic: a request id is echoed verbatim.
fn parameter(query: &str, name: &str) -> Option<String> {
    if query.len() > MAX_PARAMETERS || !is_literal(query) {
        return None;
    }
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let matching =
        pairs.filter(|(key, _)| percent_decode_str(key).decode_utf8().is_ok_and(|key| key == name));
    matching.map(|(_, value)| value.to_owned()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> DeviceId {
        DeviceId::parse_any(text).unwrap()
    }

    #[test]
    fn filters_are_the_documented_ones() {
        let table = [
            ("d1", "$iothub/twin/res/#", Some(Filter::TwinResponses)),
            ("d1", "$iothub/twin/PATCH/properties/desired/#", Some(Filter::DesiredPatches)),
            ("d1", "$iothub/methods/POST/#", Some(Filter::Methods)),
            ("d1", "devices/d1/messages/devicebound/#", Some(Filter::DeviceBound)),
            ("d1", "devices/d2/messages/devicebound/#", None),
            ("d1", "devices/d1/modules/m1/inputs/#", None),
            ("d1", "devices/d1/inputs/#", None),
            ("d1", "#", None),
            ("d1", "$iothub/#", None),
            ("d1", "$iothub/twin/res/+", None),
            ("d1", "", None),
            ("d1/m1", "$iothub/twin/res/#", Some(Filter::TwinResponses)),
            ("d1/m1", "$iothub/twin/PATCH/properties/desired/#", Some(Filter::DesiredPatches)),
            ("d1/m1", "$iothub/methods/POST/#", Some(Filter::Methods)),
            ("d1/m1", "devices/d1/modules/m1/inputs/#", Some(Filter::Inputs)),
            ("d1/m1", "devices/d1/modules/m2/inputs/#", None),
            ("d1/m1", "devices/d1/m1/inputs/#", None),
            ("d1/m1", "devices/d1/modules/m1/messages/devicebound/#", None),
            ("d1/m1", "devices/d1/messages/devicebound/#", None),
        ];
        for (client, text, filter) in table {
            assert_eq!(Filter::parse(text, &id(client)), filter, "{client}: {text}");
        }
    }

    #[test]
    fn publishes_are_the_documented_ones() {
        let get = |rid: &str| Request::TwinGet { rid: rid.to_owned() };
        let report = |rid: &str, base: Option<&str>| Request::TwinReport {
            rid: rid.to_owned(),
            base: base.map(str::to_owned),
        };
        let table = [
            ("d1", "$iothub/twin/GET/?$rid=a-1", Some(get("a-1"))),
            ("d1", "$iothub/twin/GET/?%24rid=a%20b", Some(get("a%20b"))),
            ("d1", "$iothub/twin/GET/", None),
            ("d1", "$iothub/twin/GET/?rid=1", None),
            ("d1", "$iothub/twin/PATCH/properties/reported/?$rid=2", Some(report("2", None))),
            ("d1", "$iothub/twin/PATCH/properties/reported/?$rid=2&$version=7", Some(report("2", Some("7")))),
            ("d1", "$iothub/twin/PATCH/properties/reported/?$version=7", None),
            ("d1", "devices/d1/messages/events/", Some(Request::Telemetry)),
            ("d1", "devices/d1/messages/events", Some(Request::Telemetry)),
            ("d1", "devices/d1/messages/events/a=b&c=d", Some(Request::Telemetry)),
            ("d1", "devices/d2/messages/events/", None),
            ("d1", "devices/d1/messages/eventsx", None),
            ("d1", "devices/d11/messages/events/", None),
            ("d1", "devices/d1/modules/m1/messages/events/", None),
            ("d1", "anything", None),
            ("d1/m1", "$iothub/twin/GET/?$rid=1", Some(get("1"))),
            ("d1/m1", "devices/d1/modules/m1/messages/events/", Some(Request::Telemetry)),
            ("d1/m1", "devices/d1/modules/m1/messages/events/%24.on=out", Some(Request::Telemetry)),
            ("d1/m1", "devices/d1/modules/m2/messages/events/", None),
            ("d1/m1", "devices/d1/modules/m11/messages/events/", None),
            ("d1/m1", "devices/d1/messages/events/", None),
            ("d1/m1", "devices/d1/m1/messages/events/", None),
            // Wildcards and NUL are for no topic of a publish.
            ("d1", "$iothub/twin/GET/?$rid=+", None),
            ("d1", "$iothub/twin/PATCH/properties/reported/?$rid=1&$version=#", None),
            ("d1", "devices/d1/messages/events/a=#", None),
            ("d1", "devices/d1/messages/events/\0", None),
            // But an id may have them.
            ("a+#", "devices/a+#/messages/events/", Some(Request::Telemetry)),
        ];
        for (client, topic, request) in table {
            assert_eq!(Request::parse(topic, &id(client)), request, "{client}: {topic}");
        }
        // An answer repeats the request id in its topic.
        let (fits, too_long) = ("1".repeat(MAX_PARAMETERS - 5), "1".repeat(65_510));
        assert!(Request::parse(&format!("$iothub/twin/GET/?$rid={fits}"), &id("d1")).is_some());
        assert_eq!(Request::parse(&format!("$iothub/twin/GET/?$rid={too_long}"), &id("d1")), None);
    }
}
