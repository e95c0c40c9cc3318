//! What a hub of a tier delays and refuses, on a clock that the test moves.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::device::{Device, json_of};
use common::{HOUR, Hub, wait_for};
use iothub_emulator::{Clock, Limits, Rate, Route, Settings, Tier, Timestamp};
use rumqttc::ConnectReturnCode;
use serde_json::{Value, json};

/// A hub with device `d1` whose clock stands still.
async fn hub(limits: Limits) -> Hub {
    let clock = Clock::manual(Timestamp::from_unix_seconds(1_800_000_000));
    let hub = Hub::with(Settings { clock, limits, ..Settings::default() }).await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    hub
}

fn per_minute(count: u64) -> Rate {
    Rate { count, per: Duration::from_mins(1) }
}

/// Without delays: what is over the burst is refused.
fn strict() -> Limits {
    Limits { max_wait: Duration::ZERO, ..Limits::unlimited() }
}

#[tokio::test]
async fn services_and_devices_share_the_budget_of_twin_updates() {
    let hub = hub(Limits { twin_updates: Some(per_minute(3)), ..strict() }).await;
    let token = hub.emulator.device_token("d1", HOUR).unwrap();
    let mut device = Device::new(&hub, "d1", &token);
    device.connect().await.unwrap();
    let body = Some(json!({"properties": {"desired": {"a": 1}}}));
    assert_eq!(hub.call("PATCH", "/twins/d1", &[], body.clone()).await.status, 200);
    assert_eq!(hub.call("PUT", "/twins/d1", &[], body.clone()).await.status, 200);
    let report = "$iothub/twin/PATCH/properties/reported/?$rid=";
    device.publish(&format!("{report}1"), r#"{"n": 1}"#).await;
    assert_eq!(device.message().await.topic, "$iothub/twin/res/204/?$rid=1&$version=2");

    let refused = hub.call("PATCH", "/twins/d1", &[], body.clone()).await;
    assert_eq!((refused.status, refused.header("iothub-errorcode")), (429, Some("ThrottlingException")));
    device.publish(&format!("{report}2"), r#"{"n": 2}"#).await;
    let reply = device.message().await;
    assert_eq!(
        (reply.topic.as_str(), &json_of(&reply)["errorCode"]),
        ("$iothub/twin/res/429/?$rid=2", &json!(429_001))
    );
    let twin = hub.emulator.twin("d1").unwrap();
    assert_eq!(
        (&twin["properties"]["reported"]["n"], &twin["properties"]["desired"]["$version"]),
        (&json!(1), &json!(3))
    );
    // Reads have a budget of their own.
    assert_eq!(hub.call("GET", "/twins/d1", &[], None).await.status, 200);

    hub.emulator.clock().advance(Duration::from_secs(20));
    assert_eq!(hub.call("PATCH", "/twins/d1", &[], body.clone()).await.status, 200);
    assert_eq!(hub.call("PATCH", "/twins/d1", &[], body).await.status, 429);
    let counts = hub.emulator.counts();
    assert_eq!((counts.throttled(), counts.throttled_device_operations, counts.delayed), (2, 1, 0));
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn what_is_a_little_too_much_is_only_late() {
    let limits = Limits {
        twin_updates: Some(per_minute(1)),
        burst: Duration::ZERO,
        max_wait: Duration::from_mins(2),
        ..Limits::unlimited()
    };
    let hub = hub(limits).await;
    let token = hub.emulator.device_token("d1", HOUR).unwrap();
    let mut device = Device::new(&hub, "d1", &token);
    device.connect().await.unwrap();
    let report = "$iothub/twin/PATCH/properties/reported/?$rid=";
    device.publish(&format!("{report}1"), r#"{"n": 1}"#).await;
    device.publish("$iothub/twin/GET/?$rid=2", "").await;
    device.work_until(|| hub.emulator.counts().delayed == 2).await;
    let body = Some(json!({"properties": {"desired": {"a": 1}}}));
    let (patched, ()) = tokio::join!(hub.call("PATCH", "/twins/d1", &[], body.clone()), async {
        wait_for(|| hub.emulator.counts().delayed == 3).await;
        let twin = hub.emulator.twin("d1").unwrap();
        assert_eq!((&twin["properties"]["reported"]["$version"], &twin["version"]), (&json!(1), &json!(2)));
        // The two that wait fill what may wait.
        assert_eq!(hub.call("PATCH", "/twins/d1", &[], body.clone()).await.status, 429);
        hub.emulator.clock().advance(Duration::from_mins(1));
        // The device's turn came first; what it sent after it waited behind it.
        assert_eq!(device.message().await.topic, "$iothub/twin/res/204/?$rid=1&$version=2");
        assert_eq!(device.message().await.topic, "$iothub/twin/res/200/?$rid=2");
        assert_eq!(hub.emulator.twin("d1").unwrap()["properties"]["desired"]["$version"], 1);
        hub.emulator.clock().advance(Duration::from_mins(1));
    });
    assert_eq!(patched.status, 200);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn every_class_has_its_budget() {
    let hub = hub(Limits {
        registry: Some(per_minute(2)),
        queries: Some(per_minute(1)),
        twin_reads: Some(per_minute(3)),
        ..strict()
    })
    .await;
    let query = json!({"query": "SELECT * FROM devices"});
    let table = [
        ("GET", "/devices/d1", None, 2, Route::GetDevice),
        ("POST", "/devices/query", Some(query), 1, Route::Query),
        ("GET", "/twins/d1", None, 3, Route::GetTwin),
    ];
    for (method, path, body, admitted, route) in table {
        for _ in 0..5 {
            hub.call(method, path, &[], body.clone()).await;
        }
        let counts = hub.emulator.counts();
        assert_eq!(
            (counts.with_status(route, 200), counts.with_status(route, 429)),
            (admitted, 5 - admitted),
            "{path}"
        );
    }
    // Who may not do it takes nothing.
    hub.emulator.clock().advance(Duration::from_mins(1));
    assert_eq!(hub.call("POST", "/devices/query", &[("authorization", "Bearer x")], None).await.status, 401);
    let query = json!({"query": "SELECT * FROM devices"});
    assert_eq!(hub.call("POST", "/devices/query", &[], Some(query)).await.status, 200);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn too_many_connections_and_too_much_telemetry_are_turned_away() {
    let hub =
        hub(Limits { connections: Some(per_minute(1)), telemetry: Some(per_minute(1)), ..strict() }).await;
    let token = hub.emulator.device_token("d1", HOUR).unwrap();
    let mut device = Device::new(&hub, "d1", &token);
    device.connect().await.unwrap();
    let second = Device::new(&hub, "d1", &token).connect().await;
    assert_eq!(second, Err(ConnectReturnCode::ServiceUnavailable));
    device.publish("devices/d1/messages/events/", "1").await;
    device.publish("devices/d1/messages/events/", "2").await;
    device.closed().await;
    let counts = hub.emulator.counts();
    assert_eq!((counts.telemetry, counts.throttled_device_operations), (1, 2));
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_days_messages_end_and_come_back_with_the_next_day() {
    let hub = hub(Limits { daily_messages: Some(6), ..Limits::unlimited() }).await;
    let token = hub.emulator.device_token("d1", HOUR * 48).unwrap();
    let service = hub.emulator.policy_token("iothubowner", HOUR * 48).unwrap();
    let header = [("authorization", service.as_str())];
    let mut device = Device::new(&hub, "d1", &token);
    device.connect().await.unwrap();
    device.subscribe(common::device::DESIRED).await;
    // 5,000 bytes are two messages, and so is their notification.
    let patch = json!({"properties": {"desired": {"a": "x".repeat(3000), "b": "y".repeat(2000)}}});
    assert_eq!(hub.call("PATCH", "/twins/d1", &header, Some(patch)).await.status, 200);
    device.message().await;
    assert_eq!(hub.emulator.counts().messages, 4);
    device.publish("$iothub/twin/PATCH/properties/reported/?$rid=1", r#"{"n": 1}"#).await;
    device.message().await;
    device.publish("devices/d1/messages/events/", "1").await;
    // Identities are free.
    assert_eq!(hub.call("GET", "/devices/d1", &header, None).await.status, 200);
    device.publish("$iothub/twin/GET/?$rid=2", "").await;
    let refused = device.message().await;
    assert_eq!(
        (refused.topic.as_str(), &json_of(&refused)["errorCode"]),
        ("$iothub/twin/res/403/?$rid=2", &json!(403_002))
    );
    for (method, path, body) in [
        ("GET", "/twins/d1", None),
        ("PATCH", "/twins/d1", Some(json!({"tags": {"t": 1}}))),
        ("POST", "/devices/query", Some(json!({"query": "SELECT * FROM devices"}))),
    ] {
        let refused = hub.call(method, path, &header, body).await;
        assert_eq!(
            (refused.status, refused.header("iothub-errorcode")),
            (403, Some("IotHubQuotaExceeded")),
            "{path}"
        );
        let text = refused.body["Message"].as_str().unwrap();
        assert!(text.contains("Max allowed message count : '6', current message count : '6'"), "{text}");
    }
    assert_eq!(hub.call("GET", "/devices/d1", &header, None).await.status, 200);
    hub.emulator.clock().advance(HOUR * 24);
    assert_eq!(hub.call("GET", "/twins/d1", &header, None).await.status, 200);
    // The twin is more than 4 KB.
    assert_eq!(hub.emulator.counts().messages, 2);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn entries_of_a_bulk_call_count_by_themselves() {
    let entries = |mode: &str, count: usize| -> Value {
        (0..count).map(|n| json!({"id": format!("b{n}"), "importMode": mode, "tags": {"x": 1}})).collect()
    };
    for (bulk_twins_are_updates, twins_served) in [(false, 400), (true, 200)] {
        let limits = Limits {
            registry: Some(per_minute(6)),
            twin_updates: Some(per_minute(4)),
            bulk_twins_are_updates,
            ..strict()
        };
        let hub = hub(limits).await;
        let bulk = |entries| hub.call("POST", "/devices", &[], Some(entries));
        assert_eq!(bulk(entries("create", 7)).await.status, 429);
        assert_eq!(bulk(entries("create", 4)).await.status, 200);
        assert_eq!(bulk(entries("create", 3)).await.status, 429);
        // Two are left of the registry's, and twins have a budget that nothing was taken from.
        let twins = bulk(entries("updateTwin", 4)).await.status;
        assert_eq!(twins, if twins_served == 200 { 200 } else { 429 });
        let body = Some(json!({"tags": {"y": 1}}));
        let patched = hub.call("PATCH", "/twins/b0", &[], body).await.status;
        assert_eq!(patched, if twins_served == 200 { 429 } else { 200 });
        // What is refused as a whole is one operation.
        assert_eq!(bulk(json!({})).await.status, 400);
        assert_eq!(bulk(entries("none", 101)).await.status, 400);
        assert_eq!(bulk(json!([])).await.status, 429);
        hub.emulator.shutdown().await;
    }
}

/// "Azure IoT Hub billing information": what costs messages, and what is free.
#[tokio::test]
async fn what_costs_messages() {
    let hub = hub(Limits::unlimited()).await;
    let edge = Some(json!({"capabilities": {"iotEdge": true}}));
    hub.call("PUT", "/devices/edge", &[], edge).await;
    let job = json!({"type": "scheduleUpdateTwin", "queryCondition": "deviceId IN ['d1', 'edge']", "updateTwin": {"etag": "*", "tags": {"x": "1"}}});
    let long = "x".repeat(4000);
    let content = json!({"modulesContent": {"$edgeHub": {"properties.desired.a": 1}}});
    let configuration = json!({"targetCondition": "deviceId = 'd1'", "content": {"deviceContent": {"properties.desired.c": 1}}});
    let query = |text: &str| Some(json!({"query": text}));
    let table = [
        ("GET", "/devices/d1", None, 0),
        ("GET", "/statistics/devices", None, 0),
        ("GET", "/twins/d1", None, 1),
        ("PATCH", "/twins/d1", Some(json!({"tags": {"a": long, "b": long}})), 2),
        // A twin of two messages by now.
        ("GET", "/twins/d1", None, 3),
        ("POST", "/devices", Some(json!([{"id": "new", "importMode": "create", "tags": {"x": 1}}])), 0),
        (
            "POST",
            "/devices",
            Some(
                json!([{"id": "new", "importMode": "updateTwin", "tags": {"x": long, "y": long}}, {"id": "d1", "importMode": "updateTwin", "tags": {"z": 1}}]),
            ),
            3,
        ),
        ("POST", "/devices/query", query("SELECT deviceId FROM devices"), 1),
        ("POST", "/devices/query", query("SELECT * FROM devices WHERE deviceId = 'd1'"), 3),
        ("POST", "/devices/query", query("SELECT deviceId FROM devices WHERE deviceId = 'none'"), 1),
        // One for each of its devices.
        ("PUT", "/jobs/v2/j", Some(job), 2),
        ("GET", "/jobs/v2/j", None, 0),
        ("POST", "/devices/query", query("SELECT * FROM devices.jobs"), 0),
        ("GET", "/jobs/v2/query", None, 0),
        // What it wrote, for want of a word of the documents.
        ("PUT", "/configurations/c", Some(configuration), 1),
        ("GET", "/configurations/c", None, 0),
        ("POST", "/devices/edge/applyConfigurationContent", Some(content), 1),
    ];
    for (method, path, body, cost) in table {
        let before = hub.emulator.counts().messages;
        let shown = format!("{method} {path} {body:?}");
        let reply = hub.call(method, path, &[], body).await;
        assert!(reply.status < 300, "{shown}: {}", reply.body);
        hub.emulator.clock().advance(Duration::from_millis(100));
        // Has all that is due done.
        hub.emulator.twin("d1").unwrap();
        assert_eq!(hub.emulator.counts().messages - before, cost, "{shown}");
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_tier_is_a_setting() {
    let hub = hub(Limits::of(Tier::S1, 1)).await;
    // 20 a minute, a minute's worth at once, and ten seconds' worth that wait.
    let query = || {
        hub.call("POST", "/devices/query", &[], Some(json!({"query": "SELECT COUNT() AS n FROM devices"})))
    };
    for _ in 0..20 {
        assert_eq!(query().await.status, 200);
    }
    let (first, second, third, fourth, ()) = tokio::join!(query(), query(), query(), query(), async {
        wait_for(|| {
            let counts = hub.emulator.counts();
            counts.delayed == 3 && counts.throttled() == 1
        })
        .await;
        hub.emulator.clock().advance(Duration::from_secs(9));
    });
    let mut statuses = [first, second, third, fourth].map(|reply| reply.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429]);
    hub.emulator.shutdown().await;
}
