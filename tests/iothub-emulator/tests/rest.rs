//! The service API over the wire: statuses, headers and bodies that the SDKs go by.

mod common;

use common::{HOUR, Hub};
use iothub_emulator::{Clock, Effect, Fault, Outcome, Route, Settings, Timestamp, TwinSettings, When};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_identity_is_created_read_updated_and_deleted() {
    let hub = Hub::start().await;
    let empty = json!({"deviceId": "d1", "authentication": {"type": "sas", "symmetricKey": {"primaryKey": "", "secondaryKey": ""}}});
    let created = hub.call("PUT", "/devices/d1", &[], Some(empty.clone())).await;
    assert_eq!(created.status, 200);
    assert_eq!(created.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(created.body["status"], "enabled");
    let keys = &created.body["authentication"]["symmetricKey"];
    assert_ne!(keys["primaryKey"], keys["secondaryKey"]);
    assert_eq!(keys["primaryKey"].as_str().unwrap().len(), 44);

    let again = hub.call("PUT", "/devices/d1", &[], Some(empty.clone())).await;
    assert_eq!((again.status, again.header("iothub-errorcode")), (409, Some("DeviceAlreadyExists")));
    assert!(again.body["Message"].as_str().unwrap().starts_with("ErrorCode:DeviceAlreadyExists;"));

    let read = hub.call("GET", "/devices/d1", &[], None).await;
    assert_eq!(read.body, created.body);

    let disabled = json!({"deviceId": "d1", "status": "disabled", "statusReason": "broken"});
    let stale = hub.call("PUT", "/devices/d1", &[("if-match", "\"AAAA\"")], Some(disabled.clone())).await;
    assert_eq!((stale.status, stale.header("iothub-errorcode")), (412, Some("PreconditionFailed")));
    let etag = format!("\"{}\"", created.body["etag"].as_str().unwrap());
    let updated = hub.call("PUT", "/devices/d1", &[("if-match", &etag)], Some(disabled)).await;
    assert_eq!(
        (updated.status, &updated.body["status"], &updated.body["statusReason"]),
        (200, &json!("disabled"), &json!("broken"))
    );
    assert_ne!(updated.body["etag"], created.body["etag"]);
    assert_eq!(updated.body["authentication"], created.body["authentication"]);

    // A PUT with an unquoted tag is a creation (azure-iot-sdk-python#983).
    let unquoted = hub.call("PUT", "/devices/d1", &[("if-match", "AAAA")], Some(empty.clone())).await;
    assert_eq!(unquoted.status, 409);
    let missing =
        hub.call("PUT", "/devices/d2", &[("if-match", "\"*\"")], Some(json!({"deviceId": "d2"}))).await;
    assert_eq!(missing.status, 404);

    assert_eq!(hub.call("GET", "/devices", &[], None).await.body.as_array().unwrap().len(), 1);
    assert_eq!(hub.call("DELETE", "/devices/d1", &[("if-match", "\"AAAA\"")], None).await.status, 412);
    let deleted = hub.call("DELETE", "/devices/d1", &[("if-match", "\"*\"")], None).await;
    assert_eq!((deleted.status, deleted.body), (204, Value::Null));
    for path in ["/devices/d1", "/twins/d1"] {
        let gone = hub.call("GET", path, &[], None).await;
        assert_eq!((gone.status, gone.header("iothub-errorcode")), (404, Some("DeviceNotFound")), "{path}");
    }
    // A new identity under the old id starts anew.
    let reborn = hub.call("PUT", "/devices/d1", &[], Some(empty)).await;
    assert_ne!(reborn.body["generationId"], created.body["generationId"]);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_twin_is_patched_replaced_and_guarded_by_its_etag() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let fresh = hub.call("GET", "/twins/d1", &[], None).await;
    assert_eq!((fresh.status, fresh.header("etag")), (200, Some("\"AAAAAAAAAAE=\"")));
    assert_eq!(
        (&fresh.body["version"], &fresh.body["properties"]["desired"]["$version"]),
        (&json!(2), &json!(1))
    );
    assert!(fresh.body.get("tags").is_none());

    let patch = json!({"tags": {"site": "a"}, "properties": {"desired": {"blob": {"uri": "u", "ts": "t"}}}});
    let patched =
        hub.call("PATCH", "/twins/d1", &[("if-match", "\"AAAAAAAAAAE=\"")], Some(patch.clone())).await;
    assert_eq!((patched.status, &patched.body["etag"]), (200, &json!("AAAAAAAAAAI=")));
    assert_eq!(patched.body["properties"]["desired"]["blob"], json!({"uri": "u", "ts": "t"}));
    assert_eq!(patched.body["properties"]["desired"]["$metadata"]["blob"]["uri"]["$lastUpdatedVersion"], 2);
    let stale =
        hub.call("PATCH", "/twins/d1", &[("if-match", "\"AAAAAAAAAAE=\"")], Some(patch.clone())).await;
    assert_eq!((stale.status, stale.header("iothub-errorcode")), (412, Some("PreconditionFailed")));
    // A device's report moves the version and not the etag.
    hub.emulator.report("d1", &json!({"blob": {"status": "received"}})).unwrap();
    let acked = hub.call("GET", "/twins/d1", &[], None).await;
    assert_eq!((&acked.body["etag"], &acked.body["version"]), (&json!("AAAAAAAAAAI="), &json!(4)));

    for wildcard in ["*", "\"*\"", "unquoted"] {
        let forced = hub.call("PATCH", "/twins/d1", &[("if-match", wildcard)], Some(patch.clone())).await;
        assert_eq!(forced.status, 200, "{wildcard}");
    }
    assert_eq!(hub.emulator.desired_writes()["d1"], 4);

    let gone = hub.call("PATCH", "/twins/d1", &[], Some(json!({"tags": {"site": null}}))).await;
    assert!(gone.body.get("tags").is_none());
    let put = hub.call("PUT", "/twins/d1", &[], Some(json!({"properties": {"desired": {"only": 1}}}))).await;
    assert_eq!(
        (&put.body["properties"]["desired"]["only"], put.body["properties"]["desired"].get("blob")),
        (&json!(1), None)
    );
    // A whole twin may be sent back as it was read.
    let echoed = hub.call("PATCH", "/twins/d1", &[], Some(put.body)).await;
    assert_eq!(echoed.status, 200);

    let long = json!({"properties": {"desired": {"k": "x".repeat(4097)}}});
    let refused = hub.call("PATCH", "/twins/d1", &[], Some(long)).await;
    assert_eq!((refused.status, refused.header("iothub-errorcode")), (400, Some("ArgumentInvalid")));
    let text = "ErrorCode:ArgumentInvalid;Property or Tag value should be maximum 4096 bytes. Error in Property/Tag k";
    assert_eq!(refused.body["Message"], text);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn queries_come_in_pages() {
    let hub = Hub::start().await;
    for n in 0..5 {
        hub.emulator.create_device(&format!("d{n}"), &json!({"n": n})).unwrap();
    }
    let query = json!({"query": "SELECT deviceId FROM devices WHERE tags.n > 0"});
    let mut ids = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut headers = vec![("x-ms-max-item-count", "3")];
        headers.extend(token.as_deref().map(|token| ("x-ms-continuation", token)));
        let page = hub.call("POST", "/devices/query", &headers, Some(query.clone())).await;
        assert_eq!((page.status, page.header("x-ms-item-type")), (200, Some("Raw")));
        ids.extend(page.body.as_array().unwrap().iter().map(|row| row["deviceId"].clone()));
        token = page.header("x-ms-continuation").map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["d1", "d2", "d3", "d4"]);

    let whole =
        hub.call("POST", "/devices/query", &[], Some(json!({"query": "SELECT * FROM devices"}))).await;
    assert_eq!((whole.header("x-ms-item-type"), whole.header("x-ms-continuation")), (Some("Twin"), None));
    let table = [
        (json!({"query": "SELECT * FRM devices"}), "ArgumentInvalid", "Line 1:10"),
        (json!({}), "ArgumentNull", "BadRequest"),
    ];
    for (body, code, text) in table {
        let refused = hub.call("POST", "/devices/query", &[], Some(body)).await;
        assert_eq!((refused.status, refused.header("iothub-errorcode")), (400, Some(code)));
        assert!(refused.body["Message"].as_str().unwrap().contains(text));
    }
    for rows in ["0", "-1", "many"] {
        let refused =
            hub.call("POST", "/devices/query", &[("x-ms-max-item-count", rows)], Some(query.clone())).await;
        assert_eq!(refused.status, 400, "{rows}");
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn rights_and_expiry_are_judged() {
    let clock = Clock::manual(Timestamp::from_unix_seconds(1_800_000_000));
    let hub = Hub::with(Settings { clock, ..Settings::default() }).await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let token = |policy| hub.emulator.policy_token(policy, HOUR).unwrap();
    let table = [
        ("service", "GET", "/twins/d1", 200),
        ("service", "GET", "/devices/d1", 401),
        ("registryRead", "GET", "/devices/d1", 200),
        ("registryRead", "DELETE", "/devices/d1", 401),
        ("registryRead", "GET", "/twins/d1", 401),
        ("device", "GET", "/twins/d1", 401),
        ("iothubowner", "GET", "/devices/d1", 200),
    ];
    for (policy, method, path, status) in table {
        let reply = hub.call(method, path, &[("authorization", &token(policy))], None).await;
        assert_eq!(reply.status, status, "{policy} {method} {path}");
    }
    let refused = hub.call("GET", "/twins/d1", &[("authorization", "Bearer x")], None).await;
    assert_eq!((refused.status, refused.header("iothub-errorcode")), (401, Some("IotHubUnauthorizedAccess")));
    assert_eq!(refused.body["Message"], "ErrorCode:IotHubUnauthorizedAccess;Unauthorized");

    let old = token("service");
    hub.emulator.clock().advance(HOUR);
    assert_eq!(hub.call("GET", "/twins/d1", &[("authorization", &old)], None).await.status, 401);
    assert_eq!(hub.call("GET", "/twins/d1", &[("authorization", &token("service"))], None).await.status, 200);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn wrong_requests_get_the_hubs_errors() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let table = [
        ("GET", "/nothing", None, 404, "NotFound"),
        ("POST", "/twins/d1", None, 405, "MethodNotAllowed"),
        ("PATCH", "/twins/d1", None, 400, "ArgumentNull"),
        ("PATCH", "/twins/d1", Some(json!([])), 400, "ArgumentInvalid"),
        ("PATCH", "/twins/d2", Some(json!({})), 404, "DeviceNotFound"),
        ("PUT", "/devices/a%20b", Some(json!({"deviceId": "a b"})), 400, "ArgumentInvalid"),
        ("GET", "/devices?top=many", None, 400, "ArgumentInvalid"),
        ("PATCH", "/twins/d1", Some(json!({"tags": {"t": "x".repeat(1024 * 1024)}})), 413, "MessageTooLarge"),
    ];
    for (method, path, body, status, code) in table {
        let reply = hub.call(method, path, &[], body).await;
        assert_eq!((reply.status, reply.header("iothub-errorcode")), (status, Some(code)), "{method} {path}");
    }
    let url = format!("https://{}/twins/d1?api-version=2016-11-14", hub.emulator.host_name());
    let old = hub.client.get(url).header("authorization", &hub.token).send().await.unwrap();
    assert_eq!(
        (old.status().as_u16(), &old.headers()["iothub-errorcode"]),
        (400, &"InvalidProtocolVersion".parse().unwrap())
    );
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn faults_happen_where_they_were_asked_for() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let fault = |when, effect| Fault { route: Some(Route::PatchTwin), when, effect, delay: Duration::ZERO };
    let body = Some(json!({"properties": {"desired": {"a": 1}}}));

    let busy = Effect::Status { status: 429, retry_after: Some("7".to_owned()) };
    hub.emulator.add_fault(fault(When::First(1), busy));
    let throttled = hub.call("PATCH", "/twins/d1", &[], body.clone()).await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("7")));
    assert_eq!(throttled.header("iothub-errorcode"), Some("ThrottlingException"));
    assert_eq!(hub.call("PATCH", "/twins/d1", &[], body.clone()).await.status, 200);
    hub.emulator.clear_faults();

    for (effect, writes) in [(Effect::ResetBefore, 1), (Effect::ResetAfter, 2)] {
        hub.emulator.add_fault(fault(When::Nth(1), effect));
        assert!(hub.try_call("PATCH", "/twins/d1", &[], body.clone()).await.is_err());
        assert_eq!(hub.emulator.desired_writes()["d1"], writes);
        hub.emulator.clear_faults();
    }
    let counts = hub.emulator.counts();
    assert_eq!(counts.with_status(Route::PatchTwin, 200), 1);
    assert_eq!(counts.throttled(), 1);
    assert!(counts.requests[&(Route::PatchTwin, Outcome::Reset)] >= 2);
    hub.emulator.shutdown().await;
}

/// "Understand and use device twins in IoT Hub": the version can be used to enforce consistency. Clients that send whole twins
/// back send the one that they have read (`hub.py` of the command line).
#[tokio::test]
async fn a_desired_version_is_one_to_be_met() {
    for ignore_stale_version in [false, true] {
        let twins = TwinSettings { ignore_stale_version };
        let hub = Hub::with(Settings { twins, ..Settings::default() }).await;
        hub.emulator.create_device("d1", &Value::Null).unwrap();
        for (method, version, accepted) in [
            ("PATCH", 1, true),
            ("PATCH", 1, false),
            ("PUT", 3, false),
            ("PUT", 2, true),
            ("PATCH", 2, false),
        ] {
            let before = hub.emulator.twin("d1").unwrap();
            let body = json!({"properties": {"desired": {"a": version, "$version": version}}});
            let answer = hub.call(method, "/twins/d1", &[], Some(body)).await;
            if accepted || ignore_stale_version {
                assert_eq!(answer.status, 200, "{method} {version}");
                continue;
            }
            assert_eq!((answer.status, answer.header("iothub-errorcode")), (412, Some("PreconditionFailed")));
            assert_eq!(hub.emulator.twin("d1").unwrap(), before, "{method} {version}");
        }
        hub.emulator.shutdown().await;
    }
}
