//! Twin operations of a device or a module over MQTT.

use rumqttc::mqttbytes::v4::Publish;

use super::topic::Request;
use crate::error::{ErrorCode, HubError};
use crate::hub::Hub;
use crate::registry::Device;
use crate::twins::{self, ObjectRef};

/// Carries out what a publish asks for, or answers why the hub's limits refuse it. Tells whether the connection goes
/// on: not if it is no longer the client's, nor for refused telemetry, for which MQTT has no other word.
///
/// The answer is handed over under the same lock under which the twin was read or written: a desired
/// notification cannot slip in between and arrive before the older document.
pub(super) fn handle(
    hub: &Hub,
    id: &str,
    connection: u64,
    request: &Request,
    publish: &Publish,
    admitted: Result<(), HubError>,
) -> bool {
    let now = hub.clock.now();
    let admitted = admitted.and_then(|()| hub.physics.check_quota(&hub.clock));
    let outcome = hub.write(id, |device| {
        if !device.session.as_ref().is_some_and(|session| session.is(connection)) {
            return Err(HubError::device_not_found(id));
        }
        device.last_activity = Some(now);
        let (rid, answer) = match request {
            Request::Telemetry => {
                admitted?;
                hub.counters.count_telemetry();
                hub.physics.charge(publish.payload.len(), &hub.clock);
                return Ok(());
            }
            Request::TwinGet { rid } => {
                hub.counters.count_device_read();
                let read = admitted.map(|()| {
                    let document = document(device);
                    hub.physics.charge(document.len(), &hub.clock);
                    (format!("$iothub/twin/res/200/?$rid={rid}"), document)
                });
                (rid, read)
            }
            Request::TwinReport { rid, base } => {
                hub.counters.count_report();
                let version = admitted.and_then(|()| report(hub, device, base.as_deref(), &publish.payload));
                (
                    rid,
                    version.map(|version| {
                        hub.physics.charge(publish.payload.len(), &hub.clock);
                        (format!("$iothub/twin/res/204/?$rid={rid}&$version={version}"), Vec::new())
                    }),
                )
            }
        };
        // A client knows failure by the `errorCode` in the body; no request id may stay without an answer.
        let (topic, payload) = answer.unwrap_or_else(|error| {
            let topic = format!("$iothub/twin/res/{}/?$rid={rid}", error.code.status());
            (topic, error.device_body(now).to_string().into_bytes())
        });
        if let Some(session) = &mut device.session {
            session.send(topic, payload);
        }
        Ok(())
    });
    outcome.is_ok()
}

/// Both sections with their versions: no tags, no metadata.
fn document(device: &Device) -> Vec<u8> {
    let sections = ObjectRef::Properties { desired: &device.twin.desired, reported: &device.twin.reported };
    serde_json::to_vec(&sections).unwrap_or_default()
}

/// Merges a reported patch; `base` is the version it is meant for (azure-iot-sdk-java#1530).
fn report(hub: &Hub, device: &mut Device, base: Option<&str>, payload: &[u8]) -> Result<u64, HubError> {
    if base.is_some_and(|base| base.parse() != Ok(device.twin.reported.version)) {
        let text = "The $version of the request is not the version of the reported properties";
        return Err(HubError::new(ErrorCode::PreconditionFailed, text));
    }
    device.twin.report(&twins::reported_patch(payload)?, hub.clock.now())
}
