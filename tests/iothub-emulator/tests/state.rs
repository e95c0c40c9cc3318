//! A hub that is kept in a file: all of it comes back, and what is not whole is refused.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::device::{DESIRED, Device};
use common::{HOUR, Hub, wait_for};
use iothub_emulator::{Clock, Emulator, Refusal, Seed, Settings, StartError, StateError, Timestamp};
use serde_json::{Value, json};

fn clock() -> Clock {
    Clock::manual(Timestamp::from_unix_seconds(1_800_000_000))
}

fn settings(file: &Path, clock: &Clock) -> Settings {
    Settings { state: Some(file.to_owned()), clock: clock.clone(), ..Settings::default() }
}

/// Every document that the service API has.
async fn documents(hub: &Hub) -> BTreeMap<String, Value> {
    let mut paths: Vec<String> =
        ["/configurations", "/jobs/v2/query", "/statistics/devices"].map(str::to_owned).into();
    for id in hub.emulator.devices() {
        let modules = hub.call("GET", &format!("/devices/{id}/modules"), &[], None).await.body;
        for module in modules.as_array().unwrap() {
            let module = module["moduleId"].as_str().unwrap().replace('$', "%24");
            paths.push(format!("/twins/{id}/modules/{module}"));
            paths.push(format!("/devices/{id}/modules/{module}"));
        }
        paths.push(format!("/twins/{id}"));
        paths.push(format!("/devices/{id}"));
    }
    let mut documents = BTreeMap::new();
    for path in paths {
        documents.insert(path.clone(), hub.call("GET", &path, &[], None).await.body);
    }
    let rows = json!({"query": "SELECT * FROM devices.jobs"});
    documents.insert("jobs".to_owned(), hub.call("POST", "/devices/query", &[], Some(rows)).await.body);
    documents
}

/// A hub with one of everything.
async fn filled(hub: &Hub) {
    let own_key = "b3duIGtleSBvZiB0aGUgdGVzdCwgMzIgYnl0ZXMgISE=";
    let keys = json!({"type": "sas", "symmetricKey": {"primaryKey": own_key, "secondaryKey": ""}});
    let thumbprint = json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": "A".repeat(40)}});
    let table = [
        ("keys", json!({"authentication": keys})),
        ("certificate", json!({"authentication": thumbprint})),
        ("edge", json!({"capabilities": {"iotEdge": true}})),
        ("keys/modules/m", json!({"managedBy": "someone"})),
    ];
    for (id, body) in table {
        assert_eq!(hub.call("PUT", &format!("/devices/{id}"), &[], Some(body)).await.status, 200);
    }
    let disabled = json!({"status": "disabled", "statusReason": "repair"});
    hub.call("PUT", "/devices/certificate", &[("if-match", "*")], Some(disabled)).await;
    for n in 0..4 {
        hub.emulator.create_device(&format!("d{n}"), &json!({"site": "a", "n": n})).unwrap();
    }
    hub.emulator
        .patch_twin("d0", &json!({"properties": {"desired": {"a": {"b": 1, "c": [0.1]}, "d": "x"}}}))
        .unwrap();
    hub.emulator.clock().advance(Duration::from_millis(1500));
    hub.emulator.patch_twin("d0", &json!({"properties": {"desired": {"a": {"b": null}}}})).unwrap();
    hub.emulator.report("d0", &json!({"r": {"s": true}})).unwrap();
    let module = json!({"tags": {"x": 1}, "properties": {"desired": {"y": 2}}});
    hub.call("PATCH", "/twins/keys/modules/m", &[], Some(module)).await;

    let content = json!({"deviceContent": {"properties.desired.level": 5}});
    let configuration = json!({
        "content": content, "targetCondition": "tags.site = 'a'", "priority": 3, "labels": {"l": "m"},
        "metrics": {"queries": {"all": "SELECT deviceId FROM devices WHERE tags.site = 'a'"}},
    });
    hub.call("PUT", "/configurations/c", &[], Some(configuration.clone())).await;
    hub.call("PUT", "/configurations/c", &[("if-match", "*")], Some(configuration)).await;
    let update = json!({"etag": "*", "tags": {"job": "done"}});
    for (id, start) in [("now", "2027-01-15T08:00:00Z"), ("later", "2028-01-01T00:00:00.5Z")] {
        let job = json!({"type": "scheduleUpdateTwin", "queryCondition": "tags.site = 'a'", "updateTwin": update, "startTime": start});
        assert_eq!(hub.call("PUT", &format!("/jobs/v2/{id}"), &[], Some(job)).await.status, 200);
    }
    let method = json!({"type": "scheduleDeviceMethod", "queryCondition": "deviceId = 'keys'", "cloudToDeviceMethod": {"methodName": "m"}, "startTime": "2028-01-01T00:00:00Z"});
    hub.call("PUT", "/jobs/v2/cancelled", &[], Some(method)).await;
    hub.call("POST", "/jobs/v2/cancelled/cancel", &[], None).await;
    // Two of four devices have had their turn.
    hub.emulator.clock().advance(Duration::from_millis(100));
}

#[tokio::test]
async fn everything_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (file, clock) = (folder.path().join("hub.state"), clock());
    let hub = Hub::with(settings(&file, &clock)).await;
    filled(&hub).await;
    let token = hub.emulator.device_token("d1", HOUR).unwrap();
    let mut device = Device::new(&hub, "d1", &token);
    assert_eq!(device.connect().await, Ok(false));
    device.subscribe(DESIRED).await;
    drop(device);
    let connected = || hub.emulator.twin("d1").unwrap()["connectionState"] == "Connected";
    wait_for(|| !connected()).await;
    let before = documents(&hub).await;
    let job = &before["/jobs/v2/query"][2];
    assert_eq!(
        (&job["status"], &job["deviceJobStatistics"]["succeededCount"]),
        (&json!("running"), &json!(2))
    );
    let strings = |hub: &Hub| {
        let policies = ["iothubowner", "service", "device", "registryRead", "registryReadWrite"];
        let policy = |name| hub.emulator.policy_connection_string(name).unwrap();
        let mut all: Vec<String> = policies.map(policy).into();
        all.push(hub.emulator.device_connection_string("d1").unwrap());
        all.push(hub.emulator.ca_pem().to_owned());
        let (https, mqtt) = (hub.emulator.https_port(), hub.emulator.mqtt_port());
        all.iter()
            .map(|text| text.replace(&format!(":{https}"), "").replace(&format!(":{mqtt}"), ""))
            .collect::<Vec<_>>()
    };
    let strings_before = strings(&hub);
    hub.emulator.shutdown().await;

    let again = Hub::with(settings(&file, &clock)).await;
    assert_eq!(strings(&again), strings_before);
    for (path, document) in documents(&again).await {
        assert_eq!(document, before[&path], "{path}");
    }
    // A client that knew the hub of before: its trust, its token.
    let old = Hub { emulator: again.emulator, client: hub.client, token: hub.token };
    assert_eq!(old.call("GET", "/twins/d0", &[], None).await.status, 200);
    let mut device = Device::new(&old, "d1", &token);
    assert_eq!(device.connect().await, Ok(true));
    old.emulator.patch_twin("d1", &json!({"properties": {"desired": {"new": 1}}})).unwrap();
    assert!(device.message().await.topic.starts_with("$iothub/twin/PATCH/properties/desired/"));

    // The job goes on where it was, and nothing is done twice.
    clock.advance(Duration::from_secs(1));
    let job = old.call("GET", "/jobs/v2/now", &[], None).await.body;
    assert_eq!(
        (&job["status"], &job["deviceJobStatistics"]["succeededCount"]),
        (&json!("completed"), &json!(4))
    );
    let twin = old.emulator.twin("d0").unwrap();
    assert_eq!((&twin["etag"], &twin["tags"]["job"]), (&before["/twins/d0"]["etag"], &json!("done")));
    // A device that is made again is another one, as it would have been.
    let generation = |documents: &Value| documents["generationId"].as_str().unwrap().parse::<u64>().unwrap();
    old.emulator.delete_device("d3").unwrap();
    old.emulator.create_device("d3", &Value::Null).unwrap();
    let made = old.call("GET", "/devices/d3", &[], None).await.body;
    assert!(
        before
            .iter()
            .filter(|(path, _)| path.starts_with("/devices/"))
            .all(|(_, old)| generation(old) < generation(&made))
    );
    old.emulator.shutdown().await;
}

/// xorshift64*: the same twins in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % limit
    }

    fn object(&mut self, depth: u64) -> Value {
        let keys = ["a", "b", "\u{e9}", "\u{1F600}", "with-dash", "A", "\"quoted\"", "back\\slash"];
        let count = self.below(5);
        (0..count)
            .map(|_| (keys[usize::try_from(self.below(8)).unwrap()].to_owned(), self.value(depth)))
            .collect()
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => (self.below(2) == 0).into(),
            2 => (i64::try_from(self.below(1 << 53)).unwrap() - (1 << 52)).into(),
            // Any bits that are a number.
            3 => serde_json::Number::from_f64(f64::from_bits(self.below(1 << 52) << 10))
                .map_or(json!(0.5), Value::Number),
            4 => char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap())
                .unwrap_or('?')
                .to_string()
                .repeat(3)
                .into(),
            5 => json!([self.below(9), "x", [true, {"in": self.below(9)}]]),
            _ => self.object(depth - 1),
        }
    }
}

#[tokio::test]
async fn twins_of_any_form_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (file, clock) = (folder.path().join("hub.state"), clock());
    let hub = Emulator::start(settings(&file, &clock)).await.unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut written = 0;
    for n in 0..300 {
        let id = format!("d{n}");
        hub.create_device(&id, &Value::Null).unwrap();
        for _ in 0..random.below(6) {
            clock.advance(Duration::from_nanos(random.below(3) * 100));
            let patch = json!({"tags": random.object(1), "properties": {"desired": random.object(3)}});
            written += usize::from(hub.patch_twin(&id, &patch).is_ok());
            written += usize::from(hub.report(&id, &random.object(2)).is_ok());
        }
    }
    assert!(written > 1000, "{written}");
    let twins = |hub: &Emulator| hub.devices().iter().map(|id| hub.twin(id).unwrap()).collect::<Vec<_>>();
    let before = twins(&hub);
    hub.shutdown().await;
    for _ in 0..2 {
        let again = Emulator::start(settings(&file, &clock)).await.unwrap();
        assert_eq!(twins(&again), before);
        // So that it is written again from what was read.
        again.create_device("x", &Value::Null).unwrap();
        again.delete_device("x").unwrap();
        again.shutdown().await;
    }
}

/// JSON is read to a depth of 127; what a request could bring is as deep in the file as it was there, or refused.
#[tokio::test]
async fn what_is_deep_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (file, clock) = (folder.path().join("hub.state"), clock());
    let hub = Hub::with(settings(&file, &clock)).await;
    hub.emulator.create_device("d", &Value::Null).unwrap();
    let deep = |levels| (0..levels).fold(json!(1), |value, _| json!([value]));
    let patch = |levels| json!({"properties": {"desired": {"a": deep(levels)}}});
    hub.emulator.patch_twin("d", &patch(10)).unwrap();
    assert!(hub.emulator.patch_twin("d", &patch(11)).unwrap_err().to_string().contains("10 levels deep"));
    let configuration =
        json!({"content": {"deviceContent": {"properties.desired.b": 1}, "other": deep(120)}});
    let method = json!({"methodName": "m", "payload": deep(120)});
    let job = json!({"type": "scheduleDeviceMethod", "queryCondition": "*", "cloudToDeviceMethod": method});
    for (path, body) in [("/configurations/c", configuration), ("/jobs/v2/j", job)] {
        assert_eq!(hub.call("PUT", path, &[], Some(body)).await.status, 200);
    }
    let before = documents(&hub).await;
    hub.emulator.shutdown().await;
    let again = Hub::with(settings(&file, &clock)).await;
    assert_eq!(documents(&again).await, before);
    again.emulator.shutdown().await;
}

async fn refusal(file: &Path, clock: &Clock) -> (Refusal, String) {
    let error = Emulator::start(settings(file, clock)).await.unwrap_err();
    let text = error.to_string();
    let StartError::State(StateError::Refused { refusal, path }) = error else { unreachable!("{text}") };
    assert_eq!(path, file);
    (refusal, text)
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (file, clock) = (folder.path().join("hub.state"), clock());
    let hub = Hub::with(settings(&file, &clock)).await;
    filled(&hub).await;
    hub.emulator.shutdown().await;
    let good = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let count = lines.len();
    assert!(count > 20, "{count}");

    let mut table: Vec<(String, &str)> = vec![
        (String::new(), "not written by this emulator"),
        ("\n".to_owned(), "not written by this emulator"),
        ("{\"some\": \"json\"}\n".to_owned(), "not written by this emulator"),
        (good.trim_end().to_owned(), "without the one that closes it"),
        (format!("{good}\n"), "goes on after"),
        (format!("{good}{good}"), "goes on after"),
        (good.replacen("\"version\":1}", "\"version\":2}", 1), "version 2, and this emulator reads 1"),
        (good.replacen("\"sha256\":\"", "\"sha256\":\"0", 1), "digest"),
    ];
    for at in 0..count {
        let with = |line: String| lines[..at].concat() + &line + &lines[at + 1..].concat();
        // A letter or digit that is another one.
        let place = lines[at].rfind(|c: char| c.is_ascii_alphanumeric()).unwrap();
        let mut changed = lines[at].to_owned();
        let other = if &lines[at][place..=place] == "0" { "1" } else { "0" };
        changed.replace_range(place..=place, other);
        table.push((with(changed), ""));
        table.push((with(String::new()), ""));
        table.push((with(lines[at].repeat(2)), ""));
        // The end of the file is lost, with the rest of this line or without it.
        table.push((
            lines[..at].concat(),
            if at == 0 { "not written by" } else { "without the one that closes it" },
        ));
        table.push((lines[..at].concat() + &lines[at][..lines[at].len() / 2], ""));
    }
    for (text, reason) in table {
        fs::write(&file, &text).unwrap();
        let (_, said) = refusal(&file, &clock).await;
        assert!(said.contains(reason) && said.contains(file.to_str().unwrap()), "{said}");
        assert!(said.contains("remove") || said.contains("Start the emulator"), "{said}");
        let key = hub.emulator.service_connection_string();
        assert!(!said.contains(key.rsplit_once('=').unwrap().0.rsplit_once('=').unwrap().1), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    fs::write(&file, good).unwrap();
    Emulator::start(settings(&file, &clock)).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn a_file_has_one_emulator_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (file, clock) = (folder.path().join("hub.state"), clock());
    let first = Emulator::start(settings(&file, &clock)).await.unwrap();
    assert_eq!(refusal(&file, &clock).await.0, Refusal::InUse);
    // Also when it was replaced meanwhile.
    let size = || fs::metadata(&file).unwrap().len();
    let before = size();
    first.create_device("d", &Value::Null).unwrap();
    wait_for(|| size() > before).await;
    assert_eq!(refusal(&file, &clock).await.0, Refusal::InUse);
    first.shutdown().await;
    Emulator::start(settings(&file, &clock)).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_told_at_the_start() {
    let file = PathBuf::from("/nonexistent/directory/hub.state");
    let error = Emulator::start(settings(&file, &clock())).await.unwrap_err();
    assert!(matches!(&error, StartError::State(StateError::Write { path, .. }) if *path == file), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = Emulator::start(settings(folder.path(), &clock())).await.unwrap_err();
    assert!(matches!(&error, StartError::State(StateError::Read { .. })), "{error}");
}

#[tokio::test]
async fn devices_that_are_there_stay_and_missing_ones_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let (file, clock) = (folder.path().join("hub.state"), clock());
    let seed = |count| Seed { count, tags: json!({"n": "{n}"}), ..Seed::default() };
    let hub = Emulator::start(settings(&file, &clock)).await.unwrap();
    hub.seed_missing(&seed(2)).unwrap();
    hub.patch_twin("device-00001", &json!({"tags": {"n": "changed"}})).unwrap();
    hub.delete_device("device-00002").unwrap();
    assert!(hub.seed(&seed(2)).unwrap_err().to_string().contains("already exists"));
    hub.shutdown().await;
    let hub = Emulator::start(settings(&file, &clock)).await.unwrap();
    hub.seed_missing(&seed(3)).unwrap();
    let tags: Vec<Value> =
        hub.devices().iter().map(|id| hub.twin(id).unwrap()["tags"]["n"].clone()).collect();
    assert_eq!(tags, [json!("changed"), json!("2"), json!("3")]);
    hub.shutdown().await;
}
