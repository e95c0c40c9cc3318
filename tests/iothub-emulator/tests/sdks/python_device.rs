//! `azure-iot-device` for Python over MQTT and in a WebSocket, synchronous and aio, for devices and modules.

use serde_json::json;

use crate::scripts::{Running, Steps, python_sdks, script};
use crate::wired::{Proof, Transport, Wired};

const SYNCHRONOUS: &str = "python/device.py";
const AIO: &str = "python/device_aio.py";

/// Starts a script on a wire; with `token_seconds` its tokens live that long.
async fn start(wired: &Wired, id: &str, proof: Proof, name: &str, token_seconds: &[&str]) -> Running {
    let sdks = python_sdks().await;
    let mut command = sdks.command(&script(name));
    // The SDK dials a gateway on a port of its own choice.
    let connection = wired.create(id, proof, &wired.wire.address.ip().to_string()).await;
    command.arg(wired.kind()).args(token_seconds).env("CA_FILE", wired.hub.ca_file());
    command.env("DEVICE_CONNECTION_STRING", connection).env("DETOUR_PORT", wired.detour());
    command.env("CERTIFICATE_FILE", wired.certificate_file()).env("KEY_FILE", wired.key_file());
    // Its WebSocket would take the machine's proxy.
    command.env("no_proxy", "*");
    let device = Running::start(&command, wired.hub.folder());
    device.said("listening", 1).await;
    device
}

/// What all clients do alike.
async fn goes_on_after_its_wire_was_cut(transport: Transport, id: &str, proof: Proof, name: &str) {
    let wired = Wired::start(transport).await;
    let device = start(&wired, id, proof, name, &[]).await;
    let hub = &wired.hub.emulator;
    let steps = device.steps();
    let twin = json!({"desired": {"first": 1, "$version": 2}, "reported": {"$version": 1}});
    assert_eq!(steps.ok("twin"), &twin);
    let (kind, _, message) = steps.error("report refused");
    assert!(kind == "ClientError" && message.contains("Unexpected failure"), "{kind}: {message}");
    assert_eq!((steps.count("connect"), steps.ok("telemetry")), (1, &json!(null)));
    let outputs = steps.all("output").len();
    assert_eq!(outputs, usize::from(id.contains('/')));
    let reported = &hub.twin(id).unwrap()["properties"]["reported"];
    let values = (&reported["blob"], &reported["n"], reported.get("gone"));
    assert_eq!(values, (&json!({"status": "received"}), &json!(1), None));

    wired.patch(id, &json!({"second": {"a": null, "b": 2}}));
    let steps = device.said("desired", 1).await;
    assert_eq!(steps.ok("desired"), &json!({"second": {"a": null, "b": 2}, "$version": 3}));

    wired.wire.cut();
    let connections = |steps: &Steps| steps.all("connection").into_iter().cloned().collect::<Vec<_>>();
    let wanted = [json!(true), json!(false), json!(true)];
    device.until("a new connection", || connections(&device.steps()) == wanted).await;
    wired.patch(id, &json!({"end": true}));
    device.ended().await;
    assert_eq!(device.steps().all("desired")[1], &json!({"end": true, "$version": 4}));
    assert_eq!(hub.twin(id).unwrap()["properties"]["reported"]["ended"], true);
    let counts = hub.counts();
    assert_eq!((counts.connects, counts.refused_connects, counts.telemetry), (2, 0, 1 + outputs as u64));
}

#[tokio::test]
async fn the_synchronous_client_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::Mqtt, "d1", Proof::Key, SYNCHRONOUS).await;
}

#[tokio::test]
async fn the_aio_client_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::Mqtt, "d1", Proof::Key, AIO).await;
}

#[tokio::test]
async fn the_synchronous_client_in_a_websocket_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::WebSocket, "d1", Proof::Key, SYNCHRONOUS).await;
}

// By a proxy to another port, also where 443 is ours to take.
#[tokio::test]
async fn the_aio_client_in_a_websocket_elsewhere_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::WebSocketElsewhere, "d1", Proof::Key, AIO).await;
}

#[tokio::test]
async fn the_synchronous_client_of_a_module_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::Mqtt, "d1/m1", Proof::Key, SYNCHRONOUS).await;
}

#[tokio::test]
async fn the_aio_client_of_a_module_in_a_websocket_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::WebSocket, "d1/m1", Proof::Key, AIO).await;
}

#[tokio::test]
async fn the_synchronous_client_with_a_certificate_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::Mqtt, "d1", Proof::Certificate, SYNCHRONOUS).await;
}

#[tokio::test]
async fn the_aio_client_of_a_module_with_a_certificate_in_a_websocket_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::WebSocket, "d1/m1", Proof::Certificate, AIO).await;
}

/// Lets it renew its token twice, and sees to it that it misses nothing.
async fn renews_its_token(transport: Transport, id: &str, name: &str) {
    let wired = Wired::start(transport).await;
    // The SDK renews 120 s before the end, and the script must be done with its operations by then.
    let device = start(&wired, id, Proof::Key, name, &["126"]).await;
    let hub = &wired.hub.emulator;
    device.until("renewed tokens", || hub.counts().connects >= 3).await;
    wired.patch(id, &json!({"end": true}));
    device.ended().await;
    // By the subscription that the session kept, and not by reading the twin again.
    let counts = hub.counts();
    assert_eq!((counts.refused_connects, counts.notifications), (0, 1));
}

#[tokio::test]
async fn a_device_renews_its_token_and_misses_nothing_after_it() {
    renews_its_token(Transport::Mqtt, "d1", SYNCHRONOUS).await;
}

#[tokio::test]
async fn a_device_in_a_websocket_renews_its_token_and_misses_nothing_after_it() {
    renews_its_token(Transport::WebSocket, "d1", AIO).await;
}

#[tokio::test]
async fn a_module_renews_its_token_and_misses_nothing_after_it() {
    renews_its_token(Transport::Mqtt, "d1/m1", SYNCHRONOUS).await;
}
