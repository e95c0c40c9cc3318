//! `azure-iot-hub` for Python: modules and their twins.

use iothub_emulator::Route;
use serde_json::json;

use crate::hub::{Hub, ODD_ID, OWN_KEY};

#[tokio::test]
async fn modules() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &json!({"site": "a"})).unwrap();
    let steps = hub.python_service("python/service_modules.py", &["d1", ODD_ID, OWN_KEY]).await;
    let created = steps.ok("create");
    assert_eq!([&created["deviceId"], &created["moduleId"], &created["managedBy"]], ["d1", "m-1", "someone"]);
    assert_eq!(created["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().len(), 44);
    assert_eq!(steps.ok("get"), created);
    let own = steps.ok("create with keys");
    assert_eq!([&own["moduleId"], &own["authentication"]["symmetricKey"]["primaryKey"]], [ODD_ID, OWN_KEY]);
    let certified = &steps.ok("create with thumbprints")["authentication"];
    assert_eq!(
        [&certified["type"], &certified["x509Thumbprint"]["primaryThumbprint"]],
        ["selfSigned", &*"A".repeat(40)]
    );
    assert_eq!(steps.ok("list"), &json!([ODD_ID, "m-1", "m-2"]));
    let updated = steps.ok("update");
    assert_eq!(
        [&updated["managedBy"], &updated["authentication"]["symmetricKey"]["primaryKey"]],
        ["another", OWN_KEY]
    );
    assert_ne!(updated["etag"], created["etag"]);
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
    let any = &steps.ok("update twin any")["properties"]["desired"];
    assert_eq!((any.get("old"), &any["level"], &any["$version"]), (None, &json!(1), &json!(3)));
    let replaced = steps.ok("replace twin");
    let desired = &replaced["properties"]["desired"];
    assert_eq!(
        (&replaced["tags"], &desired["only"], desired.get("level")),
        (&json!({"only": 1}), &json!(2), None)
    );
    // Another interface of the hub finds the twin as it was left.
    let found = steps.ok("query").as_array().unwrap();
    assert_eq!(
        (found.len(), &found[0]["etag"], &found[0]["properties"]),
        (1, &replaced["etag"], &replaced["properties"])
    );
    let device = hub.emulator.twin("d1").unwrap();
    assert_eq!(
        (&device["tags"], &device["properties"]["desired"]["$version"]),
        (&json!({"site": "a"}), &json!(1))
    );

    assert_eq!((steps.ok("delete"), steps.ok("list then")), (&json!(null), &json!([ODD_ID, "m-2"])));
    for (step, status, text) in [
        ("create again", 409, "ErrorCode:ModuleAlreadyExistsOnDevice;"),
        ("create on nobody", 404, "ErrorCode:DeviceNotFound;"),
        ("get missing", 404, "ErrorCode:ModuleNotFound;"),
        ("update stale", 412, "ErrorCode:PreconditionFailed;"),
        ("get missing twin", 404, "ErrorCode:ModuleNotFound;"),
        ("update twin stale", 412, "ErrorCode:PreconditionFailed;"),
        ("replace twin stale", 412, "ErrorCode:PreconditionFailed;"),
        ("delete stale", 412, "ErrorCode:PreconditionFailed;"),
        ("delete missing", 404, "ErrorCode:ModuleNotFound;"),
    ] {
        steps.fails(step, "HttpOperationError", status, text);
    }
    let seen = hub.emulator.counts();
    assert_eq!((seen.with_status(Route::PutModuleTwin, 200), seen.of(Route::PutTwin)), (1, 0));
}
