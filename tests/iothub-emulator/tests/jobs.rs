//! Jobs over the wire, by a clock that the test moves.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{HOUR, Hub, Reply};
use iothub_emulator::{Clock, Limits, Settings, Tier, Timestamp};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

async fn hub(devices: usize, limits: Limits) -> Hub {
    let clock = Clock::manual(Timestamp::from_unix_seconds(1_800_000_000));
    let mut hub = Hub::with(Settings { clock, limits, ..Settings::default() }).await;
    // The clock is moved by more than an hour.
    hub.token = hub.emulator.policy_token("iothubowner", 365 * 24 * HOUR).unwrap();
    for n in 0..devices {
        hub.emulator.create_device(&format!("d{n:02}"), &json!({"site": "a"})).unwrap();
    }
    hub
}

fn update(condition: &str) -> Value {
    json!({
        "type": "scheduleUpdateTwin",
        "queryCondition": condition,
        "updateTwin": {"etag": "*", "properties": {"desired": {"level": 7}}},
        "maxExecutionTimeInSeconds": 3600,
    })
}

async fn put(hub: &Hub, id: &str, body: Value) -> Reply {
    hub.call("PUT", &format!("/jobs/v2/{id}"), &[], Some(body)).await
}

async fn get(hub: &Hub, id: &str) -> Value {
    let reply = hub.call("GET", &format!("/jobs/v2/{id}"), &[], None).await;
    assert_eq!(reply.status, 200);
    reply.body
}

async fn statuses(hub: &Hub, ids: [&str; 2]) -> [String; 2] {
    let [first, second] = ids;
    [get(hub, first).await, get(hub, second).await].map(|job| job["status"].as_str().unwrap().to_owned())
}

async fn outcomes(hub: &Hub, condition: &str) -> Vec<Value> {
    let query = json!({"query": format!("SELECT * FROM devices.jobs WHERE {condition}")});
    let reply = hub.call("POST", "/devices/query", &[], Some(query)).await;
    assert_eq!((reply.status, reply.header("x-ms-item-type")), (200, Some("DeviceJob")), "{}", reply.body);
    reply.body.as_array().unwrap().clone()
}

#[tokio::test]
async fn a_job_reaches_its_devices_at_the_hubs_pace() {
    let hub = hub(25, Limits::unlimited()).await;
    hub.emulator.patch_twin("d03", &json!({"tags": {"site": "b"}})).unwrap();
    let taken = put(&hub, "j-1", update("tags.site = 'a'")).await;
    assert_eq!(taken.body, json!({"jobId": "j-1", "type": "scheduleUpdateTwin", "status": "queued"}));
    // The first device has its turn at once, and ten more with every second.
    let job = get(&hub, "j-1").await;
    assert_eq!((&job["status"], &job["type"]), (&json!("running"), &json!("scheduleUpdateTwin")));
    let statistics = |succeeded: u32, pending: u32| json!({"deviceCount": 24, "failedCount": 0, "succeededCount": succeeded, "runningCount": 0, "pendingCount": pending});
    assert_eq!(job["deviceJobStatistics"], statistics(1, 23));
    assert_eq!(hub.emulator.twin("d00").unwrap()["properties"]["desired"]["level"], 7);
    hub.emulator.clock().advance(SECOND);
    assert_eq!(get(&hub, "j-1").await["deviceJobStatistics"], statistics(11, 13));
    assert_eq!(
        outcomes(&hub, "devices.jobs.jobId = 'j-1' AND devices.jobs.status = 'pending'").await.len(),
        13
    );

    hub.emulator.clock().advance(HOUR);
    let job = get(&hub, "j-1").await;
    assert_eq!((&job["status"], &job["deviceJobStatistics"]), (&json!("completed"), &statistics(24, 0)));
    // 24 devices, one each 100 ms: when they were reached does not depend on when anyone looked.
    assert_eq!(job["createdTime"], "2027-01-15T08:00:00Z");
    assert_eq!(job["endTime"], "2027-01-15T08:00:02.3Z");
    assert_eq!(
        (&job["queryCondition"], &job["updateTwin"]["etag"]),
        (&json!("tags.site = 'a'"), &json!("*"))
    );
    assert_eq!(hub.emulator.twin("d03").unwrap()["properties"]["desired"].get("level"), None);
    assert_eq!(hub.emulator.desired_writes().len(), 24);

    let rows = outcomes(&hub, "jobId = 'j-1' AND deviceId = 'd01'").await;
    let at = "2027-01-15T08:00:00.1Z";
    let expected = json!([{
        "deviceId": "d01", "jobId": "j-1", "jobType": "scheduleUpdateTwin", "status": "completed",
        "createdDateTimeUtc": "2027-01-15T08:00:00Z", "startTimeUtc": at, "endTimeUtc": at, "lastUpdatedDateTimeUtc": at,
    }]);
    assert_eq!(Value::Array(rows), expected);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn one_job_runs_at_a_time_and_the_next_one_waits_for_its_hour() {
    let hub = hub(20, Limits::unlimited()).await;
    assert_eq!(put(&hub, "first", update("*")).await.status, 200);
    let twice = put(&hub, "first", update("*")).await;
    assert_eq!((twice.status, twice.header("iothub-errorcode")), (409, Some("JobAlreadyExists")));
    let second = put(&hub, "second", update("*")).await;
    let code = Some("ThrottlingMaxActiveJobCountExceeded");
    assert_eq!((second.status, second.header("iothub-errorcode")), (429, code));

    // What is scheduled for later is taken, and waits while another one runs.
    let mut later = update("*");
    later["startTime"] = json!("2027-01-15T08:00:01Z");
    assert_eq!(put(&hub, "later", later.clone()).await.status, 200);
    assert_eq!(statuses(&hub, ["first", "later"]).await, ["running", "scheduled"]);
    hub.emulator.clock().advance(SECOND);
    assert_eq!(statuses(&hub, ["first", "later"]).await, ["running", "queued"]);
    hub.emulator.clock().advance(SECOND);
    assert_eq!(statuses(&hub, ["first", "later"]).await, ["completed", "running"]);
    hub.emulator.clock().advance(10 * SECOND);
    assert_eq!(statuses(&hub, ["first", "later"]).await, ["completed", "completed"]);
    assert_eq!(get(&hub, "later").await["endTime"], "2027-01-15T08:00:03.9Z");
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_tier_has_its_pace_and_its_number_of_jobs() {
    for (tier, active, reached) in [(Tier::S1, 1, 11), (Tier::S2, 5, 11), (Tier::S3, 10, 101)] {
        let hub = hub(0, Limits::of(tier, 2)).await;
        for n in 0..12 {
            hub.emulator.create_device(&format!("d{n:02}"), &json!({})).unwrap();
        }
        let mut taken = 0;
        for n in 0..11 {
            taken += u32::from(put(&hub, &format!("j{n}"), update("*")).await.status == 200);
        }
        assert_eq!(taken, active, "{tier:?}");
        hub.emulator.clock().advance(SECOND);
        let mut succeeded = 0;
        for n in 0..active {
            let job = get(&hub, &format!("j{n}")).await;
            succeeded += job["deviceJobStatistics"]["succeededCount"].as_u64().unwrap();
        }
        assert_eq!(succeeded, reached, "{tier:?}");
        hub.emulator.shutdown().await;
    }
}

#[tokio::test]
async fn jobs_that_run_together_share_the_pace() {
    let hub = hub(10, Limits { active_jobs: 2, ..Limits::unlimited() }).await;
    for id in ["a", "b"] {
        assert_eq!(put(&hub, id, update("*")).await.status, 200);
    }
    assert_eq!(put(&hub, "c", update("*")).await.status, 429);
    hub.emulator.clock().advance(SECOND);
    let mut succeeded = Vec::new();
    for id in ["a", "b"] {
        succeeded.push(get(&hub, id).await["deviceJobStatistics"]["succeededCount"].as_u64().unwrap());
    }
    // Eleven turns in all; the first job had one of its own before the second came.
    assert_eq!((succeeded.iter().sum::<u64>(), succeeded[0].abs_diff(succeeded[1]) <= 1), (11, true));
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_job_is_cancelled_before_it_runs_and_not_after() {
    let hub = hub(20, Limits::unlimited()).await;
    let mut later = update("*");
    later["startTime"] = json!("2027-01-15T09:00:00Z");
    put(&hub, "later", later).await;
    let cancelled = hub.call("POST", "/jobs/v2/later/cancel", &[], None).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("cancelled")));
    hub.emulator.clock().advance(2 * HOUR);
    assert_eq!(get(&hub, "later").await["status"], "cancelled");
    assert!(hub.emulator.desired_writes().is_empty());

    put(&hub, "now", update("*")).await;
    let running = hub.call("POST", "/jobs/v2/now/cancel", &[], None).await;
    assert_eq!((running.status, running.header("iothub-errorcode")), (412, Some("JobRunPreconditionFailed")));
    for path in ["/jobs/v2/none/cancel", "/jobs/v2/none"] {
        let method = if path.ends_with("cancel") { "POST" } else { "GET" };
        let missing = hub.call(method, path, &[], None).await;
        assert_eq!((missing.status, missing.header("iothub-errorcode")), (404, Some("JobNotFound")));
    }
    // The past is kept for thirty days.
    hub.emulator.clock().advance(31 * 24 * HOUR);
    assert_eq!(hub.call("GET", "/jobs/v2/now", &[], None).await.status, 404);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn what_fails_on_a_device_is_in_its_row() {
    let hub = hub(20, Limits::unlimited()).await;
    put(&hub, "j", update("*")).await;
    hub.emulator.delete_device("d10").unwrap();
    hub.emulator.clock().advance(HOUR);
    let job = get(&hub, "j").await;
    // A job can be complete and have failed on devices (remote-monitoring-services-java#42).
    assert_eq!(
        (&job["status"], &job["deviceJobStatistics"]["failedCount"]),
        (&json!("completed"), &json!(1))
    );
    let failed = outcomes(&hub, "devices.jobs.jobId = 'j' AND devices.jobs.status = 'failed'").await;
    assert_eq!((failed.len(), &failed[0]["deviceId"]), (1, &json!("d10")));
    assert_eq!(failed[0]["error"]["code"], "DeviceNotFound");

    // Conditions on outcomes: "Queries for IoT Hub jobs", of which IS_DEFINED is the one function.
    let table = [
        ("devices.jobs.jobId = 'j' AND devices.jobs.status != 'completed'", 1),
        ("deviceId IN ['d00', 'd01', 'zz']", 2),
        ("IS_DEFINED(error)", 1),
        ("NOT IS_DEFINED(devices.jobs.error.code)", 19),
        ("error.description = 'Device d10 not registered'", 1),
        ("jobType = 'scheduleUpdateTwin' AND startTimeUtc = '2027-01-15T08:00:00.1Z'", 1),
        ("startTimeUtc = endTimeUtc", 20),
        ("devices.jobs.JobId = 'j'", 20),
        // The page's own example has `createdTimeUtc`, its rows `createdDateTimeUtc`.
        ("devices.jobs.createdTimeUtc > '2016-09-01' AND createdTimeUtc = createdDateTimeUtc", 20),
        ("IS_DEFINED(outcome)", 0),
    ];
    for (condition, count) in table {
        assert_eq!(outcomes(&hub, condition).await.len(), count, "{condition}");
    }

    let method = json!({
        "type": "scheduleDeviceMethod", "queryCondition": "deviceId IN ['d00', 'd01']",
        "cloudToDeviceMethod": {"methodName": "reboot", "payload": null, "responseTimeoutInSeconds": 30},
    });
    assert_eq!(put(&hub, "m", method).await.body["type"], "scheduleDeviceMethod");
    hub.emulator.clock().advance(SECOND);
    let job = get(&hub, "m").await;
    assert_eq!(
        (&job["status"], &job["cloudToDeviceMethod"]["methodName"]),
        (&json!("completed"), &json!("reboot"))
    );
    let rows = outcomes(&hub, "jobId = 'm' AND error.code = 'DeviceNotOnline'").await;
    assert_eq!(rows.len(), 2);

    // A job that is out of time leaves the rest.
    let mut short = update("*");
    short["maxExecutionTimeInSeconds"] = json!(1);
    put(&hub, "short", short).await;
    hub.emulator.clock().advance(HOUR);
    let job = get(&hub, "short").await;
    assert_eq!((&job["status"], &job["endTime"]), (&json!("failed"), &json!("2027-01-15T09:00:02Z")));
    let statistics = &job["deviceJobStatistics"];
    assert_eq!((&statistics["succeededCount"], &statistics["failedCount"]), (&json!(10), &json!(9)));
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn jobs_are_listed_in_pages_by_type_and_status() {
    let hub = hub(1, Limits { active_jobs: 5, ..Limits::unlimited() }).await;
    for id in ["a", "b", "c"] {
        put(&hub, id, update("*")).await;
    }
    let mut later = update("*");
    later["startTime"] = json!("2027-01-15T09:00:00Z");
    put(&hub, "d", later).await;
    hub.emulator.clock().advance(SECOND);
    let list = async |parameters: &str, headers: &[(&str, &str)]| {
        let reply = hub.call("GET", &format!("/jobs/v2/query{parameters}"), headers, None).await;
        assert_eq!((reply.status, reply.header("x-ms-item-type")), (200, Some("JobResponse")));
        let ids: String =
            reply.body.as_array().unwrap().iter().map(|job| job["jobId"].as_str().unwrap()).collect();
        (ids, reply.header("x-ms-continuation").map(str::to_owned))
    };
    let table = [
        ("", "abcd"),
        ("?jobType=scheduleUpdateTwin", "abcd"),
        ("?jobType=scheduleDeviceMethod", ""),
        ("?jobStatus=completed", "abc"),
        ("?jobType=&jobStatus=scheduled", "d"),
    ];
    for (parameters, expected) in table {
        assert_eq!(list(parameters, &[]).await, (expected.to_owned(), None), "{parameters}");
    }
    let (ids, token) = list("", &[("x-ms-max-item-count", "3")]).await;
    assert_eq!(ids, "abc");
    let token = token.unwrap();
    let rest = list("", &[("x-ms-max-item-count", "3"), ("x-ms-continuation", &token)]).await;
    assert_eq!(rest, ("d".to_owned(), None));

    // Outcomes have pages as well, across jobs.
    let query = Some(json!({"query": "SELECT * FROM devices.jobs"}));
    let (mut seen, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut headers = vec![("x-ms-max-item-count", "2")];
        headers.extend(token.as_deref().map(|token| ("x-ms-continuation", token)));
        let page = hub.call("POST", "/devices/query", &headers, query.clone()).await;
        seen.extend(page.body.as_array().unwrap().iter().map(|row| row["jobId"].clone()));
        token = page.header("x-ms-continuation").map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c"]);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn jobs_go_on_while_nobody_asks() {
    let hub = Hub::start().await;
    for n in 0..3 {
        hub.emulator.create_device(&format!("d{n}"), &Value::Null).unwrap();
    }
    put(&hub, "j", update("*")).await;
    let all_written = async {
        while hub.emulator.desired_writes().len() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_written).await.expect("the job must go on by itself");
    for policy in ["service", "registryReadWrite"] {
        let token = hub.emulator.policy_token(policy, HOUR).unwrap();
        let refused = hub.call("GET", "/jobs/v2/j", &[("authorization", &token)], None).await;
        assert_eq!(refused.status, 401, "{policy}");
    }
    hub.emulator.shutdown().await;
}
