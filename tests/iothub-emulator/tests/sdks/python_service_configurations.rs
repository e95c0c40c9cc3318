//! `azure-iot-hub` for Python: configurations, on a hub whose clock stands still.

use iothub_emulator::Route;
use serde_json::{Value, json};

use crate::hub::{Hub, still};

/// A twin's settings beside what the hub says of its configurations.
fn state(desired: &Value, applied: Option<&str>) -> Value {
    let configurations = applied.map(|id| json!({id: {"status": "Applied"}}));
    json!({"desired": desired, "configurations": configurations})
}

#[tokio::test]
async fn configurations() {
    let hub = Hub::with(still()).await.unwrap();
    hub.emulator.create_device("in", &json!({"site": "a"})).unwrap();
    hub.emulator.create_device("out", &json!({"site": "b"})).unwrap();
    hub.emulator.report("in", &json!({"ok": true})).unwrap();
    let steps = hub.python_service("python/service_configurations.py", &[]).await;
    let created = steps.ok("create");
    assert_eq!([&created["id"], &created["schemaVersion"], &created["etag"]], ["c-1", "2.0", "MQ=="]);
    assert_eq!(
        [&created["labels"]["made"], &created["createdTimeUtc"]],
        ["by-test", "2020-01-01T00:00:00.000Z"]
    );
    assert_eq!(created["content"], json!({"deviceContent": {"properties.desired.blob": {"uri": "u"}}}));

    // The first evaluation comes right after the creation, the next one five minutes later.
    for (step, count) in [("get", 1), ("counted", 2)] {
        let found = steps.ok(step);
        let counts = json!({"targetedCount": count, "appliedCount": count});
        assert_eq!(found["systemMetrics"]["results"], counts, "{step}");
        assert_eq!(found["metrics"]["results"], json!({"acked": 1}), "{step}");
    }
    let applied = state(&json!({"blob": {"uri": "u"}}), Some("c-1"));
    assert_eq!(steps.ok("inside"), &applied);
    assert_eq!(steps.ok("before the tick"), &state(&json!({}), None));
    assert_eq!(steps.ok("after the tick"), &applied);

    for (step, etag) in [("update quoted", "Mg=="), ("update any", "Mw==")] {
        let updated = steps.ok(step);
        assert_eq!((&updated["priority"], &updated["etag"]), (&json!(6), &json!(etag)), "{step}");
    }
    assert_eq!(steps.ok("create for modules"), &json!({"moduleContent": {"properties.desired.level": 1}}));
    assert_eq!(steps.ok("module"), &state(&json!({"level": 1}), Some("c-0")));
    assert_eq!((steps.ok("list"), steps.ok("list one")), (&json!(["c-0", "c-1"]), &json!(["c-0"])));
    assert_eq!(steps.ok("test good"), &json!({"customMetricQueryErrors": {}}));
    let tested = steps.ok("test bad");
    assert!(tested["targetConditionError"].as_str().unwrap().contains("Line 1:12"), "{tested}");
    let errors = tested["customMetricQueryErrors"].as_object().unwrap();
    assert_eq!((errors.len(), errors["bad"].as_str().unwrap().contains("Line 1:15")), (1, true));
    assert_eq!((steps.ok("apply"), steps.ok("edge module")), (&json!(null), &state(&json!({"a": 1}), None)));

    // What a deleted configuration wrote stays; that it applied does not.
    assert_eq!(steps.ok("delete"), &Value::Null);
    let twin = hub.emulator.twin("out").unwrap();
    assert_eq!(
        (&twin["properties"]["desired"]["blob"]["uri"], twin.get("configurations")),
        (&json!("u"), None)
    );
    for (step, status, text) in [
        ("create again", 409, "ErrorCode:ConfigurationAlreadyExists;"),
        // azure-iot-sdk-python#983.
        ("update", 409, "ErrorCode:ConfigurationAlreadyExists;"),
        ("update quoted, stale", 412, "ErrorCode:PreconditionFailed;"),
        ("update content", 400, "ErrorCode:CannotModifyImmutableConfigurationContent;"),
        ("update missing", 404, "ErrorCode:ConfigurationNotFound;"),
        ("bad target", 400, "ErrorCode:InvalidConfigurationTargetCondition;"),
        ("bad content", 400, "ErrorCode:InvalidConfigurationContent;"),
        // azure-iot-sdk-csharp#2419.
        ("apply for devices", 400, "ErrorCode:InvalidConfigurationContent;"),
        ("apply elsewhere", 400, "ErrorCode:InvalidConfigurationContent;"),
        ("delete stale", 412, "ErrorCode:PreconditionFailed;"),
        ("delete missing", 404, "ErrorCode:ConfigurationNotFound;"),
        ("get missing", 404, "ErrorCode:ConfigurationNotFound;"),
    ] {
        steps.fails(step, "HttpOperationError", status, text);
    }
    // Two were created and two updated; nothing that was refused was tried again.
    let seen = hub.emulator.counts();
    assert_eq!((seen.of(Route::PutConfiguration), seen.with_status(Route::PutConfiguration, 200)), (11, 4));
}
