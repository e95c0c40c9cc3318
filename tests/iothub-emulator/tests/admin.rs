//! The admin API, and the same by library calls.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::device::Device;
use common::{Hub, wait_for};
use iothub_emulator::{
    AckContract, Clock, Effect, Fault, Limits, Rate, Route, Seed, Settings, SimulatedAcks, Timestamp, When,
};
use serde_json::{Value, json};

/// A hub with an admin API, whose clock stands still.
async fn hub(limits: Limits) -> Hub {
    let clock = Clock::manual(Timestamp::from_unix_seconds(1_800_000_000));
    Hub::with(Settings { clock, limits, admin_port: Some(0), ..Settings::default() }).await
}

async fn admin(hub: &Hub, method: &str, path: &str, body: Value) -> (u16, Value) {
    let url = format!("http://127.0.0.1:{}{path}", hub.emulator.admin_port().unwrap());
    let request = hub.client.request(method.parse().unwrap(), url).body(body.to_string());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn ok(hub: &Hub, method: &str, path: &str, body: Value) -> Value {
    let (status, answer) = admin(hub, method, path, body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn seeded(hub: &Hub, count: u32) -> Vec<String> {
    let seed = Seed { count, ..Seed::default() };
    hub.emulator.seed(&seed).unwrap();
    seed.ids().collect()
}

fn link(name: &str) -> Value {
    json!({"properties": {"desired": {"configurationBlob": {"uri": format!("https://s/{name}?sig=x"), "ts": "2027-01-01T00:00:00Z"}}}})
}

#[tokio::test]
async fn devices_are_seeded_by_template() {
    let hub = hub(Limits::unlimited()).await;
    let seed = json!({
        "count": 3, "first": 9, "id": "line{n%2}-{n:03}", "tags": {"site": "s{n}", "number": 1},
        "desired": {"d": "{n}"}, "reported": {"r": "{n}"},
    });
    assert_eq!(ok(&hub, "POST", "/devices", seed.clone()).await, json!({"created": 3}));
    assert_eq!(hub.emulator.devices(), ["line0-010", "line1-009", "line1-011"]);
    let twin = hub.emulator.twin("line1-009").unwrap();
    assert_eq!(twin["tags"], json!({"site": "s9", "number": 1}));
    let properties = &twin["properties"];
    assert_eq!((&properties["desired"]["d"], &properties["reported"]["r"]), (&json!("9"), &json!("9")));
    assert!(hub.emulator.device_connection_string("line0-010").is_ok());
    for (wrong, reason) in [
        (seed, "already exists"),
        (json!({"count": 1, "id": "a b"}), "Invalid device id"),
        (json!({"count": 1, "tags": {"a.b": 1}}), "invalid characters"),
        (json!({"number": 1}), "unknown field"),
        (json!([]), "invalid"),
    ] {
        let (status, answer) = admin(&hub, "POST", "/devices", wrong).await;
        assert!(status == 400 && answer["error"].as_str().unwrap().contains(reason), "{answer}");
    }
    assert_eq!(seeded(&hub, 2), ["device-00001", "device-00002"]);
    let patched = ok(&hub, "POST", "/twins", json!({"properties": {"desired": {"all": 1}}})).await;
    assert_eq!(patched, json!({"patched": 5}));
    assert!(
        hub.emulator
            .devices()
            .iter()
            .all(|id| hub.emulator.twin(id).unwrap()["properties"]["desired"]["all"] == 1)
    );
    assert_eq!(admin(&hub, "POST", "/twins", json!({"tags": []})).await.0, 400);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn faults_are_set_and_cleared() {
    let hub = hub(Limits::unlimited()).await;
    hub.emulator.seed(&Seed { count: 1, id: "d1".to_owned(), ..Seed::default() }).unwrap();
    let status = json!({"route": "getTwin", "when": {"nth": 2}, "effect": {"status": {"status": 503, "retryAfter": "Tue, 1"}}});
    ok(&hub, "POST", "/faults", status).await;
    for expected in [200, 503, 200] {
        let reply = hub.call("GET", "/twins/d1", &[], None).await;
        let retry_after = (expected == 503).then_some("Tue, 1");
        assert_eq!((reply.status, reply.header("retry-after")), (expected, retry_after));
    }
    ok(&hub, "DELETE", "/faults", Value::Null).await;

    // A truncated answer: the request had its effect, and the client knows that something is missing.
    ok(&hub, "POST", "/faults", json!({"route": "patchTwin", "effect": "truncate"})).await;
    let cut = hub.try_call("PATCH", "/twins/d1", &[], Some(link("a"))).await;
    let error = cut.err().unwrap();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(hub.emulator.desired_writes()["d1"], 1);
    ok(&hub, "DELETE", "/faults", Value::Null).await;

    ok(&hub, "POST", "/faults", json!({"effect": {"contentType": "text/html"}})).await;
    let reply = hub.call("GET", "/twins/d1", &[], None).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html")));
    hub.emulator.clear_faults();

    // A delay is one of the hub's clock.
    let effect = Effect::None;
    hub.emulator.add_fault(Fault { route: None, when: When::First(1), effect, delay: common::HOUR });
    let (reply, ()) = tokio::join!(hub.call("GET", "/twins/d1", &[], None), async {
        ok(&hub, "POST", "/clock", json!({"advanceMs": 3_000_000})).await;
        assert_eq!(hub.emulator.counts().with_status(Route::GetTwin, 200), 3);
        ok(&hub, "POST", "/clock", json!({"advanceMs": 600_000})).await;
    });
    // The token, of an hour as well, is at its end.
    assert_eq!(reply.status, 401);

    let counters = ok(&hub, "GET", "/counters", Value::Null).await;
    let requests = counters["requests"].as_array().unwrap();
    for (route, outcome, count) in
        [("getTwin", 200, 3), ("getTwin", 503, 1), ("getTwin", 401, 1), ("patchTwin", 200, 1)]
    {
        assert!(
            requests.contains(&json!({"route": route, "outcome": outcome, "count": count})),
            "{counters}"
        );
    }
    assert_eq!(counters["twinWrites"], json!({"d1": 1}));
    for (method, path, body, status) in [
        ("POST", "/faults", json!({"effect": "explode"}), 400),
        ("POST", "/clock", json!({"advanceMs": -1}), 400),
        ("PUT", "/acks", json!({"received": 60, "failed": 41}), 400),
        ("GET", "/faults", Value::Null, 404),
        ("GET", "/", Value::Null, 404),
    ] {
        let (seen, answer) = admin(&hub, method, path, body).await;
        assert_eq!(seen, status, "{answer}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn the_clock_is_advanced_and_skewed() {
    let hub = hub(Limits::unlimited()).await;
    let now = |answer: Value| answer["now"].as_str().unwrap().to_owned();
    assert_eq!(now(ok(&hub, "GET", "/clock", Value::Null).await), "2027-01-15T08:00:00Z");
    let moved = ok(&hub, "POST", "/clock", json!({"advanceMs": 86_400_000, "skewSeconds": -60})).await;
    assert_eq!(now(moved), "2027-01-16T07:59:00Z");
    assert_eq!(now(ok(&hub, "POST", "/clock", json!({"skewSeconds": 0})).await), "2027-01-16T08:00:00Z");
    assert_eq!(hub.emulator.clock().now().unix_seconds(), 1_800_086_400);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn absent_devices_answer_as_they_are_told() {
    let hub = hub(Limits::unlimited()).await;
    let ids = seeded(&hub, 100);
    let acks =
        json!({"received": 40, "failed": 30, "wrong": 10, "late": 15, "delayMs": 1000, "lateMs": 60_000});
    ok(&hub, "PUT", "/acks", acks).await;
    let patch_all = |name: &'static str| {
        for id in &ids {
            hub.emulator.patch_twin(id, &link(name)).unwrap();
        }
    };
    // What names the property is all that is answered.
    hub.emulator
        .patch_twin(&ids[0], &json!({"tags": {"t": 1}, "properties": {"desired": {"other": 1}}}))
        .unwrap();
    patch_all("a");
    assert_eq!(hub.emulator.counts().reports, 0);
    hub.emulator.clock().advance(Duration::from_secs(1));
    wait_for(|| hub.emulator.counts().reports == 80).await;
    let count = |field: &'static str, value: &'static str| {
        let answers = ids
            .iter()
            .map(|id| hub.emulator.twin(id).unwrap()["properties"]["reported"]["configurationBlob"].clone());
        answers.filter(|answer| answer[field] == value).count()
    };
    assert_eq!((count("acknowledged", "https://s/a?sig=x"), count("status", "failed")), (70, 30));
    assert_eq!(count("acknowledged", "https://s/a-of-another"), 10);
    hub.emulator.clock().advance(Duration::from_secs(59));
    hub.emulator.clock().advance(Duration::from_secs(1));
    wait_for(|| hub.emulator.counts().reports == 95).await;
    assert_eq!((count("current", "https://s/a?sig=x"), count("status", "received")), (55, 65));

    let echo =
        SimulatedAcks { contract: AckContract::Echo, received: 60, failed: 40, ..SimulatedAcks::default() };
    hub.emulator.simulate_acks(Some(echo)).unwrap();
    patch_all("b");
    wait_for(|| hub.emulator.counts().reports == 95 + 60).await;
    assert_eq!((count("uri", "https://s/b?sig=x"), count("ts", "2027-01-01T00:00:00Z")), (60, 60));
    ok(&hub, "DELETE", "/acks", Value::Null).await;
    patch_all("c");
    let impossible = SimulatedAcks { late: 1, ..SimulatedAcks::default() };
    assert!(hub.emulator.simulate_acks(Some(impossible)).is_err());
    assert_eq!(count("uri", "https://s/c?sig=x"), 0);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn absent_modules_answer_as_their_devices_would() {
    let hub = hub(Limits::unlimited()).await;
    // A number in a module's id is not its device's.
    let modules: Vec<_> = seeded(&hub, 10).into_iter().map(|id| format!("{id}/m1")).collect();
    for module in &modules {
        hub.emulator.create_device(module, &Value::Null).unwrap();
    }
    let acks = SimulatedAcks { received: 4, failed: 96, ..SimulatedAcks::default() };
    hub.emulator.simulate_acks(Some(acks)).unwrap();
    let token = hub.emulator.device_token(&modules[0], common::HOUR).unwrap();
    let mut present = Device::new(&hub, &modules[0], &token);
    present.connect().await.unwrap();
    for module in &modules {
        hub.emulator.patch_twin(module, &link("a")).unwrap();
    }
    wait_for(|| hub.emulator.counts().reports == 9).await;
    // Those of the devices 2 and 3 are below 4; the first one is there, and answers for itself.
    for (place, module) in modules.iter().enumerate() {
        let reported = &hub.emulator.twin(module).unwrap()["properties"]["reported"];
        let status = match place {
            0 => None,
            1..3 => Some("received"),
            _ => Some("failed"),
        };
        assert_eq!(reported["configurationBlob"]["status"].as_str(), status, "{module}");
    }
    let devices = hub.emulator.devices();
    let silent = |id: &String| {
        let reported = hub.emulator.twin(id).unwrap()["properties"]["reported"].clone();
        reported.get("configurationBlob").is_none()
    };
    assert!(devices.iter().all(silent));
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn simulated_devices_keep_to_the_limits() {
    let rate = Rate { count: 60, per: Duration::from_mins(1) };
    let limits = Limits {
        twin_updates: Some(rate),
        burst: Duration::from_secs(10),
        max_wait: Duration::ZERO,
        ..Limits::unlimited()
    };
    let hub = hub(limits).await;
    let ids = seeded(&hub, 15);
    hub.emulator.simulate_acks(Some(SimulatedAcks::default())).unwrap();
    for id in &ids {
        hub.emulator.patch_twin(id, &link("a")).unwrap();
    }
    wait_for(|| hub.emulator.counts().throttled_device_operations == 1).await;
    assert_eq!(hub.emulator.counts().reports, 10);
    // They try again ten seconds later.
    hub.emulator.clock().advance(Duration::from_secs(10));
    wait_for(|| hub.emulator.counts().reports == 15).await;
    hub.emulator.shutdown().await;
}
