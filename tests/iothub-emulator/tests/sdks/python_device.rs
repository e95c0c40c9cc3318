//! `azure-iot-device` for Python over MQTT, synchronous and aio.

use std::net::IpAddr;
use std::path::Path;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::hub::Hub;
use crate::scripts::{Running, Steps, python_sdks, script};
use crate::wire::Wire;

/// A hub, and a wire to it from port 8883, for the SDK dials no other.
async fn wired_hub() -> (Hub, Wire) {
    let own = standins::own_loopback_address();
    let listener = match TcpListener::bind((own, 8883)).await {
        Ok(listener) => listener,
        Err(error) => {
            standins::say(&format!("Microsoft's SDKs: {own}:8883: {error}: taking 127.0.0.1:8883"));
            TcpListener::bind("127.0.0.1:8883").await.unwrap()
        }
    };
    let address: IpAddr = listener.local_addr().unwrap().ip();
    let hub = Hub::on(address).await;
    let wire = Wire::lay(listener, (address, hub.emulator.mqtt_port()).into());
    (hub, wire)
}

/// Where there is one port 8883 for all, one test at a time has it.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Starts a script for device `d1`; with `token_seconds` its tokens live that long.
async fn start(hub: &Hub, wire: &Wire, name: &str, token_seconds: &[&str]) -> Running {
    let connection = hub.emulator.create_device("d1", &json!({"site": "a"})).unwrap();
    hub.emulator.patch_twin("d1", &json!({"properties": {"desired": {"first": 1}}})).unwrap();
    let (usual, _) = connection.split_once(";GatewayHostName=").unwrap();
    let sdks = python_sdks().await;
    let mut command = sdks.command(&script(name));
    command.args(token_seconds).env("CA_FILE", Path::new(&hub.ca_file()));
    command.env("DEVICE_CONNECTION_STRING", format!("{usual};GatewayHostName={}", wire.address.ip()));
    let device = Running::start(&command, hub.folder());
    device.said("listening", 1).await;
    device
}

/// What both clients do alike.
async fn goes_on_after_its_wire_was_cut(name: &str) {
    let _alone = ALONE.lock().await;
    let (hub, wire) = wired_hub().await;
    let device = start(&hub, &wire, name, &[]).await;
    let steps = device.steps();
    let twin = json!({"desired": {"first": 1, "$version": 2}, "reported": {"$version": 1}});
    assert_eq!(steps.ok("twin"), &twin);
    let (kind, _, message) = steps.error("report refused");
    assert!(kind == "ClientError" && message.contains("Unexpected failure"), "{kind}: {message}");
    assert_eq!((steps.count("connect"), steps.ok("telemetry")), (1, &json!(null)));
    let reported = &hub.emulator.twin("d1").unwrap()["properties"]["reported"];
    let values = (&reported["blob"], &reported["n"], reported.get("gone"));
    assert_eq!(values, (&json!({"status": "received"}), &json!(1), None));

    patch(&hub, &json!({"second": {"a": null, "b": 2}}));
    let steps = device.said("desired", 1).await;
    assert_eq!(steps.ok("desired"), &json!({"second": {"a": null, "b": 2}, "$version": 3}));

    wire.cut();
    let connections = |steps: &Steps| steps.all("connection").into_iter().cloned().collect::<Vec<_>>();
    let wanted = [json!(true), json!(false), json!(true)];
    device.until("a new connection", || connections(&device.steps()) == wanted).await;
    patch(&hub, &json!({"end": true}));
    device.ended().await;
    assert_eq!(device.steps().all("desired")[1], &json!({"end": true, "$version": 4}));
    assert_eq!(hub.emulator.twin("d1").unwrap()["properties"]["reported"]["ended"], true);
    let counts = hub.emulator.counts();
    assert_eq!((counts.connects, counts.refused_connects, counts.telemetry), (2, 0, 1));
}

fn patch(hub: &Hub, desired: &serde_json::Value) {
    hub.emulator.patch_twin("d1", &json!({"properties": {"desired": desired}})).unwrap();
}

#[tokio::test]
async fn the_synchronous_client_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut("python/device.py").await;
}

#[tokio::test]
async fn the_aio_client_goes_on_after_its_wire_was_cut() {
    goes_on_after_its_wire_was_cut("python/device_aio.py").await;
}

#[tokio::test]
async fn a_device_renews_its_token_and_misses_nothing_after_it() {
    let _alone = ALONE.lock().await;
    let (hub, wire) = wired_hub().await;
    // The SDK renews 120 s before the end.
    let device = start(&hub, &wire, "python/device.py", &["123"]).await;
    device.until("renewed tokens", || hub.emulator.counts().connects >= 3).await;
    patch(&hub, &json!({"end": true}));
    device.ended().await;
    // By the subscription that the session kept, and not by reading the twin again.
    let counts = hub.emulator.counts();
    assert_eq!((counts.refused_connects, counts.notifications), (0, 1));
}
