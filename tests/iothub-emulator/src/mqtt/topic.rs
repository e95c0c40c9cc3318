//! The topics that a hub knows; on any other it closes the connection ("Communicate with an IoT hub using the
//! MQTT protocol").

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::physics::Operation;

/// A subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Filter {
    TwinResponses,
    DesiredPatches,
    Methods,
    DeviceBound,
}

impl Filter {
    pub fn parse(text: &str, device_id: &str) -> Option<Self> {
        match text {
            "$iothub/twin/res/#" => Some(Self::TwinResponses),
            "$iothub/twin/PATCH/properties/desired/#" => Some(Self::DesiredPatches),
            "$iothub/methods/POST/#" => Some(Self::Methods),
            _ => (text == format!("devices/{device_id}/messages/devicebound/#")).then_some(Self::DeviceBound),
        }
    }
}

/// What a device asks for by the topic of a publish.
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

    pub fn parse(topic: &str, device_id: &str) -> Option<Self> {
        if let Some(query) = topic.strip_prefix("$iothub/twin/GET/?") {
            return Some(Self::TwinGet { rid: parameter(query, "$rid")? });
        }
        if let Some(query) = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?") {
            return Some(Self::TwinReport {
                rid: parameter(query, "$rid")?,
                base: parameter(query, "$version"),
            });
        }
        let bag =
            topic.strip_prefix("devices/")?.strip_prefix(device_id)?.strip_prefix("/messages/events")?;
        (bag.is_empty() || bag.starts_with('/')).then_some(Self::Telemetry)
    }
}

/// A value as it stands in the topic: a request id is echoed verbatim.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let matching =
        pairs.filter(|(key, _)| percent_decode_str(key).decode_utf8().is_ok_and(|key| key == name));
    matching.map(|(_, value)| value.to_owned()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_the_documented_ones() {
        let table = [
            ("$iothub/twin/res/#", Some(Filter::TwinResponses)),
            ("$iothub/twin/PATCH/properties/desired/#", Some(Filter::DesiredPatches)),
            ("$iothub/methods/POST/#", Some(Filter::Methods)),
            ("devices/d1/messages/devicebound/#", Some(Filter::DeviceBound)),
            ("devices/d2/messages/devicebound/#", None),
            ("#", None),
            ("$iothub/#", None),
            ("$iothub/twin/res/+", None),
            ("", None),
        ];
        for (text, filter) in table {
            assert_eq!(Filter::parse(text, "d1"), filter, "{text}");
        }
    }

    #[test]
    fn publishes_are_the_documented_ones() {
        let report = |rid: &str, base: Option<&str>| Request::TwinReport {
            rid: rid.to_owned(),
            base: base.map(str::to_owned),
        };
        let table = [
            ("$iothub/twin/GET/?$rid=a-1", Some(Request::TwinGet { rid: "a-1".to_owned() })),
            ("$iothub/twin/GET/?%24rid=a%20b", Some(Request::TwinGet { rid: "a%20b".to_owned() })),
            ("$iothub/twin/GET/", None),
            ("$iothub/twin/GET/?rid=1", None),
            ("$iothub/twin/PATCH/properties/reported/?$rid=2", Some(report("2", None))),
            ("$iothub/twin/PATCH/properties/reported/?$rid=2&$version=7", Some(report("2", Some("7")))),
            ("$iothub/twin/PATCH/properties/reported/?$version=7", None),
            ("devices/d1/messages/events/", Some(Request::Telemetry)),
            ("devices/d1/messages/events", Some(Request::Telemetry)),
            ("devices/d1/messages/events/a=b&c=d", Some(Request::Telemetry)),
            ("devices/d2/messages/events/", None),
            ("devices/d1/messages/eventsx", None),
            ("devices/d11/messages/events/", None),
            ("anything", None),
        ];
        for (topic, request) in table {
            assert_eq!(Request::parse(topic, "d1"), request, "{topic}");
        }
    }
}
