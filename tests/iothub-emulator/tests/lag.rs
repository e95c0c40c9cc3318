//! Queries that lag behind, as they do on a hub.

mod common;

use std::time::Duration;

use common::Hub;
use iothub_emulator::{Clock, QuerySettings, Settings, Timestamp};
use serde_json::{Value, json};

const LAG: Duration = Duration::from_secs(5);

async fn query(hub: &Hub, text: &str) -> Value {
    hub.call("POST", "/devices/query", &[], Some(json!({ "query": text }))).await.body
}

#[tokio::test]
async fn queries_see_twins_as_they_were_and_reads_as_they_are() {
    let clock = Clock::manual(Timestamp::from_unix_seconds(1_800_000_000));
    let queries = QuerySettings { index_lag: LAG, ..QuerySettings::default() };
    let hub = Hub::with(Settings { clock, queries, ..Settings::default() }).await;
    let all = "SELECT deviceId, tags.n FROM devices";
    hub.emulator.create_device("a", &json!({"n": 1})).unwrap();
    hub.emulator.create_device("b", &json!({"n": 1})).unwrap();
    assert_eq!(query(&hub, all).await, json!([]));
    hub.emulator.clock().advance(LAG);
    let both = json!([{"deviceId": "a", "n": 1}, {"deviceId": "b", "n": 1}]);
    assert_eq!(query(&hub, all).await, both);

    hub.call("PATCH", "/twins/a", &[], Some(json!({"tags": {"n": 2}}))).await;
    hub.emulator.clock().advance(LAG / 2);
    hub.emulator.delete_device("b").unwrap();
    assert_eq!(query(&hub, all).await, both);
    assert_eq!(hub.call("GET", "/twins/a", &[], None).await.body["tags"]["n"], 2);
    assert_eq!(hub.call("GET", "/twins/b", &[], None).await.status, 404);
    assert_eq!(hub.call("GET", "/devices", &[], None).await.body.as_array().unwrap().len(), 1);
    hub.emulator.clock().advance(LAG / 2);
    assert_eq!(query(&hub, all).await, json!([{"deviceId": "a", "n": 2}, {"deviceId": "b", "n": 1}]));
    hub.emulator.clock().advance(LAG / 2);
    assert_eq!(query(&hub, all).await, json!([{"deviceId": "a", "n": 2}]));

    // Modules lag as well, and so does what a whole twin shows.
    hub.call("PUT", "/devices/a/modules/m", &[], Some(json!({}))).await;
    let modules = "SELECT moduleId FROM devices.modules";
    assert_eq!(query(&hub, modules).await, json!([]));
    hub.emulator.report("a", &json!({"x": 1})).unwrap();
    let whole = "SELECT * FROM devices";
    assert_eq!(query(&hub, whole).await[0]["properties"]["reported"].get("x"), None);
    hub.emulator.clock().advance(LAG);
    assert_eq!(query(&hub, modules).await, json!([{"moduleId": "m"}]));
    assert_eq!(query(&hub, whole).await[0]["properties"]["reported"]["x"], 1);
    hub.emulator.shutdown().await;
}
