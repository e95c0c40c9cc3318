//! `azure-iothub` for Node: modules and their twins.

use iothub_emulator::Route;
use serde_json::{Value, json};

use crate::hub::{Hub, ODD_ID, OWN_KEY};

#[tokio::test]
async fn modules() {
    let hub = Hub::on_usual_ports().await;
    hub.emulator.create_device("d1", &json!({"site": "a"})).unwrap();
    let steps = hub.node_service("node/service_modules.cjs", &["d1", ODD_ID, OWN_KEY]).await;
    let added = steps.ok("add");
    assert_eq!([&added["deviceId"], &added["moduleId"], &added["managedBy"]], ["d1", "m-1", "someone"]);
    assert_eq!(added["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().len(), 44);
    assert_eq!(steps.ok("get"), added);
    let own = steps.ok("add with keys");
    assert_eq!(
        (&own["moduleId"], own["authentication"]["symmetricKey"]["primaryKey"].as_str()),
        (&json!(ODD_ID), Some(OWN_KEY))
    );
    assert_eq!(steps.ok("list"), &json!([ODD_ID, "m-1"]));
    let updated = steps.ok("update");
    assert_eq!(
        (&updated["managedBy"], &updated["generationId"]),
        (&json!("another"), &added["generationId"])
    );
    assert_ne!(updated["etag"], added["etag"]);
    assert_eq!(steps.ok("update any")["managedBy"], "third");

    let fresh = steps.ok("get twin");
    assert_eq!(
        (&fresh["moduleId"], &fresh["etag"], &fresh["version"]),
        (&json!("m-1"), &json!("AAAAAAAAAAE="), &json!(2))
    );
    let written = steps.ok("update twin");
    assert_eq!(
        (&written["tags"], &written["properties"]["desired"]["old"]),
        (&json!({"kind": "x"}), &json!([1]))
    );
    let object = steps.ok("update twin object");
    assert_eq!(object["properties"]["desired"].get("old"), None);
    assert_eq!(
        (&object["properties"]["desired"]["level"], &object["properties"]["desired"]["$version"]),
        (&json!(1), &json!(3))
    );
    let found = steps.ok("query").as_array().unwrap();
    assert_eq!(
        (found.len(), &found[0]["etag"], &found[0]["properties"]),
        (1, &object["etag"], &object["properties"])
    );
    // The device's own twin is another one.
    let device = hub.emulator.twin("d1").unwrap();
    assert_eq!(
        (&device["tags"], &device["properties"]["desired"]["$version"]),
        (&json!({"site": "a"}), &json!(1))
    );

    // The promise of `removeModule(module)` is the SDK's own failure: no request is made.
    let (kind, status, _) = steps.error("remove object, promised");
    assert_eq!((kind, status), ("ReferenceError", &Value::Null));
    assert_eq!((steps.ok("remove"), steps.ok("remove object")), (&json!(204), &json!(204)));
    assert_eq!(steps.ok("list then"), &json!([]));
    // The SDK has an error of its own for an unknown device, and only a plain one without the hub's text for a module.
    for (step, kind, status, text) in [
        ("add again", "DeviceAlreadyExistsError", 409, "m-1"),
        ("add to nobody", "DeviceNotFoundError", 404, "Device nobody not registered"),
        ("get missing", "Error", 404, "Not found"),
        ("list of nobody", "DeviceNotFoundError", 404, "Device nobody not registered"),
        ("update stale", "InvalidEtagError", 412, "does not match the etag"),
        ("get missing twin", "Error", 404, "Not found"),
        ("update twin stale", "InvalidEtagError", 412, "does not match the etag"),
        ("remove stale", "InvalidEtagError", 412, "does not match the etag"),
        ("remove missing", "Error", 404, "Not found"),
    ] {
        steps.fails(step, kind, status, text);
    }
    let seen = hub.emulator.counts();
    assert_eq!((seen.with_status(Route::PatchModuleTwin, 200), seen.of(Route::PatchTwin)), (2, 0));
    assert_eq!((seen.of(Route::DeleteModule), seen.with_status(Route::DeleteModule, 204)), (4, 2));
}
