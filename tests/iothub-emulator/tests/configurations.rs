//! Configurations over the wire, by a clock that the test moves.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{HOUR, Hub, Reply};
use iothub_emulator::{Clock, Limits, Settings, Timestamp};
use serde_json::{Value, json};

const INTERVAL: Duration = Duration::from_mins(5);

async fn hub() -> Hub {
    let clock = Clock::manual(Timestamp::from_unix_seconds(1_800_000_000));
    Hub::with(Settings { clock, ..Settings::default() }).await
}

fn configuration(target: &str, priority: u32, content: &Value) -> Value {
    json!({
        "schemaVersion": "1.0", "targetCondition": target, "priority": priority, "labels": {"made": "by-test"},
        "content": {"deviceContent": content},
    })
}

async fn put(hub: &Hub, id: &str, body: &Value) -> Reply {
    hub.call("PUT", &format!("/configurations/{id}"), &[], Some(body.clone())).await
}

async fn update(hub: &Hub, id: &str, body: &Value) -> Reply {
    hub.call("PUT", &format!("/configurations/{id}"), &[("if-match", "*")], Some(body.clone())).await
}

/// Changes target and priority, and leaves out the content.
async fn retarget(hub: &Hub, id: &str, target: &str, priority: u32) {
    let body = json!({"targetCondition": target, "priority": priority});
    assert_eq!(update(hub, id, &body).await.status, 200);
}

async fn get(hub: &Hub, id: &str) -> Value {
    let reply = hub.call("GET", &format!("/configurations/{id}"), &[], None).await;
    assert_eq!(reply.status, 200);
    reply.body
}

/// What a service set of a twin, and what the hub says of its configurations.
async fn desired(hub: &Hub, path: &str) -> (Value, Value) {
    let mut twin = hub.call("GET", &format!("/twins/{path}"), &[], None).await.body;
    let desired = twin["properties"]["desired"].as_object_mut().unwrap();
    desired.retain(|key, _| !key.starts_with('$'));
    (desired.clone().into(), twin.get("configurations").cloned().unwrap_or_default())
}

#[tokio::test]
async fn a_configuration_is_created_read_updated_and_deleted() {
    let hub = hub().await;
    let body = configuration("tags.site = 'a'", 5, &json!({"properties.desired.level": 1}));
    let created = put(&hub, "c-1", &body).await;
    assert_eq!((created.status, created.header("etag")), (200, Some("\"MQ==\"")));
    let expected = json!({
        "id": "c-1", "schemaVersion": "1.0", "labels": {"made": "by-test"}, "contentType": "assignment",
        "content": {"deviceContent": {"properties.desired.level": 1}},
        "targetCondition": "tags.site = 'a'", "priority": 5, "etag": "MQ==",
        "createdTimeUtc": "2027-01-15T08:00:00Z", "lastUpdatedTimeUtc": "2027-01-15T08:00:00Z",
        "systemMetrics": {
            "results": {"targetedCount": 0, "appliedCount": 0},
            "queries": {
                "appliedCount": "select deviceId from devices where configurations.[[c-1]].status = 'Applied'",
                "targetedCount": "select deviceId from devices where tags.site = 'a'",
            },
        },
        "metrics": {"results": {}, "queries": {}},
    });
    assert_eq!(created.body, expected);
    assert_eq!(get(&hub, "c-1").await, expected);
    let again = put(&hub, "c-1", &body).await;
    assert_eq!((again.status, again.header("iothub-errorcode")), (409, Some("ConfigurationAlreadyExists")));
    // An unquoted etag is none, and the PUT a creation (azure-iot-sdk-python#983).
    let unquoted = hub.call("PUT", "/configurations/c-1", &[("if-match", "MQ==")], Some(body.clone())).await;
    assert_eq!(unquoted.status, 409);

    // Everything but the content can change.
    let mut changed = body.clone();
    changed["priority"] = json!(6);
    changed["content"]["moduleContent"] = Value::Null;
    let updated =
        hub.call("PUT", "/configurations/c-1", &[("if-match", "\"MQ==\"")], Some(changed.clone())).await;
    assert_eq!(
        (updated.status, &updated.body["priority"], &updated.body["etag"]),
        (200, &json!(6), &json!("Mg=="))
    );
    let stale =
        hub.call("PUT", "/configurations/c-1", &[("if-match", "\"MQ==\"")], Some(changed.clone())).await;
    assert_eq!((stale.status, stale.header("iothub-errorcode")), (412, Some("PreconditionFailed")));
    changed["content"]["deviceContent"]["properties.desired.level"] = json!(2);
    let immutable = update(&hub, "c-1", &changed).await;
    let code = Some("CannotModifyImmutableConfigurationContent");
    assert_eq!((immutable.status, immutable.header("iothub-errorcode")), (400, code));

    put(&hub, "a-0", &body).await;
    let list = hub.call("GET", "/configurations", &[], None).await.body;
    let ids: Vec<_> = list.as_array().unwrap().iter().map(|found| &found["id"]).collect();
    assert_eq!(ids, ["a-0", "c-1"]);
    assert_eq!(hub.call("GET", "/configurations?top=1", &[], None).await.body.as_array().unwrap().len(), 1);
    assert_eq!(hub.call("GET", "/configurations?top=500", &[], None).await.body.as_array().unwrap().len(), 2);

    let path = "/configurations/c-1";
    assert_eq!(hub.call("DELETE", path, &[("if-match", "\"AAAA\"")], None).await.status, 412);
    assert_eq!(hub.call("DELETE", path, &[("if-match", "*")], None).await.status, 204);
    for (method, body) in [("GET", None), ("DELETE", None), ("PUT", Some(body))] {
        let gone = hub.call(method, path, &[("if-match", "*")], body).await;
        assert_eq!(
            (gone.status, gone.header("iothub-errorcode")),
            (404, Some("ConfigurationNotFound")),
            "{method}"
        );
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn targets_are_written_and_counted_at_every_evaluation() {
    let hub = hub().await;
    hub.emulator.create_device("in", &json!({"site": "a"})).unwrap();
    hub.emulator.create_device("out", &json!({"site": "b"})).unwrap();
    let mut body =
        configuration("tags.site = 'a'", 5, &json!({"properties.desired.blob": {"uri": "u", "n": 1}}));
    body["metrics"] = json!({"queries": {
        "acked": "SELECT deviceId FROM devices WHERE properties.reported.ok = true",
        "all": "SELECT deviceId FROM devices",
    }});
    put(&hub, "c", &body).await;
    let applied = json!({"c": {"status": "Applied"}});
    assert_eq!(desired(&hub, "in").await, (json!({"blob": {"uri": "u", "n": 1}}), applied.clone()));
    assert_eq!(desired(&hub, "out").await, (json!({}), Value::Null));
    let found = get(&hub, "c").await;
    assert_eq!(found["systemMetrics"]["results"], json!({"targetedCount": 1, "appliedCount": 1}));
    assert_eq!(found["metrics"]["results"], json!({"acked": 0, "all": 2}));
    for name in ["appliedCount", "targetedCount"] {
        let query = json!({"query": found["systemMetrics"]["queries"][name]});
        let rows = hub.call("POST", "/devices/query", &[], Some(query)).await;
        assert_eq!((rows.status, rows.body), (200, json!([{"deviceId": "in"}])), "{name}");
    }

    // Between two evaluations nothing happens; with the next one, twins are as they should be.
    hub.emulator.create_device("late", &json!({"site": "a"})).unwrap();
    hub.emulator.patch_twin("in", &json!({"properties": {"desired": {"blob": {"n": 2}, "own": 1}}})).unwrap();
    hub.emulator.report("in", &json!({"ok": true})).unwrap();
    let writes = hub.emulator.desired_writes();
    hub.emulator.clock().advance(Duration::from_secs(299));
    assert_eq!(desired(&hub, "late").await.0, json!({}));
    assert_eq!(desired(&hub, "in").await.0, json!({"blob": {"uri": "u", "n": 2}, "own": 1}));
    hub.emulator.clock().advance(Duration::from_secs(1));
    assert_eq!(desired(&hub, "late").await, (json!({"blob": {"uri": "u", "n": 1}}), applied));
    assert_eq!(desired(&hub, "in").await.0, json!({"blob": {"uri": "u", "n": 1}, "own": 1}));
    let found = get(&hub, "c").await;
    assert_eq!(found["systemMetrics"]["results"], json!({"targetedCount": 2, "appliedCount": 2}));
    assert_eq!(found["metrics"]["results"], json!({"acked": 1, "all": 3}));

    // What is as it should be is not written again.
    assert_eq!(hub.emulator.desired_writes()["in"], writes["in"] + 1);
    hub.emulator.clock().advance(2 * INTERVAL);
    get(&hub, "c").await;
    assert_eq!(hub.emulator.desired_writes()["in"], writes["in"] + 1);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn the_higher_priority_wins_and_what_is_left_behind_goes() {
    let hub = hub().await;
    hub.emulator.create_device("d", &json!({"site": "a", "vip": true})).unwrap();
    put(&hub, "low", &configuration("*", 1, &json!({"properties.desired.a": {"x": 1, "y": 1}}))).await;
    put(&hub, "high", &configuration("tags.vip = true", 2, &json!({"properties.desired.a.x": 2}))).await;
    let both = json!({"high": {"status": "Applied"}, "low": {"status": "Targeted"}});
    assert_eq!(desired(&hub, "d").await, (json!({"a": {"x": 2, "y": 1}}), both));
    assert_eq!(
        get(&hub, "low").await["systemMetrics"]["results"],
        json!({"targetedCount": 1, "appliedCount": 0})
    );

    // The priority decides anew when it is changed; of two with the same the newer one wins.
    retarget(&hub, "low", "*", 3).await;
    assert_eq!(desired(&hub, "d").await.0, json!({"a": {"x": 1, "y": 1}}));
    hub.emulator.clock().advance(Duration::from_secs(1));
    put(&hub, "new", &configuration("*", 3, &json!({"properties.desired.a.y": 3}))).await;
    assert_eq!(desired(&hub, "d").await.0, json!({"a": {"x": 1, "y": 3}}));
    // A whole path that is replaced takes along what was below it.
    put(&hub, "flat", &configuration("*", 9, &json!({"properties.desired.a": "flat"}))).await;
    assert_eq!(desired(&hub, "d").await.0, json!({"a": "flat"}));
    retarget(&hub, "flat", "", 9).await;
    assert_eq!(desired(&hub, "d").await.0, json!({"a": {"x": 1, "y": 3}}));

    // A device that leaves the target loses the settings, and the next configuration applies.
    retarget(&hub, "low", "tags.site = 'b'", 3).await;
    let left = json!({"high": {"status": "Applied"}, "new": {"status": "Applied"}});
    assert_eq!(desired(&hub, "d").await, (json!({"a": {"x": 2, "y": 3}}), left));
    hub.emulator.patch_twin("d", &json!({"tags": {"vip": null}})).unwrap();
    hub.emulator.clock().advance(INTERVAL);
    assert_eq!(desired(&hub, "d").await, (json!({"a": {"y": 3}}), json!({"new": {"status": "Applied"}})));

    // What a deleted configuration wrote stays.
    hub.call("DELETE", "/configurations/new", &[("if-match", "*")], None).await;
    assert_eq!(desired(&hub, "d").await, (json!({"a": {"y": 3}}), Value::Null));
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn modules_and_edge_devices_have_configurations_of_their_own() {
    let hub = hub().await;
    hub.emulator.create_device("d", &json!({"site": "a"})).unwrap();
    hub.call("PUT", "/devices/d/modules/m", &[], Some(json!({}))).await;
    hub.call("PATCH", "/twins/d/modules/m", &[], Some(json!({"tags": {"kind": "x"}}))).await;
    let mut body = configuration("FROM devices.modules WHERE tags.kind = 'x'", 1, &json!(null));
    body["content"] = json!({"moduleContent": {"properties.desired.level": 1}});
    assert_eq!(put(&hub, "mod", &body).await.status, 200);
    let applied = json!({"mod": {"status": "Applied"}});
    assert_eq!(desired(&hub, "d/modules/m").await, (json!({"level": 1}), applied));
    assert_eq!(desired(&hub, "d").await, (json!({}), Value::Null));
    let found = get(&hub, "mod").await;
    let query = json!({"query": found["systemMetrics"]["queries"]["targetedCount"]});
    assert_eq!(hub.call("POST", "/devices/query", &[], Some(query)).await.body, json!([{"deviceId": "d"}]));

    hub.call("PUT", "/devices/e", &[], Some(json!({"capabilities": {"iotEdge": true}}))).await;
    let content = json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {"modules": {"filter": {"type": "docker"}}}},
        "$edgeHub": {"properties.desired.routes": {"r": "FROM /* INTO $upstream"}},
    }});
    let mut edge = configuration("*", 1, &json!(null));
    edge["content"] = content;
    put(&hub, "edge", &edge).await;
    let agent = json!({"modules": {"filter": {"type": "docker"}}});
    assert_eq!(desired(&hub, "e/modules/%24edgeAgent").await.0, agent);
    assert_eq!(desired(&hub, "e/modules/%24edgeHub").await.0["routes"]["r"], "FROM /* INTO $upstream");
    assert_eq!(hub.call("GET", "/devices/e/modules/filter", &[], None).await.body["managedBy"], "iotEdge");
    assert_eq!(desired(&hub, "e").await.1, json!({"edge": {"status": "Applied"}}));
    // Other devices are no targets of an Edge deployment, whatever its condition.
    assert_eq!(
        get(&hub, "edge").await["systemMetrics"]["results"],
        json!({"targetedCount": 1, "appliedCount": 1})
    );
    assert_eq!(desired(&hub, "d").await.1, Value::Null);

    let path = "/devices/e/applyConfigurationContent";
    let content = json!({"modulesContent": {"filter": {"properties.desired.a": 1}}});
    assert_eq!(hub.call("POST", path, &[], Some(content.clone())).await.status, 204);
    assert_eq!(desired(&hub, "e/modules/filter").await.0, json!({"a": 1}));
    // azure-iot-sdk-csharp#2419.
    let wrong = json!({"deviceContent": {"properties.desired.a": 1}});
    for (path, body, status, code) in [
        (path, wrong, 400, "InvalidConfigurationContent"),
        ("/devices/d/applyConfigurationContent", content.clone(), 400, "InvalidConfigurationContent"),
        ("/devices/none/applyConfigurationContent", content, 404, "DeviceNotFound"),
    ] {
        let refused = hub.call("POST", path, &[], Some(body)).await;
        assert_eq!((refused.status, refused.header("iothub-errorcode")), (status, Some(code)), "{path}");
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn wrong_configurations_get_the_hubs_errors() {
    let hub = hub().await;
    let content = json!({"properties.desired.a": 1});
    let good = configuration("*", 1, &content);
    let with = |member: &str, value: Value| {
        let mut body = good.clone();
        body[member] = value;
        body
    };
    let metrics = |count: usize| -> Value {
        let queries: serde_json::Map<String, Value> =
            (0..count).map(|n| (format!("m{n}"), "SELECT deviceId FROM devices".into())).collect();
        json!({ "queries": queries })
    };
    let table = [
        ("Upper", good.clone(), "ArgumentInvalid"),
        ("a.b", good.clone(), "ArgumentInvalid"),
        ("c", with("id", json!("other")), "ArgumentInvalid"),
        ("c", with("priority", json!(-1)), "ArgumentInvalid"),
        ("c", with("labels", json!({"a": 1})), "ArgumentInvalid"),
        ("c", with("targetCondition", json!("tags.a =")), "InvalidConfigurationTargetCondition"),
        (
            "c",
            with("targetCondition", json!("FROM devices.modules WHERE a = 1")),
            "InvalidConfigurationTargetCondition",
        ),
        ("c", with("content", json!({})), "InvalidConfigurationContent"),
        ("c", with("metrics", metrics(6)), "InvalidConfigurationCustomMetricsQuery"),
        ("c", with("metrics", json!({"queries": {"m": "SELECT"}})), "InvalidConfigurationCustomMetricsQuery"),
    ];
    for (id, body, code) in table {
        let refused = put(&hub, id, &body).await;
        assert_eq!((refused.status, refused.header("iothub-errorcode")), (400, Some(code)), "{id} {body}");
    }
    // For modules `*` is not possible.
    let mut modules = with("content", json!({"moduleContent": {"properties.desired.a": 1}}));
    assert_eq!(
        put(&hub, "c", &modules).await.header("iothub-errorcode"),
        Some("InvalidConfigurationTargetCondition")
    );
    modules["targetCondition"] = json!("");
    assert_eq!(put(&hub, "c", &modules).await.status, 200);
    assert_eq!(put(&hub, "d", &with("metrics", metrics(5))).await.status, 200);

    let tested = json!({
        "targetCondition": "tags.a = ",
        "customMetricQueries": {"good": "SELECT deviceId FROM devices", "bad": "SELECT * FROM nothing"},
    });
    let reply = hub.call("POST", "/configurations/testQueries", &[], Some(tested)).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body["targetConditionError"].as_str().unwrap().contains("Line 1:10"));
    let errors = reply.body["customMetricQueryErrors"].as_object().unwrap();
    assert_eq!((errors.len(), errors["bad"].as_str().unwrap().contains("Line 1:15")), (1, true));
    let fine = json!({"targetCondition": "FROM devices.modules WHERE tags.a = 1", "customMetricQueries": {}});
    let reply = hub.call("POST", "/configurations/testQueries", &[], Some(fine)).await;
    assert_eq!(reply.body, json!({"targetConditionError": null, "customMetricQueryErrors": {}}));

    let token = hub.emulator.policy_token("service", HOUR).unwrap();
    let refused = hub.call("GET", "/configurations", &[("authorization", &token)], None).await;
    assert_eq!(refused.status, 401);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_hub_has_room_for_so_many() {
    let limits = Limits { max_configurations: 2, ..Limits::unlimited() };
    let hub = Hub::with(Settings { limits, ..Settings::default() }).await;
    let body = configuration("", 1, &json!({"properties.desired.a": 1}));
    for id in ["a", "b"] {
        assert_eq!(put(&hub, id, &body).await.status, 200);
    }
    let more = put(&hub, "c", &body).await;
    assert_eq!(
        (more.status, more.header("iothub-errorcode")),
        (413, Some("ConfigurationCountLimitExceeded"))
    );
    let text = "ErrorCode:ConfigurationCountLimitExceeded;Number of deployments exceed the maximum quota 2 for this IotHub.";
    assert_eq!(more.body["Message"], text);
    // Edge deployments are counted by themselves.
    let mut edge = configuration("", 1, &json!(null));
    edge["content"] = json!({"modulesContent": {"$edgeHub": {"properties.desired.a": 1}}});
    assert_eq!(put(&hub, "c", &edge).await.status, 200);
    hub.emulator.shutdown().await;
}
