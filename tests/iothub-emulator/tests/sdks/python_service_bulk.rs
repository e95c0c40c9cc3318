//! `azure-iot-hub` for Python: many identities and twins by one call, and their number.

use iothub_emulator::Route;
use serde_json::{Value, json};

use crate::hub::{Hub, OWN_KEY};

/// Device and code of each entry that failed.
fn failed(result: &Value) -> Vec<[&str; 2]> {
    assert_eq!(result["isSuccessful"], false);
    let errors = result["errors"].as_array().unwrap();
    errors.iter().map(|error| ["deviceId", "errorCode"].map(|name| error[name].as_str().unwrap())).collect()
}

#[tokio::test]
async fn bulk() {
    let hub = Hub::start().await;
    let steps = hub.python_service("python/service_bulk.py", &[OWN_KEY]).await;
    let done = json!({"isSuccessful": true, "errors": [], "warnings": []});
    for step in ["create", "update", "delete"] {
        assert_eq!(steps.ok(step), &done, "{step}");
    }
    let created = steps.ok("created");
    assert_eq!((&created[0]["status"], &created[1]["status"]), (&json!("enabled"), &json!("disabled")));
    assert_eq!(created[1]["authentication"]["symmetricKey"]["primaryKey"], OWN_KEY);
    let twin = steps.ok("twin");
    assert_eq!((&twin["tags"], &twin["properties"]["desired"]["level"]), (&json!({"site": "a"}), &json!(1)));
    assert_eq!(steps.ok("module"), "m");

    let some = failed(steps.ok("create some"));
    assert_eq!(some, [["b-1", "DeviceAlreadyExists"], ["no spaces", "ArgumentInvalid"]]);
    assert_eq!(failed(steps.ok("twins")), [["nobody", "DeviceNotFound"]]);
    let stale = failed(steps.ok("twins stale"));
    assert_eq!(stale, [["b-1", "PreconditionFailed"], ["nobody", "DeviceNotFound"]]);
    assert_eq!(failed(steps.ok("update stale")), [["b-1", "PreconditionFailed"]]);
    // The SDK takes any 400 for a result: one that says nothing, beside the hub's text.
    let twice = steps.ok("create twice");
    assert_eq!((twice.get("isSuccessful"), twice.get("errors")), (None, None));
    assert!(
        twice["Message"].as_str().unwrap().starts_with("ErrorCode:DeviceDefinedMultipleTimes;"),
        "{twice}"
    );

    let module = steps.ok("module twin");
    assert_eq!(
        (&module["properties"]["desired"]["level"], &module["properties"]["desired"]["$version"]),
        (&json!(3), &json!(3))
    );
    let twin = hub.emulator.twin("b-1").unwrap();
    assert_eq!(
        (&twin["properties"]["desired"]["level"], &twin["properties"]["desired"]["$version"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(twin["status"], "disabled");
    assert_eq!(hub.emulator.devices(), ["b-1"]);

    let counts = json!({"totalDeviceCount": 3, "enabledDeviceCount": 2, "disabledDeviceCount": 1});
    assert_eq!(steps.ok("statistics"), &counts);
    assert_eq!(steps.ok("service statistics"), &json!({"connectedDeviceCount": 0}));
    let seen = hub.emulator.counts();
    assert_eq!(
        (seen.with_status(Route::BulkDevices, 200), seen.with_status(Route::BulkDevices, 400)),
        (3, 5)
    );
}
