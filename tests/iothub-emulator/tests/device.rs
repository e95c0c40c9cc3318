//! The device side over the wire, with an MQTT client of its own.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::device::{DESIRED, Device, RESPONSES, json_of};
use common::{HOUR, Hub, wait_for};
use iothub_emulator::{Clock, Settings, Timestamp};
use rumqttc::{ConnectReturnCode, QoS};
use serde_json::{Value, json};

/// A device, and a module of it: what they may do and are told is the same.
const BOTH: [&str; 2] = ["d1", "d1/m1"];

/// A hub with both, and a token of one of them, signed by its own key.
async fn hub_with(id: &str) -> (Hub, String) {
    let hub = Hub::start().await;
    for id in BOTH {
        hub.emulator.create_device(id, &json!({"site": "a"})).unwrap();
    }
    let token = hub.emulator.device_token(id, HOUR).unwrap();
    (hub, token)
}

fn connection_state(hub: &Hub, id: &str) -> Value {
    hub.emulator.twin(id).unwrap()["connectionState"].clone()
}

#[tokio::test]
async fn a_device_reads_its_twin_is_notified_and_reports() {
    reads_its_twin_is_notified_and_reports("d1", "/twins/d1", "devices/d1").await;
}

#[tokio::test]
async fn a_module_reads_its_twin_is_notified_and_reports() {
    reads_its_twin_is_notified_and_reports("d1/m1", "/twins/d1/modules/m1", "devices/d1/modules/m1").await;
}

async fn reads_its_twin_is_notified_and_reports(id: &str, twin_at: &str, topics: &str) {
    let (hub, token) = hub_with(id).await;
    let mut device = Device::new(&hub, id, &token);
    assert_eq!(device.connect().await, Ok(false));
    // Python reads the twin before it subscribes to anything, and sends one space.
    device.publish("$iothub/twin/GET/?$rid=r-1", " ").await;
    let twin = device.message().await;
    assert_eq!(twin.topic, "$iothub/twin/res/200/?$rid=r-1");
    assert_eq!(json_of(&twin), json!({"desired": {"$version": 1}, "reported": {"$version": 1}}));
    for other in BOTH {
        let state = if other == id { "Connected" } else { "Disconnected" };
        assert_eq!(connection_state(&hub, other), state, "{other}");
    }

    device.subscribe(DESIRED).await;
    let patch = json!({"tags": {"t": 1}, "properties": {"desired": {"blob": {"uri": "u", "old": null}, "gone": null}}});
    assert_eq!(hub.call("PATCH", twin_at, &[], Some(patch)).await.status, 200);
    // Tags alone notify nobody: the next notification is the second one of desired properties.
    hub.call("PATCH", twin_at, &[], Some(json!({"tags": {"t": 2}}))).await;
    hub.call("PUT", twin_at, &[], Some(json!({"properties": {"desired": {"whole": 1}}}))).await;
    let first = device.message().await;
    assert_eq!(first.topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    assert_eq!(json_of(&first), json!({"blob": {"uri": "u", "old": null}, "gone": null, "$version": 2}));
    let second = device.message().await;
    assert_eq!(json_of(&second), json!({"whole": 1, "$version": 3}));

    let table = [
        ("$rid=2", r#"{"blob":{"status":"received"}}"#, "204/?$rid=2&$version=2", None),
        ("$rid=3&$version=2", r#"{"n":1}"#, "204/?$rid=3&$version=3", None),
        // A stale base version (azure-iot-sdk-java#1530).
        ("$rid=4&$version=2", r#"{"n":2}"#, "412/?$rid=4", Some(412_001)),
        ("$rid=5", r#"{"a.b":1}"#, "400/?$rid=5", Some(400_004)),
        ("$rid=6", "no json", "400/?$rid=6", Some(400_004)),
    ];
    for (query, payload, answer, code) in table {
        device.publish(&format!("$iothub/twin/PATCH/properties/reported/?{query}"), payload).await;
        let reply = device.message().await;
        assert_eq!(reply.topic, format!("$iothub/twin/res/{answer}"));
        match code {
            None => assert!(reply.payload.is_empty()),
            Some(code) => assert_eq!(json_of(&reply)["errorCode"], code),
        }
    }
    for other in BOTH {
        let reported = &hub.emulator.twin(other).unwrap()["properties"]["reported"];
        assert_eq!(reported.get("n"), (other == id).then_some(&json!(1)), "{other}");
    }

    device.publish(&format!("{topics}/messages/events/a=b"), "hello").await;
    device.publish("$iothub/twin/GET/?$rid=7", "").await;
    assert_eq!(device.message().await.topic, "$iothub/twin/res/200/?$rid=7");
    let counts = hub.emulator.counts();
    assert_eq!((counts.telemetry, counts.notifications, counts.reports, counts.device_reads), (1, 2, 5, 2));
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_session_outlives_its_connection_and_misses_what_happens_meanwhile() {
    for id in BOTH {
        let (hub, token) = hub_with(id).await;
        let mut device = Device::new(&hub, id, &token);
        device.connect().await.unwrap();
        device.subscribe(DESIRED).await;
        device.subscribe(RESPONSES).await;
        drop(device);
        wait_for(|| connection_state(&hub, id) == "Disconnected").await;
        hub.emulator.patch_twin(id, &json!({"properties": {"desired": {"a": 1}}})).unwrap();

        let mut back = Device::new(&hub, id, &token);
        assert_eq!(back.connect().await, Ok(true), "{id}");
        hub.emulator.patch_twin(id, &json!({"properties": {"desired": {"a": 2}}})).unwrap();
        assert_eq!(json_of(&back.message().await), json!({"a": 2, "$version": 3}), "{id}");
        hub.emulator.shutdown().await;
    }
}

#[tokio::test]
async fn a_second_connection_takes_over() {
    for id in BOTH {
        let (hub, token) = hub_with(id).await;
        let mut first = Device::new(&hub, id, &token);
        first.connect().await.unwrap();
        let mut second = Device::new(&hub, id, &token);
        second.connect().await.unwrap();
        first.closed().await;
        second.subscribe(DESIRED).await;
        hub.emulator.patch_twin(id, &json!({"properties": {"desired": {"a": 1}}})).unwrap();
        assert_eq!(json_of(&second.message().await)["a"], 1, "{id}");
        assert_eq!(connection_state(&hub, id), "Connected");
        hub.emulator.shutdown().await;
    }
}

#[tokio::test]
async fn what_a_hub_does_not_know_ends_the_connection() {
    let (hub, token) = hub_with("d1").await;
    let publishes = [
        ("anything", QoS::AtMostOnce),
        ("$iothub/twin/GET/", QoS::AtMostOnce),
        ("devices/d1/messages/events/", QoS::ExactlyOnce),
    ];
    for (topic, qos) in publishes {
        let mut device = Device::new(&hub, "d1", &token);
        device.connect().await.unwrap();
        device.client.publish(topic, qos, false, "x").await.unwrap();
        device.closed().await;
    }
    for filter in ["#", "devices/d2/messages/devicebound/#"] {
        let mut device = Device::new(&hub, "d1", &token);
        device.connect().await.unwrap();
        device.client.subscribe(filter, QoS::AtMostOnce).await.unwrap();
        device.closed().await;
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn connections_are_judged() {
    let (hub, token) = hub_with("d1").await;
    hub.emulator.create_device("d2", &Value::Null).unwrap();
    let of_d2 = hub.emulator.device_token("d2", HOUR).unwrap();
    let by_policy = hub.emulator.policy_token("device", HOUR).unwrap();
    let by_service = hub.emulator.policy_token("service", HOUR).unwrap();
    let table = [
        ("d1", token.as_str(), Ok(false)),
        ("d1", by_policy.as_str(), Ok(false)),
        ("d1", by_service.as_str(), Err(ConnectReturnCode::NotAuthorized)),
        ("d1", of_d2.as_str(), Err(ConnectReturnCode::NotAuthorized)),
        ("d3", by_policy.as_str(), Err(ConnectReturnCode::NotAuthorized)),
        ("d1", "", Err(ConnectReturnCode::NotAuthorized)),
        ("d1", "SharedAccessSignature sr=x", Err(ConnectReturnCode::NotAuthorized)),
        ("d 1", token.as_str(), Err(ConnectReturnCode::BadClientId)),
    ];
    for (id, password, expected) in table {
        assert_eq!(Device::new(&hub, id, password).connect().await, expected, "{id}");
    }
    let counts = hub.emulator.counts();
    assert_eq!((counts.connects, counts.refused_connects), (2, 6));
    let disabled = json!({"deviceId": "d1", "status": "disabled"});
    let mut device = Device::new(&hub, "d1", &token);
    device.connect().await.unwrap();
    hub.call("PUT", "/devices/d1", &[("if-match", "*")], Some(disabled)).await;
    device.closed().await;
    assert_eq!(Device::new(&hub, "d1", &token).connect().await, Err(ConnectReturnCode::NotAuthorized));
    let mut other = Device::new(&hub, "d2", &of_d2);
    other.connect().await.unwrap();
    hub.emulator.delete_device("d2").unwrap();
    other.closed().await;
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn an_expired_token_ends_the_connection() {
    let clock = Clock::manual(Timestamp::from_unix_seconds(1_800_000_000));
    let hub = Hub::with(Settings { clock, ..Settings::default() }).await;
    for id in BOTH {
        hub.emulator.create_device(id, &Value::Null).unwrap();
        let token = hub.emulator.device_token(id, HOUR).unwrap();
        let mut device = Device::new(&hub, id, &token);
        device.connect().await.unwrap();
        hub.emulator.clock().advance(HOUR);
        device.closed().await;
        assert_eq!(Device::new(&hub, id, &token).connect().await, Err(ConnectReturnCode::NotAuthorized));
    }
    hub.emulator.shutdown().await;
}
