//! `azure-iothub` for Node: configurations, on a hub whose clock stands still.

use serde_json::{Value, json};

use crate::hub::{Hub, still};

/// A twin's settings beside what the hub says of its configurations; nothing where it says nothing.
fn state(desired: &Value, applied: Option<&str>) -> Value {
    match applied {
        Some(id) => json!({"desired": desired, "configurations": {id: {"status": "Applied"}}}),
        None => json!({"desired": desired}),
    }
}

#[tokio::test]
async fn configurations() {
    let hub = Hub::on_usual_ports_with(still()).await;
    hub.emulator.create_device("in", &json!({"site": "a"})).unwrap();
    hub.emulator.create_device("out", &json!({"site": "b"})).unwrap();
    hub.emulator.report("in", &json!({"ok": true})).unwrap();
    let steps = hub.node_service("node/service_configurations.cjs", &[]).await;
    let added = steps.ok("add");
    assert_eq!([&added["id"], &added["schemaVersion"], &added["etag"]], ["c-1", "1.0", "MQ=="]);
    assert_eq!(added["content"], json!({"deviceContent": {"properties.desired.blob": {"uri": "u", "n": 1}}}));
    assert_eq!(
        (&added["labels"], &added["createdTimeUtc"]),
        (&json!({"made": "by-test"}), &json!("2020-01-01T00:00:00Z"))
    );

    // The first evaluation comes right after the creation.
    for (step, count) in [("get", 1), ("counted", 2)] {
        let found = steps.ok(step);
        let counts = json!({"targetedCount": count, "appliedCount": count});
        assert_eq!(found["systemMetrics"]["results"], counts, "{step}");
        assert_eq!(found["metrics"]["results"], json!({"acked": 1, "all": 2}), "{step}");
    }
    let blob = json!({"uri": "u", "n": 1});
    assert_eq!(steps.ok("inside"), &state(&json!({"blob": blob}), Some("c-1")));
    assert_eq!(steps.ok("outside"), &state(&json!({}), None));
    for name in ["query appliedCount", "query targetedCount"] {
        assert_eq!(steps.ok(name), &json!([{"deviceId": "in"}]), "{name}");
    }
    // What a service wrote over a setting lasts until the next one, and what newly meets the condition waits for it.
    let edited = json!({"blob": {"uri": "u", "n": 2}, "own": 1});
    assert_eq!(steps.ok("before the tick"), &json!([state(&edited, Some("c-1")), state(&json!({}), None)]));
    let mended = state(&json!({"blob": blob, "own": 1}), Some("c-1"));
    let late = state(&json!({"blob": blob}), Some("c-1"));
    assert_eq!(steps.ok("after the tick"), &json!([mended, late]));

    // The higher priority wins where paths meet; with it gone, the next one applies.
    let below = json!({
        "desired": {"blob": {"uri": "w", "n": 1}, "own": 1},
        "configurations": {"c-1": {"status": "Targeted"}, "c-2": {"status": "Applied"}},
    });
    assert_eq!(steps.ok("below another"), &below);
    assert_eq!(steps.ok("counted below"), &json!({"targetedCount": 2, "appliedCount": 0}));
    assert_eq!(steps.ok("alone again"), &mended);

    assert_eq!((&steps.ok("update")["priority"], &steps.ok("update")["etag"]), (&json!(6), &json!("Mg==")));
    assert_eq!(
        (&steps.ok("update any")["priority"], &steps.ok("update any")["etag"]),
        (&json!(8), &json!("Mw=="))
    );
    assert_eq!(
        steps.ok("add for modules")["content"],
        json!({"moduleContent": {"properties.desired.level": 1}})
    );
    assert_eq!(steps.ok("module"), &state(&json!({"level": 1}), Some("c-0")));
    assert_eq!(steps.ok("list"), &json!(["c-0", "c-1"]));
    assert_eq!((steps.ok("apply"), steps.ok("edge module")), (&json!(204), &state(&json!({"a": 1}), None)));

    // What a deleted configuration wrote stays; that it applied does not.
    assert_eq!(steps.ok("remove"), 204);
    let twin = hub.emulator.twin("out").unwrap();
    assert_eq!((&twin["properties"]["desired"]["blob"], twin.get("configurations")), (&blob, None));
    for (step, kind, status, text) in [
        (
            "add again",
            "DeviceAlreadyExistsError",
            409,
            "A configuration with the same id already exists: c-1",
        ),
        ("update stale", "InvalidEtagError", 412, "does not match the etag"),
        ("update content", "ArgumentError", 400, "The content of a configuration cannot be changed"),
        ("update missing", "Error", 404, "Not found"),
        ("bad target", "ArgumentError", 400, "Line 1:12"),
        ("bad content", "ArgumentError", 400, "The content is not valid"),
        // azure-iot-sdk-csharp#2419.
        ("apply for devices", "ArgumentError", 400, "Only modulesContent can be applied"),
        ("apply elsewhere", "ArgumentError", 400, "Device in is no Edge device"),
        ("remove missing", "Error", 404, "Not found"),
        ("get missing", "Error", 404, "Not found"),
    ] {
        steps.fails(step, kind, status, text);
    }
}
