//! `azure-iot-hub` for Python: jobs, on one unit of S1 whose clock stands still.

use iothub_emulator::Route;
use serde_json::{Value, json};

use crate::hub::{Hub, still};

#[tokio::test]
async fn jobs() {
    let hub = Hub::with(still()).await.unwrap();
    for n in 0..25 {
        let site = if n == 3 { "b" } else { "a" };
        hub.emulator.create_device(&format!("d{n:02}"), &json!({"site": site})).unwrap();
    }
    let steps = hub.python_service("python/service_jobs.py", &["d24"]).await;
    let receipt = json!({"jobId": "j-1", "type": "scheduleUpdateTwin", "status": "queued"});
    assert_eq!(steps.ok("schedule"), &receipt);
    // Ten devices a second, of which the first has its turn at once; the last one was deleted before its own.
    for (step, status, succeeded, failed, pending) in [
        ("at once", "running", 1, 0, 23),
        ("a second later", "running", 11, 0, 13),
        ("completed", "completed", 23, 1, 0),
    ] {
        let job = steps.ok(step);
        let statistics = json!({
            "deviceCount": 24, "succeededCount": succeeded, "failedCount": failed, "runningCount": 0,
            "pendingCount": pending,
        });
        assert_eq!((&job["status"], &job["deviceJobStatistics"]), (&json!(status), &statistics), "{step}");
    }
    let job = steps.ok("completed");
    // The SDK writes its times with three digits.
    assert_eq!(
        [&job["createdTime"], &job["endTime"]],
        ["2020-01-01T00:00:00.000Z", "2020-01-01T00:00:02.300Z"]
    );
    assert_eq!([&job["queryCondition"], &job["updateTwin"]["etag"]], ["tags.site = 'a'", "*"]);
    let failed = steps.ok("failed");
    assert_eq!((&failed["type"], failed["rows"].as_array().unwrap().len()), (&json!("DeviceJob"), 1));
    let row = &failed["rows"][0];
    assert_eq!(
        [&row["deviceId"], &row["status"], &row["error"]["code"]],
        ["d24", "failed", "DeviceNotFound"]
    );
    let at = "2020-01-01T00:00:00.1Z";
    let row = json!([{
        "deviceId": "d01", "jobId": "j-1", "jobType": "scheduleUpdateTwin", "status": "completed",
        "createdDateTimeUtc": "2020-01-01T00:00:00Z", "startTimeUtc": at, "endTimeUtc": at, "lastUpdatedDateTimeUtc": at,
    }]);
    assert_eq!(steps.ok("one")["rows"], row);

    let scheduled = steps.ok("scheduled");
    assert_eq!([&scheduled["status"], &scheduled["startTime"]], ["scheduled", "2020-01-01T01:00:00.000Z"]);
    assert_eq!(
        (&steps.ok("cancel")["status"], &steps.ok("cancelled")["status"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    let twin = |id: &str| hub.emulator.twin(id).unwrap()["properties"]["desired"].clone();
    assert_eq!((&twin("d00")["level"], twin("d03").get("level")), (&json!(7), None));
    assert_eq!(hub.emulator.desired_writes().values().sum::<u64>(), 23);

    for (step, status, text) in [
        ("schedule again", 409, "ErrorCode:JobAlreadyExists;"),
        ("schedule another", 429, "ErrorCode:ThrottlingMaxActiveJobCountExceeded;"),
        ("cancel running", 412, "ErrorCode:JobRunPreconditionFailed;"),
        ("no etag", 400, "updateTwin must have the etag \"*\""),
        ("other etag", 400, "updateTwin must have the etag \"*\""),
        ("link", 400, "printable ASCII"),
        ("bad condition", 400, "Line 1:12"),
        ("get missing", 404, "ErrorCode:JobNotFound;"),
        ("cancel missing", 404, "ErrorCode:JobNotFound;"),
    ] {
        steps.fails(step, "HttpOperationError", status, text);
    }
    // The hub answers 200 with an array, and the SDK, which wants an object, cannot read it.
    let (kind, status, message) = steps.error("list");
    assert_eq!((kind, status), ("DeserializationError", &Value::Null), "{message}");
    let seen = hub.emulator.counts();
    assert_eq!((seen.of(Route::ListJobs), seen.with_status(Route::ListJobs, 200)), (1, 1));
    // The SDK does not try again after a 429.
    assert_eq!(seen.with_status(Route::PutJob, 429), 1);
}
