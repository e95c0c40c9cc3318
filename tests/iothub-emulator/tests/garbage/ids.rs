//! Ids with every legal character, through every way by which an id comes to the hub.

use bytes::BytesMut;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Publish, Subscribe};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::common::device::{DESIRED, Device, json_of};
use crate::common::{HOUR, Hub, wait_for};
use crate::mqtt::connect_with;
use crate::raw::{Answer, ask, ends_well, open, request};

/// "alphanumerics and - : . + % _ # * ? ! ( ) , = @ ; $ '" (twin model of the Python service SDK).
const ODD: &str = "-:.+%_#*?!(),=@;$'";

/// All of them at once, each alone and in front, and those that mean something else elsewhere.
fn ids() -> Vec<String> {
    let mut ids = vec![
        format!("Aa0{ODD}"),
        "..".to_owned(),
        "%41".to_owned(),
        "%2F".to_owned(),
        "query".to_owned(),
        "modules".to_owned(),
        "$metadata".to_owned(),
        "'; SELECT".replace(' ', "-"),
        "x".repeat(128),
    ];
    ids.extend(ODD.chars().flat_map(|odd| [odd.to_string(), format!("{odd}a")]));
    ids
}

fn encoded(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC).to_string()
}

/// Clients that follow the URL standard take `%2e%2e` for a step up, so this is asked as it is written.
async fn call(hub: &Hub, method: &str, path: &str, headers: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let target = format!("{path}?api-version=2021-04-12");
    let Answer { status, body, .. } =
        ask(hub, &request(hub, method, &target, headers, body.as_bytes())).await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}

#[tokio::test]
async fn rest_twins_queries_and_bulk_calls() {
    let hub = Hub::start().await;
    for id in ids() {
        let (device, twin) = (format!("/devices/{}", encoded(&id)), format!("/twins/{}", encoded(&id)));
        let (module, module_twin) =
            (format!("{device}/modules/{}", encoded(&id)), format!("{twin}/modules/{}", encoded(&id)));
        let (status, created) = call(&hub, "PUT", &device, "", &json!({"deviceId": id})).await;
        assert_eq!((status, &created["deviceId"]), (200, &json!(id)), "{id}");
        let (status, created) =
            call(&hub, "PUT", &module, "", &json!({"deviceId": id, "moduleId": id})).await;
        assert_eq!(
            (status, &created["deviceId"], &created["moduleId"]),
            (200, &json!(id), &json!(id)),
            "{id}"
        );
        for (path, at) in [(&twin, "device"), (&module_twin, "module")] {
            let patch = json!({"tags": {"at": at}, "properties": {"desired": {"id": id}}});
            let (status, patched) = call(&hub, "PATCH", path, "if-match: \"*\"\r\n", &patch).await;
            assert_eq!((status, &patched["tags"]["at"]), (200, &json!(at)), "{id}");
            let (status, read) = call(&hub, "GET", path, "", &Value::Null).await;
            assert_eq!((status, read), (200, patched), "{id}");
        }
        let text = id.replace('\'', "\\'");
        for (query, expected) in [
            (
                format!("SELECT deviceId, tags.at FROM devices WHERE deviceId = '{text}'"),
                json!([{"deviceId": id, "at": "device"}]),
            ),
            (
                format!(
                    "SELECT moduleId, tags.at FROM devices.modules WHERE deviceId IN [\"{id}\"] AND moduleId = '{text}'"
                ),
                json!([{"moduleId": id, "at": "module"}]),
            ),
            (
                format!(
                    "SELECT COUNT() AS n FROM devices WHERE STARTSWITH(properties.desired.id, '{text}') AND deviceId = '{text}'"
                ),
                json!([{"n": 1}]),
            ),
        ] {
            let (status, rows) = call(&hub, "POST", "/devices/query", "", &json!({"query": query})).await;
            assert_eq!((status, rows), (200, expected), "{query}");
        }
        let bulk = json!([
            {"id": id, "importMode": "updateTwin", "tags": {"at": "bulk"}},
            {"id": id, "moduleId": id, "importMode": "updateTwin", "tags": {"at": "bulk"}},
        ]);
        let (status, done) = call(&hub, "POST", "/devices", "", &bulk).await;
        assert_eq!((status, &done["isSuccessful"]), (200, &json!(true)), "{id}: {done}");
        for path in [&twin, &module_twin] {
            assert_eq!(call(&hub, "GET", path, "", &Value::Null).await.1["tags"]["at"], "bulk", "{id}");
        }
        let (_, modules) = call(&hub, "GET", &format!("{device}/modules"), "", &Value::Null).await;
        assert_eq!(modules.as_array().map(Vec::len), Some(1), "{id}");
    }
    // By pages, each once, and gone at the end.
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let body = json!({"query": "SELECT deviceId FROM devices"}).to_string();
        let headers = format!("x-ms-max-item-count: 7\r\n{token}");
        let bytes = request(&hub, "POST", "/devices/query?api-version=2021-04-12", &headers, body.as_bytes());
        let said = crate::raw::exchange(&hub, hub.emulator.https_port(), &bytes).await;
        let said = String::from_utf8(said).unwrap();
        let (head, rows) = said.split_once("\r\n\r\n").unwrap();
        let rows: Vec<Value> = serde_json::from_str(rows).unwrap();
        seen.extend(rows.iter().map(|row| row["deviceId"].as_str().unwrap().to_owned()));
        match head.lines().find_map(|line| line.strip_prefix("x-ms-continuation: ")) {
            Some(next) => token = format!("x-ms-continuation: {next}\r\n"),
            None => break,
        }
    }
    let mut expected = ids();
    expected.sort();
    seen.sort();
    assert_eq!(seen, expected);
    for id in ids() {
        let (status, _) =
            call(&hub, "DELETE", &format!("/devices/{}", encoded(&id)), "if-match: *\r\n", &Value::Null)
                .await;
        assert_eq!(status, 204, "{id}");
    }
    assert_eq!(hub.emulator.device_count(), 0);
    ends_well(hub).await;
}

#[tokio::test]
async fn illegal_ids_are_refused() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let too_long = "x".repeat(129);
    for id in ["a b", "a/b", "a\\b", "é", "a\n", "\u{0}", "\"", "<", "[", "~", "&", too_long.as_str()] {
        let body = json!({"deviceId": id});
        for path in [format!("/devices/{}", encoded(id)), format!("/devices/d1/modules/{}", encoded(id))] {
            assert_eq!(call(&hub, "PUT", &path, "", &body).await.0, 400, "{path}");
        }
        let bulk = json!([{"id": id, "importMode": "create"}]);
        let (status, done) = call(&hub, "POST", "/devices", "", &bulk).await;
        assert_eq!((status, &done["errors"][0]["errorCode"]), (400, &json!("ArgumentInvalid")), "{id}");
    }
    assert_eq!(hub.emulator.device_count(), 1);
    ends_well(hub).await;
}

#[tokio::test]
async fn devices_over_mqtt() {
    let hub = Hub::start().await;
    for (place, id) in ids().into_iter().enumerate() {
        hub.emulator.create_device(&id, &Value::Null).unwrap();
        let token = hub.emulator.device_token(&id, HOUR).unwrap();
        let mut device = Device::new(&hub, &id, &token);
        assert_eq!(device.connect().await, Ok(false), "{id}");
        device.subscribe(DESIRED).await;
        device
            .publish("$iothub/twin/PATCH/properties/reported/?$rid=1", &json!({"id": id}).to_string())
            .await;
        assert_eq!(device.message().await.topic, "$iothub/twin/res/204/?$rid=1&$version=2", "{id}");
        hub.emulator.patch_twin(&id, &json!({"properties": {"desired": {"n": 1}}})).unwrap();
        assert_eq!(json_of(&device.message().await), json!({"n": 1, "$version": 2}), "{id}");
        assert_eq!(hub.emulator.twin(&id).unwrap()["properties"]["reported"]["id"], json!(id));
        // Topics that have the id in them; the client library would not send some of these.
        let mut stream = open(&hub, hub.emulator.mqtt_port()).await;
        let mut bytes = BytesMut::from(&connect_with(&hub, &id, &token)[..]);
        let mut subscribe = Subscribe::new(format!("devices/{id}/messages/devicebound/#"), QoS::AtMostOnce);
        subscribe.pkid = 1;
        subscribe.write(&mut bytes).unwrap();
        Publish::new(format!("devices/{id}/messages/events/"), QoS::AtMostOnce, "x")
            .write(&mut bytes)
            .unwrap();
        stream.write_all(&bytes).await.unwrap();
        let telemetry = u64::try_from(place).unwrap() + 1;
        wait_for(|| hub.emulator.counts().telemetry == telemetry).await;
    }
    ends_well(hub).await;
}
