//! `azure-iot-hub` for Python: identities, twins, queries.

use std::time::Duration;

use iothub_emulator::{Effect, Fault, Route, When};
use serde_json::{Value, json};

use crate::hub::{Hub, ODD_ID, OWN_KEY};

#[tokio::test]
async fn identities() {
    let hub = Hub::start().await;
    let unavailable = Effect::Status { status: 503, retry_after: None };
    let fault = Fault {
        route: Some(Route::GetTwin),
        when: When::First(1),
        effect: unavailable,
        delay: Duration::ZERO,
    };
    hub.emulator.add_fault(fault);
    let steps = hub.python_service("python/service_identities.py", &[OWN_KEY, ODD_ID]).await;
    let created = steps.ok("create");
    let keys = &created["authentication"]["symmetricKey"];
    assert_ne!(keys["primaryKey"], keys["secondaryKey"]);
    assert_eq!(keys["primaryKey"].as_str().unwrap().len(), 44);
    assert_eq!(
        (&created["status"], &created["capabilities"]),
        (&json!("enabled"), &json!({"iotEdge": false}))
    );
    let own = &steps.ok("create with keys")["authentication"];
    assert_eq!((&own["type"], &own["symmetricKey"]["primaryKey"]), (&json!("sas"), &json!(OWN_KEY)));
    for (step, status, digit, length) in
        [("create with thumbprints", "enabled", "A", 40), ("update thumbprints", "disabled", "B", 64)]
    {
        let certified = steps.ok(step);
        let authentication = &certified["authentication"];
        assert_eq!([&certified["status"], &authentication["type"]], [status, "selfSigned"], "{step}");
        assert_eq!(authentication["x509Thumbprint"]["primaryThumbprint"], digit.repeat(length), "{step}");
    }
    assert_eq!((steps.ok("create odd"), steps.ok("get odd")), (&json!(ODD_ID), &json!(ODD_ID)));
    assert_eq!(steps.ok("get"), created);
    let updated = steps.ok("update");
    assert_eq!((&updated["status"], &updated["statusReason"]), (&json!("disabled"), &json!("repair")));
    assert_eq!(updated["authentication"]["symmetricKey"]["primaryKey"], OWN_KEY);
    assert_ne!(updated["etag"], created["etag"]);
    assert_eq!(steps.ok("update any")["generationId"], created["generationId"]);
    assert_eq!(steps.ok("list"), &json!([ODD_ID, "p-1", "p-2"]));
    assert_eq!(steps.ok("list two"), &json!([ODD_ID, "p-1"]));
    // "Any value outside the range of 1-1000 is considered to be 1000", the SDK says of it.
    assert_eq!(steps.ok("list none"), &json!([ODD_ID, "p-1", "p-2"]));
    assert_eq!(steps.ok("delete"), &Value::Null);
    assert_eq!(hub.emulator.devices(), [ODD_ID, "p-1"]);
    assert_eq!(steps.ok("retried"), "p-1");
    let counts = hub.emulator.counts();
    assert_eq!((counts.with_status(Route::GetTwin, 503), counts.with_status(Route::GetTwin, 200)), (1, 1));
    for (step, status, text) in [
        ("create again", 409, "ErrorCode:DeviceAlreadyExists;"),
        ("certificate authority", 400, "is not served by this emulator"),
        ("get missing", 404, "ErrorCode:DeviceNotFound;"),
        ("update stale", 412, "ErrorCode:PreconditionFailed;"),
        ("update missing", 404, "ErrorCode:DeviceNotFound;"),
        ("delete stale", 412, "ErrorCode:PreconditionFailed;"),
        ("delete missing", 404, "ErrorCode:DeviceNotFound;"),
        ("wrong key", 401, "ErrorCode:IotHubUnauthorizedAccess;"),
        ("token credential", 401, "ErrorCode:IotHubUnauthorizedAccess;"),
    ] {
        steps.fails(step, "HttpOperationError", status, text);
    }
}

#[tokio::test]
async fn twins() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let steps = hub.python_service("python/service_twins.py", &["d1"]).await;
    let fresh = steps.ok("get");
    assert_eq!((&fresh["etag"], &fresh["version"]), (&json!("AAAAAAAAAAE="), &json!(2)));
    let updated = steps.ok("update");
    assert_eq!(updated["tags"], json!({"site": "a", "floor": 3}));
    assert_eq!(updated["properties"]["desired"]["old"], json!([1, "b", true]));
    let forced = steps.ok("update any");
    assert_eq!(forced["tags"], json!({"site": "a"}));
    assert_eq!(forced["properties"]["desired"].get("old"), None);
    let back = steps.ok("send back");
    assert_eq!((&back["tags"], &back["properties"]["desired"]["$version"]), (&forced["tags"], &json!(4)));
    assert_eq!(back["properties"]["desired"]["blob"], forced["properties"]["desired"]["blob"]);
    let replaced = steps.ok("replace");
    assert_eq!(replaced["tags"], json!({"only": 1}));
    let twin = hub.emulator.twin("d1").unwrap();
    assert_eq!((&twin["etag"], &twin["properties"]), (&replaced["etag"], &replaced["properties"]));
    let desired = twin["properties"]["desired"].as_object().unwrap();
    assert_eq!(desired.keys().collect::<Vec<_>>(), ["$metadata", "$version", "only"]);
    for (step, status, text) in [
        ("get missing", 404, "ErrorCode:DeviceNotFound;"),
        ("update stale", 412, "ErrorCode:PreconditionFailed;"),
        ("replace stale", 412, "ErrorCode:PreconditionFailed;"),
        ("long value", 400, "ErrorCode:ArgumentInvalid;Property or Tag value should be maximum 4096 bytes"),
        ("bad name", 400, "ErrorCode:ArgumentInvalid;"),
    ] {
        steps.fails(step, "HttpOperationError", status, text);
    }
}

#[tokio::test]
async fn queries() {
    let hub = Hub::start().await;
    for n in 1..=5 {
        let site = if n < 5 { "a" } else { "b" };
        hub.emulator.create_device(&format!("d{n}"), &json!({"site": site, "n": n})).unwrap();
    }
    let steps = hub.python_service("python/service_queries.py", &[]).await;
    assert_eq!(steps.ok("pages"), &json!([["d1", "d2"], ["d3", "d4"]]));
    let whole = steps.ok("whole");
    assert_eq!((whole.as_array().unwrap().len(), &whole[0]["type"]), (1, &json!("Twin")));
    assert_eq!(whole[0]["rows"][0]["tags"], json!({"site": "a", "n": 1}));
    let raw = |rows: Value| json!([{"type": "Raw", "rows": rows}]);
    let projected = json!([{"deviceId": "d1", "n": 1}, {"deviceId": "d2", "n": 2}]);
    assert_eq!(steps.ok("projection"), &raw(projected));
    assert_eq!(steps.ok("count"), &raw(json!([{"devices": 5}])));
    let groups = json!([{"site": "a", "devices": 4}, {"site": "b", "devices": 1}]);
    assert_eq!(steps.ok("groups"), &raw(groups));
    steps.fails("refused", "HttpOperationError", 400, "Line 1:10");
}
