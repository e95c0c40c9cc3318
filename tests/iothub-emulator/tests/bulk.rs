//! Many identities by one call, and the counts of them.

mod common;

use common::{HOUR, Hub, Reply};
use serde_json::{Value, json};

async fn bulk(hub: &Hub, entries: Value) -> Reply {
    hub.call("POST", "/devices", &[], Some(entries)).await
}

#[tokio::test]
async fn every_mode_does_what_its_name_says() {
    let hub = Hub::start().await;
    let created = bulk(
        &hub,
        json!([
            {"id": "a", "importMode": "create", "status": "enabled", "tags": {"site": "x"}, "properties": {"desired": {"k": 1}}},
            // Node writes its modes with a capital letter.
            {"id": "b", "importMode": "Create", "status": "disabled"},
            {"id": "c", "importMode": "createOrUpdate"},
            {"id": "a", "moduleId": "m", "importMode": "create"},
        ]),
    )
    .await;
    assert_eq!(
        (created.status, &created.body),
        (200, &json!({"isSuccessful": true, "errors": [], "warnings": []}))
    );
    let twin = hub.call("GET", "/twins/a", &[], None).await.body;
    assert_eq!((&twin["tags"], &twin["properties"]["desired"]["k"]), (&json!({"site": "x"}), &json!(1)));
    let device = hub.call("GET", "/devices/b", &[], None).await.body;
    assert_eq!(device["status"], "disabled");

    // Twin modes are patches, and pay no attention to the identity that C# always sends along.
    let etag = hub.call("GET", "/twins/a/modules/m", &[], None).await.body["etag"].clone();
    let written = bulk(
        &hub,
        json!([
            {"id": "a", "importMode": "updateTwin", "status": "disabled", "authentication": null, "deviceScope": null, "tags": {"floor": 2}, "properties": {"desired": {"k": 2}}},
            {"id": "a", "moduleId": "m", "importMode": "updateTwinIfMatchETag", "twinETag": etag, "properties": {"desired": {"n": 1}}},
            {"id": "b", "importMode": "updateIfMatchETag", "eTag": device["etag"], "status": "enabled"},
        ]),
    )
    .await;
    assert_eq!(written.status, 200, "{}", written.body);
    let twin = hub.call("GET", "/twins/a", &[], None).await.body;
    assert_eq!((&twin["tags"], &twin["status"]), (&json!({"site": "x", "floor": 2}), &json!("enabled")));
    assert_eq!(twin["properties"]["desired"]["$version"], 3);
    assert_eq!(hub.call("GET", "/twins/a/modules/m", &[], None).await.body["properties"]["desired"]["n"], 1);
    assert_eq!(hub.call("GET", "/devices/b", &[], None).await.body["status"], "enabled");

    let gone = bulk(
        &hub,
        json!([{"id": "a", "importMode": "Delete"}, {"id": "b", "importMode": "deleteIfMatchETag", "eTag": "*"}]),
    )
    .await;
    assert_eq!(gone.status, 200);
    assert_eq!(hub.emulator.devices(), ["c"]);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn what_fails_is_named_and_the_rest_is_done() {
    let hub = Hub::start().await;
    hub.emulator.create_device("a", &Value::Null).unwrap();
    let reply = bulk(
        &hub,
        json!([
            {"id": "a", "importMode": "create"},
            {"id": "new", "importMode": "create"},
            {"id": "none", "importMode": "update"},
            {"id": "none2", "importMode": "updateTwin", "tags": {"x": 1}},
            {"id": "a", "moduleId": "m", "importMode": "delete"},
            {"id": "bad id", "importMode": "create"},
            {"id": "half", "importMode": "create", "tags": {"a.b": 1}},
        ]),
    )
    .await;
    assert_eq!((reply.status, reply.header("iothub-errorcode")), (400, Some("BulkRegistryOperationFailure")));
    assert_eq!(reply.body["isSuccessful"], false);
    let errors: Vec<_> = reply.body["errors"].as_array().unwrap().iter().collect();
    let codes: Vec<_> = errors
        .iter()
        .map(|error| (error["deviceId"].as_str().unwrap(), error["errorCode"].as_str().unwrap()))
        .collect();
    let expected = [
        ("a", "DeviceAlreadyExists"),
        ("none", "DeviceNotFound"),
        ("none2", "DeviceNotFound"),
        ("a", "ModuleNotFound"),
        ("bad id", "ArgumentInvalid"),
    ];
    assert_eq!(codes, expected);
    assert_eq!(errors[3]["moduleId"], "m");
    let warning = &reply.body["warnings"][0];
    assert_eq!(
        (&warning["deviceId"], &warning["warningCode"]),
        (&json!("half"), &json!("DeviceRegisteredWithoutTwin"))
    );
    assert_eq!(hub.emulator.devices(), ["a", "half", "new"]);

    let stale =
        json!([{"id": "a", "importMode": "updateTwinIfMatchETag", "twinETag": "AAAA", "tags": {"x": 1}}]);
    let stale = bulk(&hub, stale).await;
    assert_eq!((stale.status, &stale.body["errors"][0]["errorCode"]), (400, &json!("PreconditionFailed")));
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_call_that_is_wrong_as_a_whole_does_nothing() {
    let hub = Hub::start().await;
    let entries = |count: usize| -> Value {
        (0..count).map(|n| json!({"id": format!("d{n}"), "importMode": "create"})).collect()
    };
    let table = [
        (entries(101), "ArgumentInvalid"),
        (json!({"id": "a", "importMode": "create"}), "ArgumentInvalid"),
        (json!([{"importMode": "create"}]), "ArgumentInvalid"),
        (json!([{"id": "a"}]), "ArgumentInvalid"),
        (json!([{"id": "a", "importMode": "upsert"}]), "ArgumentInvalid"),
        (
            json!([{"id": "a", "importMode": "create"}, {"id": "a", "importMode": "create"}]),
            "DeviceDefinedMultipleTimes",
        ),
    ];
    for (body, code) in table {
        let reply = bulk(&hub, body).await;
        assert_eq!((reply.status, reply.header("iothub-errorcode")), (400, Some(code)));
        assert!(reply.body["Message"].as_str().unwrap().starts_with(&format!("ErrorCode:{code};")));
        assert_eq!(hub.emulator.device_count(), 0);
    }
    assert_eq!(bulk(&hub, entries(100)).await.status, 200);
    assert_eq!(hub.emulator.device_count(), 100);
    let token = hub.emulator.policy_token("service", HOUR).unwrap();
    let refused = hub.call("POST", "/devices", &[("authorization", &token)], Some(entries(1))).await;
    assert_eq!(refused.status, 401);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn devices_are_counted_and_listed() {
    let hub = Hub::start().await;
    for n in 0..3 {
        hub.emulator.create_device(&format!("d{n}"), &Value::Null).unwrap();
    }
    hub.call("PUT", "/devices/d0/modules/m", &[], Some(json!({}))).await;
    hub.call("PUT", "/devices/d1", &[("if-match", "*")], Some(json!({"status": "disabled"}))).await;
    let devices = hub.call("GET", "/statistics/devices", &[], None).await;
    let expected = json!({"totalDeviceCount": 3, "enabledDeviceCount": 2, "disabledDeviceCount": 1});
    assert_eq!((devices.status, devices.body), (200, expected));
    let service = hub.call("GET", "/statistics/service", &[], None).await;
    assert_eq!((service.status, service.body), (200, json!({"connectedDeviceCount": 0})));
    for (top, count) in [("", 3), ("?top=2", 2), ("?top=1000", 3), ("?top=1001", 3)] {
        let list = hub.call("GET", &format!("/devices{top}"), &[], None).await;
        assert_eq!(list.body.as_array().unwrap().len(), count, "{top}");
    }
    assert_eq!(hub.call("GET", "/devices?top=many", &[], None).await.status, 400);
    hub.emulator.shutdown().await;
}
