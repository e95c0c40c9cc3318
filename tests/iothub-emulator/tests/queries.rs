//! `POST /devices/query` on the wire, rule by rule, each with its source; the language itself is in `src/query/tests.rs`, its lag
//! in `tests/lag.rs`, what it takes from rates and quota in `tests/limits.rs`.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HOUR, Hub, Reply};
use iothub_emulator::Route;
use serde_json::json;

async fn hub(devices: usize) -> Hub {
    let hub = Hub::start().await;
    for n in 0..devices {
        hub.emulator.create_device(&format!("d{n:03}"), &json!({"n": n})).unwrap();
    }
    hub
}

/// Asks a query, with these headers.
async fn ask(hub: &Hub, text: &str, headers: &[(&str, &str)]) -> Reply {
    hub.call("POST", "/devices/query", headers, Some(json!({"query": text}))).await
}

#[tokio::test]
async fn answers() {
    let hub = hub(3).await;
    hub.call("PUT", "/devices/d000/modules/m", &[], Some(json!({}))).await;
    let job = json!({
        "jobId": "j", "type": "scheduleUpdateTwin", "updateTwin": {"etag": "*", "tags": {"t": 1}}, "queryCondition": "*",
        "startTime": "", "maxExecutionTimeInSeconds": 60,
    });
    assert_eq!(hub.call("PUT", "/jobs/v2/j", &[], Some(job)).await.status, 200);
    // An array, its kind in a header (QueryResultType.cs, in this case), and no continuation on the last page, not an empty
    // one either (query.js).
    let table = [
        ("SELECT * FROM devices", "Twin", 3),
        ("SELECT * FROM devices WHERE tags.n > 100", "Twin", 0),
        ("SELECT deviceId FROM devices", "Raw", 3),
        ("SELECT COUNT() AS n FROM devices", "Raw", 1),
        ("SELECT * FROM devices.modules", "Twin", 1),
        ("SELECT * FROM devices.jobs", "DeviceJob", 3),
    ];
    for (text, kind, rows) in table {
        let reply = ask(&hub, text, &[]).await;
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!((reply.status, reply.header("x-ms-item-type")), (200, Some(kind)), "{text}");
        assert_eq!(reply.body.as_array().map(Vec::len), Some(rows), "{text}: {}", reply.body);
        assert_eq!(reply.header("x-ms-continuation"), None, "{text}");
    }
    let jobs = hub.call("GET", "/jobs/v2/query", &[], None).await;
    assert_eq!(jobs.header("x-ms-item-type"), Some("JobResponse"));
    hub.emulator.shutdown().await;
}

/// "IoT Hub query language", query results pagination: 100 rows at most, whatever is asked for.
#[tokio::test]
async fn pages() {
    let hub = hub(101).await;
    let text = "SELECT deviceId FROM devices";
    for (asked, rows) in
        [(None, 100), (Some("1"), 1), (Some("99"), 99), (Some("100"), 100), (Some("1000"), 100)]
    {
        let headers: Vec<_> = asked.map(|asked| ("x-ms-max-item-count", asked)).into_iter().collect();
        let page = ask(&hub, text, &headers).await;
        assert_eq!(page.body.as_array().map(Vec::len), Some(rows), "{asked:?}");
        let token = page.header("x-ms-continuation").unwrap();
        // The size may be another one on every page.
        let rest = ask(&hub, text, &[("x-ms-continuation", token)]).await;
        assert_eq!(rest.body.as_array().map(Vec::len), Some((101 - rows).min(100)), "{asked:?}");
    }
    // A token goes with the text of its query (query_operations.py), and with nothing else.
    let page = ask(&hub, text, &[("x-ms-max-item-count", "7")]).await;
    let token = page.header("x-ms-continuation").unwrap();
    for (token, text) in [
        (token, "SELECT  deviceId FROM devices"),
        (token, "SELECT * FROM devices.jobs"),
        ("x", text),
        ("", text),
    ] {
        let reply = ask(&hub, text, &[("x-ms-continuation", token)]).await;
        assert_eq!(
            (reply.status, reply.header("iothub-errorcode")),
            (400, Some("ArgumentInvalid")),
            "{token} {text}"
        );
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn refusals_and_rights() {
    let hub = hub(1).await;
    // 400004 for what is wrong with a query ("Troubleshoot Azure IoT Hub error codes"), with its place
    // (azure-iot-sdk-csharp#40); without a query just this text (azure-iot-sdks#941).
    let table = [
        (
            Some(json!({"query": "SELECT * FRM devices"})),
            "ArgumentInvalid",
            "\n\tLine 1:10 Expected FROM at input 'FRM'",
        ),
        (
            Some(json!({"query": "SELECT *\nFROM devices\nWHERE group = 1"})),
            "ArgumentInvalid",
            "\n\tLine 3:7 Reserved word",
        ),
        (Some(json!({})), "ArgumentNull", "ErrorCode:ArgumentNull;BadRequest"),
        (None, "ArgumentNull", "ErrorCode:ArgumentNull;BadRequest"),
    ];
    for (body, error, text) in table {
        let refused = hub.call("POST", "/devices/query", &[], body).await;
        assert_eq!((refused.status, refused.header("iothub-errorcode")), (400, Some(error)), "{text}");
        assert!(refused.body["Message"].as_str().unwrap().contains(text), "{}", refused.body);
    }
    // "Control access to IoT Hub with shared access signatures": ServiceConnect.
    for (policy, status) in
        [("service", 200), ("iothubowner", 200), ("registryReadWrite", 401), ("device", 401)]
    {
        let token = hub.emulator.policy_token(policy, HOUR).unwrap();
        let headers = [("authorization", token.as_str())];
        let reply = ask(&hub, "SELECT * FROM devices", &headers).await;
        assert_eq!(reply.status, status, "{policy}");
    }
    assert_eq!(hub.emulator.counts().of(Route::Query), 8);
    hub.emulator.shutdown().await;
}
