//! What is different about a module that connects by itself: its ids, its rights, its topics, and whose end is its own.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

mod common;

use common::device::{DESIRED, Device, json_of};
use common::{HOUR, Hub};
use rumqttc::{ConnectReturnCode, QoS};
use serde_json::{Value, json};

/// A hub with devices `d1` and `d2`, and modules `m1` and `m2` on the first.
async fn hub() -> Hub {
    let hub = Hub::start().await;
    for id in ["d1", "d2", "d1/m1", "d1/m2"] {
        hub.emulator.create_device(id, &Value::Null).unwrap();
    }
    hub
}

fn token(hub: &Hub, id: &str) -> String {
    hub.emulator.device_token(id, HOUR).unwrap()
}

async fn connected(hub: &Hub, id: &str) -> Device {
    let mut client = Device::new(hub, id, &token(hub, id));
    client.connect().await.unwrap();
    client
}

#[tokio::test]
async fn a_module_connects_by_its_own_key_or_by_a_policys() {
    let hub = hub().await;
    let edge = json!({"deviceId": "e1", "capabilities": {"iotEdge": true}});
    assert_eq!(hub.call("PUT", "/devices/e1", &[], Some(edge)).await.status, 200);
    let by_policy = |name| hub.emulator.policy_token(name, HOUR).unwrap();
    let refused = Err(ConnectReturnCode::NotAuthorized);
    let table = [
        ("d1/m1", token(&hub, "d1/m1"), Ok(false)),
        ("d1/m1", by_policy("device"), Ok(false)),
        ("d1/m1", by_policy("service"), refused),
        // Neither the device's key nor another module's.
        ("d1/m1", token(&hub, "d1"), refused),
        ("d1/m1", token(&hub, "d1/m2"), refused),
        ("d1", token(&hub, "d1/m1"), refused),
        // The hub's own modules have no key.
        ("e1/$edgeAgent", by_policy("device"), Ok(false)),
        ("e1/$edgeAgent", token(&hub, "e1/$edgeAgent"), refused),
        ("d2/m1", by_policy("device"), refused),
        ("d3/m1", by_policy("device"), refused),
        ("d1/", by_policy("device"), Err(ConnectReturnCode::BadClientId)),
        ("d1/m1/x", by_policy("device"), Err(ConnectReturnCode::BadClientId)),
    ];
    for (place, (id, password, expected)) in table.into_iter().enumerate() {
        assert_eq!(Device::new(&hub, id, &password).connect().await, expected, "{place}: {id}");
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_module_has_topics_of_its_own() {
    let hub = hub().await;
    let mut module = connected(&hub, "d1/m1").await;
    module.subscribe("devices/d1/modules/m1/inputs/#").await;
    // To an output, as `sendOutputEvent` and `send_message_to_output` do it.
    module.publish("devices/d1/modules/m1/messages/events/%24.on=out", "hello").await;
    module.work_until(|| hub.emulator.counts().telemetry == 1).await;
    for (id, topic) in [
        ("d1/m1", "devices/d1/messages/events/"),
        ("d1/m1", "devices/d1/modules/m2/messages/events/"),
        ("d1", "devices/d1/modules/m1/messages/events/"),
    ] {
        let mut client = connected(&hub, id).await;
        client.client.publish(topic, QoS::AtMostOnce, false, "x").await.unwrap();
        client.closed().await;
    }
    for (id, filter) in [
        ("d1/m1", "devices/d1/messages/devicebound/#"),
        ("d1/m1", "devices/d1/modules/m2/inputs/#"),
        ("d1", "devices/d1/modules/m1/inputs/#"),
    ] {
        let mut client = connected(&hub, id).await;
        client.client.subscribe(filter, QoS::AtMostOnce).await.unwrap();
        client.closed().await;
    }
    assert_eq!(hub.emulator.counts().telemetry, 1);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_device_that_is_disabled_or_deleted_takes_its_modules_along() {
    let hub = hub().await;
    let set = async |id: &str, path: &str, status: &str| {
        let body = json!({"deviceId": id, "status": status});
        assert_eq!(hub.call("PUT", path, &[("if-match", "*")], Some(body)).await.status, 200);
    };
    let mut device = connected(&hub, "d1").await;
    let (mut first, mut second) = (connected(&hub, "d1/m1").await, connected(&hub, "d1/m2").await);
    second.subscribe(DESIRED).await;
    // A module has no status of its own, and the next device's is nothing to it.
    set("d1", "/devices/d1/modules/m2", "disabled").await;
    set("d2", "/devices/d2", "disabled").await;
    hub.emulator.delete_device("d1/m1").unwrap();
    first.closed().await;
    let patch = json!({"properties": {"desired": {"a": 1}}});
    hub.emulator.patch_twin("d1/m2", &patch).unwrap();
    assert_eq!(json_of(&second.message().await)["a"], 1);

    set("d1", "/devices/d1", "disabled").await;
    device.closed().await;
    second.closed().await;
    let module = hub.emulator.twin("d1/m2").unwrap();
    assert_eq!(module["connectionState"], "Disconnected");
    let mut again = Device::new(&hub, "d1/m2", &token(&hub, "d1/m2"));
    assert_eq!(again.connect().await, Err(ConnectReturnCode::NotAuthorized));

    // It goes on where it was.
    set("d1", "/devices/d1", "enabled").await;
    let mut back = Device::new(&hub, "d1/m2", &token(&hub, "d1/m2"));
    assert_eq!(back.connect().await, Ok(true));
    hub.emulator.patch_twin("d1/m2", &patch).unwrap();
    assert_eq!(json_of(&back.message().await)["$version"], 3);
    hub.emulator.delete_device("d1").unwrap();
    back.closed().await;
    hub.emulator.shutdown().await;
}
