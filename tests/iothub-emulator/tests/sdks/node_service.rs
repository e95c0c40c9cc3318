//! `azure-iothub` for Node: identities, twins, queries.

use iothub_emulator::{Effect, Fault, Route, When};
use serde_json::{Value, json};
use std::time::Duration;

use crate::hub::{Hub, ODD_ID, OWN_KEY};

#[tokio::test]
async fn identities() {
    // The agent is tried also where the usual ports are ours to take.
    for hub in [Hub::on_usual_ports().await, Hub::start().await] {
        let steps = hub.node_service("node/service_identities.cjs", &[OWN_KEY, ODD_ID]).await;
        let created = steps.ok("create");
        let keys = &created["authentication"]["symmetricKey"];
        let key = keys["primaryKey"].as_str().unwrap();
        assert!(hub.emulator.device_connection_string("n-1").unwrap().contains(key));
        assert_ne!(keys["primaryKey"], keys["secondaryKey"]);
        assert_eq!(
            (&created["status"], &created["connectionState"]),
            (&json!("enabled"), &json!("Disconnected"))
        );
        let own = &steps.ok("create with keys")["authentication"];
        assert_eq!((&own["type"], &own["symmetricKey"]["primaryKey"]), (&json!("sas"), &json!(OWN_KEY)));
        let certified = &steps.ok("create with thumbprints")["authentication"];
        let thumbprint = certified["x509Thumbprint"]["primaryThumbprint"].as_str().unwrap();
        assert_eq!((&certified["type"], thumbprint), (&json!("selfSigned"), &*"A".repeat(40)));
        assert_eq!((steps.ok("create odd"), steps.ok("get odd")), (&json!(ODD_ID), &json!(ODD_ID)));
        assert_eq!(steps.ok("get"), created);
        let updated = steps.ok("update");
        assert_eq!((&updated["status"], &updated["statusReason"]), (&json!("disabled"), &json!("repair")));
        assert_eq!(steps.ok("list"), &json!([ODD_ID, "n-1", "n-2"]));
        assert_eq!(steps.ok("delete"), 204);
        assert_eq!(hub.emulator.devices(), [ODD_ID, "n-1"]);
        for (step, kind, status, text) in [
            (
                "create again",
                "DeviceAlreadyExistsError",
                409,
                "A device with the same id already exists: n-1",
            ),
            ("certificate authority", "ArgumentError", 400, "is not served by this emulator"),
            ("get missing", "DeviceNotFoundError", 404, "Device nobody not registered"),
            ("update missing", "DeviceNotFoundError", 404, "Device nobody not registered"),
            ("delete missing", "DeviceNotFoundError", 404, "Device n-2 not registered"),
            ("wrong key", "UnauthorizedError", 401, "Unauthorized"),
            ("token credential", "UnauthorizedError", 401, "Unauthorized"),
        ] {
            steps.fails(step, kind, status, text);
        }
    }
}

#[tokio::test]
async fn twins() {
    let hub = Hub::on_usual_ports().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let busy = Effect::Status { status: 429, retry_after: None };
    // The eighth PATCH is the step that says so.
    let fault =
        Fault { route: Some(Route::PatchTwin), when: When::Nth(8), effect: busy, delay: Duration::ZERO };
    hub.emulator.add_fault(fault);
    let steps = hub.node_service("node/service_twins.cjs", &["d1"]).await;
    let fresh = steps.ok("get");
    assert_eq!(
        (&fresh["etag"], &fresh["version"], &fresh["tags"]),
        (&json!("AAAAAAAAAAE="), &json!(2), &json!({}))
    );
    let updated = steps.ok("update");
    assert_eq!(updated["tags"], json!({"site": "a", "floor": 3}));
    assert_eq!(updated["properties"]["desired"]["old"], json!([1, "b", true]));
    assert_eq!(updated["properties"]["desired"]["blob"]["uri"], "https://blobs.example/a?se=1&sig=x%2B");
    let forced = steps.ok("update any");
    assert_eq!(forced["tags"], json!({"site": "a"}));
    assert_eq!(forced["properties"]["desired"].get("old"), None);
    assert_eq!(forced["properties"]["desired"]["$version"], 3);
    assert_eq!(steps.ok("again"), forced);
    let twin = hub.emulator.twin("d1").unwrap();
    assert_eq!((&twin["etag"], &twin["properties"]), (&forced["etag"], &forced["properties"]));
    for (step, kind, status, text) in [
        ("get missing", "DeviceNotFoundError", 404, "Device nobody not registered"),
        ("update stale", "InvalidEtagError", 412, "does not match the etag of the existing resource d1"),
        ("update outdated", "InvalidEtagError", 412, "does not match the etag of the existing resource d1"),
        ("long value", "ArgumentError", 400, "Property or Tag value should be maximum 4096 bytes"),
        ("bad name", "ArgumentError", 400, "invalid characters"),
        ("null in array", "ArgumentError", 400, "null"),
        ("throttled", "ThrottlingError", 429, "The request has been throttled"),
    ] {
        steps.fails(step, kind, status, text);
    }
}

#[tokio::test]
async fn queries() {
    let hub = Hub::on_usual_ports().await;
    for n in 1..=5 {
        let site = if n < 5 { "a" } else { "b" };
        hub.emulator.create_device(&format!("d{n}"), &json!({"site": site, "n": n})).unwrap();
    }
    let steps = hub.node_service("node/service_queries.cjs", &[]).await;
    assert_eq!(steps.ok("pages"), &json!([["d1", "d2"], ["d3", "d4"]]));
    let twins = json!([
        [["Twin", "d1", 1], ["Twin", "d2", 2], ["Twin", "d3", 3]],
        [["Twin", "d4", 4], ["Twin", "d5", 5]]
    ]);
    assert_eq!(steps.ok("twins"), &twins);
    assert_eq!(steps.ok("first page for ever"), &json!([["d1", "d2"], ["d1", "d2"]]));
    assert_eq!(steps.ok("callbacks"), &json!([["d1", "d2", "d3"], ["d4", "d5"]]));
    assert_eq!(steps.ok("projection"), &json!([{"deviceId": "d1", "n": 1}, {"deviceId": "d2", "n": 2}]));
    assert_eq!(steps.ok("count"), &json!([{"devices": 5}]));
    assert_eq!(steps.ok("groups"), &json!([{"site": "a", "devices": 4}, {"site": "b", "devices": 1}]));
    steps.fails("refused", "ArgumentError", 400, "Line 1:10");
}
