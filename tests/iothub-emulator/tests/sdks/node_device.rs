//! `azure-iot-device` for Node over MQTT and in a WebSocket, for devices and modules.

use std::process::Command;

use serde_json::json;

use crate::hub::Hub;
use crate::scripts::{Running, node_sdks, script};
use crate::wired::{Proof, Transport, Wired};

/// For how many seconds a token is good that is renewed in half of the time.
const RENEWED: &str = "10";

/// Starts the script on a wire; with `token_seconds` its tokens live that long.
async fn start(wired: &Wired, id: &str, proof: Proof, token_seconds: &[&str]) -> Running {
    let wire = &wired.wire;
    // The SDK takes a gateway's port for MQTT, and puts its own one after it for a WebSocket.
    let gateway = match wired.transport {
        Transport::Mqtt => wire.address.to_string(),
        _ => wire.address.ip().to_string(),
    };
    let connection = wired.create(id, proof, &gateway).await;
    let mut command = script_of_device().await;
    command.env("CERTIFICATE_FILE", wired.certificate_file()).env("KEY_FILE", wired.key_file());
    command.env("DETOUR_PORT", wired.detour()).arg(wired.kind()).args(token_seconds);
    run(command, &wired.hub, &connection).await
}

async fn script_of_device() -> Command {
    node_sdks().await.command(&script("node/device.cjs"))
}

async fn run(mut command: Command, hub: &Hub, connection: &str) -> Running {
    command.env("NODE_EXTRA_CA_CERTS", hub.ca_file()).env("DEVICE_CONNECTION_STRING", connection);
    let device = Running::start(&command, hub.folder());
    device.said("listening", 1).await;
    device
}

/// What all clients do alike.
async fn goes_on_after_its_wire_was_cut(transport: Transport, id: &str, proof: Proof) {
    let wired = Wired::start(transport).await;
    let mut device = start(&wired, id, proof, &[]).await;
    let hub = &wired.hub.emulator;

    let steps = device.steps();
    assert_eq!(steps.ok("open"), "Connected");
    let twin = json!({"desired": {"first": 1, "$version": 2}, "reported": {"$version": 1}});
    assert_eq!(steps.ok("twin"), &twin);
    let (kind, _, message) = steps.error("report refused");
    assert!(kind == "Error" && message.contains("invalid characters"), "{kind}: {message}");
    assert_eq!(steps.ok("telemetry"), "MessageEnqueued");
    let outputs = steps.all("output");
    let is_module = id.contains('/');
    assert_eq!(outputs, if is_module { vec!["MessageEnqueued"] } else { vec![] });
    let reported = &hub.twin(id).unwrap()["properties"]["reported"];
    assert_eq!(
        (&reported["blob"], &reported["n"], reported.get("gone")),
        (&json!({"status": "received"}), &json!(1), None)
    );

    let before = steps.all("desired").len();
    wired.patch(id, &json!({"second": {"a": null, "b": 2}}));
    let steps = device.said("desired", before + 1).await;
    assert_eq!(steps.all("desired")[before], &json!({"second": {"a": null, "b": 2}, "$version": 3}));

    wired.wire.cut();
    // Without an operation the SDK may leave it at that.
    device
        .until("the hub's view of the cut", || {
            hub.counts().connects > 1 || hub.twin(id).unwrap()["connectionState"] == "Disconnected"
        })
        .await;
    device.ask();
    device.said("operation", 1).await.ok("operation");
    assert_eq!(hub.twin(id).unwrap()["properties"]["reported"]["operated"], true);
    wired.patch(id, &json!({"end": true}));
    device.ended().await;
    assert_eq!(device.steps().all("desired").last(), Some(&&json!({"end": true, "$version": 4})));
    let counts = hub.counts();
    let telemetry = if is_module { 2 } else { 1 };
    assert_eq!((counts.connects, counts.refused_connects, counts.telemetry), (2, 0, telemetry));
}

#[tokio::test]
async fn a_device_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::Mqtt, "d1", Proof::Key).await;
}

#[tokio::test]
async fn a_device_in_a_websocket_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::WebSocket, "d1", Proof::Key).await;
}

#[tokio::test]
async fn a_module_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::Mqtt, "d1/m1", Proof::Key).await;
}

// By an agent to another port, also where 443 is ours to take.
#[tokio::test]
async fn a_module_in_a_websocket_elsewhere_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::WebSocketElsewhere, "d1/m1", Proof::Key).await;
}

#[tokio::test]
async fn a_device_with_a_certificate_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::Mqtt, "d1", Proof::Certificate).await;
}

#[tokio::test]
async fn a_device_with_a_certificate_in_a_websocket_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut(Transport::WebSocket, "d1", Proof::Certificate).await;
}

/// Lets it renew its token twice, and sees to it that it misses nothing.
async fn renews_its_token(hub: &Hub, id: &str, device: &Running) {
    device.until("renewed tokens", || hub.emulator.counts().connects >= 3).await;
    hub.emulator.patch_twin(id, &json!({"properties": {"desired": {"end": true}}})).unwrap();
    device.ended().await;
    assert_eq!(device.steps().count("disconnected"), 0);
    // By the subscription that the session kept, and not by reading the twin again.
    let counts = hub.emulator.counts();
    assert_eq!((counts.refused_connects, counts.notifications), (0, 1));
}

/// By a connection string as it is.
#[tokio::test]
async fn a_device_renews_its_token_and_misses_nothing_after_it() {
    let hub = Hub::on_usual_ports().await;
    let connection = hub.emulator.create_device("d1", &json!(null)).unwrap();
    let mut command = script_of_device().await;
    command.args(["mqtt", RENEWED]);
    let device = run(command, &hub, &connection).await;
    renews_its_token(&hub, "d1", &device).await;
}

#[tokio::test]
async fn a_device_in_a_websocket_renews_its_token_and_misses_nothing_after_it() {
    let wired = Wired::start(Transport::WebSocket).await;
    let device = start(&wired, "d1", Proof::Key, &[RENEWED]).await;
    renews_its_token(&wired.hub, "d1", &device).await;
}

#[tokio::test]
async fn a_module_renews_its_token_and_misses_nothing_after_it() {
    let wired = Wired::start(Transport::Mqtt).await;
    let device = start(&wired, "d1/m1", Proof::Key, &[RENEWED]).await;
    renews_its_token(&wired.hub, "d1/m1", &device).await;
}
