//! The topics that a hub knows; on any other it closes the connection ("Communicate with an IoT hub using the
//! MQTT protocol").

use percent_encoding::percent_decode_str;

use crate::physics::Operation;

/// A subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// None for a topic that is none of these, or none to publish to: without wildcards and NUL (MQTT 3.1.1, 3.3.2.1 and
    /// 1.5.3), but for those of the device's own id.
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
        ((bag.is_empty() || bag.starts_with('/')) && is_literal(bag)).then_some(Self::Telemetry)
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
            // Wildcards and NUL are for no topic of a publish.
            ("$iothub/twin/GET/?$rid=+", None),
            ("$iothub/twin/PATCH/properties/reported/?$rid=1&$version=#", None),
            ("devices/d1/messages/events/a=#", None),
            ("devices/d1/messages/events/\0", None),
        ];
        for (topic, request) in table {
            assert_eq!(Request::parse(topic, "d1"), request, "{topic}");
        }
        // But an id may have them.
        assert_eq!(Request::parse("devices/a+#/messages/events/", "a+#"), Some(Request::Telemetry));
        // An answer repeats the request id in its topic.
        let (fits, too_long) = ("1".repeat(MAX_PARAMETERS - 5), "1".repeat(65_510));
        assert!(Request::parse(&format!("$iothub/twin/GET/?$rid={fits}"), "d1").is_some());
        assert_eq!(Request::parse(&format!("$iothub/twin/GET/?$rid={too_long}"), "d1"), None);
    }
}
