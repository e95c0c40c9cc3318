//! `azure-iot-device` for Node over MQTT.

use serde_json::json;
use tokio::net::TcpListener;

use crate::hub::Hub;
use crate::scripts::{Running, node_sdks, script};
use crate::wire::Wire;

/// Starts the script for device `d1`; with `token_seconds` its tokens live that long.
async fn start(hub: &Hub, connection: &str, token_seconds: &[&str]) -> Running {
    let sdks = node_sdks().await;
    let mut command = sdks.command(&script("node/device.cjs"));
    command.args(token_seconds).env("NODE_EXTRA_CA_CERTS", hub.ca_file());
    Running::start(command.env("DEVICE_CONNECTION_STRING", connection), hub.folder())
}

#[tokio::test]
async fn a_device_goes_on_after_its_wire_was_cut() {
    let hub = Hub::start().await;
    let connection = hub.emulator.create_device("d1", &json!({"site": "a"})).unwrap();
    hub.emulator.patch_twin("d1", &json!({"properties": {"desired": {"first": 1}}})).unwrap();
    let far = ([127, 0, 0, 1], hub.emulator.mqtt_port()).into();
    let wire = Wire::lay(TcpListener::bind("127.0.0.1:0").await.unwrap(), far);
    let (usual, _) = connection.split_once(";GatewayHostName=").unwrap();
    let mut device = start(&hub, &format!("{usual};GatewayHostName={}", wire.address), &[]).await;

    let steps = device.said("listening", 1).await;
    assert_eq!(steps.ok("open"), "Connected");
    let twin = json!({"desired": {"first": 1, "$version": 2}, "reported": {"$version": 1}});
    assert_eq!(steps.ok("twin"), &twin);
    let (kind, _, message) = steps.error("report refused");
    assert!(kind == "Error" && message.contains("invalid characters"), "{kind}: {message}");
    assert_eq!(steps.ok("telemetry"), "MessageEnqueued");
    let reported = &hub.emulator.twin("d1").unwrap()["properties"]["reported"];
    assert_eq!(
        (&reported["blob"], &reported["n"], reported.get("gone")),
        (&json!({"status": "received"}), &json!(1), None)
    );

    let before = steps.all("desired").len();
    hub.emulator
        .patch_twin("d1", &json!({"properties": {"desired": {"second": {"a": null, "b": 2}}}}))
        .unwrap();
    let steps = device.said("desired", before + 1).await;
    assert_eq!(steps.all("desired")[before], &json!({"second": {"a": null, "b": 2}, "$version": 3}));

    wire.cut();
    // Without an operation the SDK may leave it at that.
    device
        .until("the hub's view of the cut", || {
            hub.emulator.counts().connects > 1
                || hub.emulator.twin("d1").unwrap()["connectionState"] == "Disconnected"
        })
        .await;
    device.ask();
    device.said("operation", 1).await.ok("operation");
    assert_eq!(hub.emulator.twin("d1").unwrap()["properties"]["reported"]["operated"], true);
    hub.emulator.patch_twin("d1", &json!({"properties": {"desired": {"end": true}}})).unwrap();
    device.ended().await;
    assert_eq!(device.steps().all("desired").last(), Some(&&json!({"end": true, "$version": 4})));
    let counts = hub.emulator.counts();
    assert_eq!((counts.connects, counts.refused_connects, counts.telemetry), (2, 0, 1));
}

#[tokio::test]
async fn a_device_renews_its_token_and_misses_nothing_after_it() {
    let hub = Hub::on_usual_ports().await;
    let connection = hub.emulator.create_device("d1", &json!(null)).unwrap();
    let device = start(&hub, &connection, &["4"]).await;
    device.said("listening", 1).await;
    device.until("renewed tokens", || hub.emulator.counts().connects >= 3).await;
    hub.emulator.patch_twin("d1", &json!({"properties": {"desired": {"end": true}}})).unwrap();
    device.ended().await;
    assert_eq!(device.steps().count("disconnected"), 0);
    // By the subscription that the session kept, and not by reading the twin again.
    let counts = hub.emulator.counts();
    assert_eq!((counts.refused_connects, counts.notifications), (0, 1));
}
