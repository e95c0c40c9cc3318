//! `azure-iothub` for Node: jobs, on one unit of S1 whose clock stands still.

use iothub_emulator::Route;
use serde_json::json;

use crate::hub::{Hub, still};

#[tokio::test]
async fn jobs() {
    let hub = Hub::on_usual_ports_with(still()).await;
    for n in 0..25 {
        let site = if n == 3 { "b" } else { "a" };
        hub.emulator.create_device(&format!("d{n:02}"), &json!({"site": site})).unwrap();
    }
    let steps = hub.node_service("node/service_jobs.cjs", &["d24"]).await;
    let receipt = |id: &str, kind: &str| json!({"jobId": id, "type": kind, "status": "queued"});
    assert_eq!(steps.ok("schedule"), &receipt("j-1", "scheduleUpdateTwin"));
    // Ten devices a second, of which the first has its turn at once.
    let statistics = |succeeded: u32, failed: u32, pending: u32| {
        json!({
            "deviceCount": succeeded + failed + pending, "succeededCount": succeeded, "failedCount": failed,
            "runningCount": 0, "pendingCount": pending,
        })
    };
    for (step, status, expected) in [
        ("at once", "running", statistics(1, 0, 23)),
        ("a second later", "running", statistics(11, 0, 13)),
        // One device was deleted before its turn: a job can be complete and have failed on devices.
        ("completed", "completed", statistics(23, 1, 0)),
        ("out of time", "failed", statistics(10, 14, 0)),
    ] {
        let job = steps.ok(step);
        assert_eq!((&job["status"], &job["deviceJobStatistics"]), (&json!(status), &expected), "{step}");
    }
    let job = steps.ok("completed");
    assert_eq!(
        (&job["createdTime"], &job["endTime"]),
        (&json!("2020-01-01T00:00:00Z"), &json!("2020-01-01T00:00:02.3Z"))
    );
    assert_eq!(
        (&job["queryCondition"], &job["updateTwin"]["etag"]),
        (&json!("tags.site = 'a'"), &json!("*"))
    );
    assert_eq!(steps.ok("pending"), 13);
    let failed = steps.ok("failed").as_array().unwrap();
    assert_eq!(
        (failed.len(), &failed[0]["deviceId"], &failed[0]["error"]["code"]),
        (1, &json!("d24"), &json!("DeviceNotFound"))
    );
    let at = "2020-01-01T00:00:00.1Z";
    let row = json!([{
        "deviceId": "d01", "jobId": "j-1", "jobType": "scheduleUpdateTwin", "status": "completed",
        "createdDateTimeUtc": "2020-01-01T00:00:00Z", "startTimeUtc": at, "endTimeUtc": at, "lastUpdatedDateTimeUtc": at,
    }]);
    assert_eq!(steps.ok("one"), &row);

    assert_eq!(steps.ok("scheduled")["status"], "scheduled");
    assert_eq!(steps.ok("scheduled")["startTime"], "2020-01-01T01:00:00Z");
    assert_eq!(
        (&steps.ok("cancel")["status"], &steps.ok("cancelled")["status"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    assert_eq!(steps.ok("schedule method"), &receipt("method", "scheduleDeviceMethod"));
    let methods = steps.ok("methods").as_array().unwrap();
    assert_eq!(methods.iter().map(|row| &row["error"]["code"]).collect::<Vec<_>>(), ["DeviceNotOnline"; 2]);
    assert_eq!(steps.ok("pages"), &json!([["j-1", "later", "method"], ["short"]]));
    assert_eq!(steps.ok("by status"), &json!(["later"]));

    // The first job wrote to all of its site, the short one to the ten that it reached.
    let twin = |id: &str| hub.emulator.twin(id).unwrap()["properties"]["desired"].clone();
    assert_eq!((&twin("d00")["level"], &twin("d00")["$version"]), (&json!(7), &json!(3)));
    assert_eq!((&twin("d23")["level"], &twin("d23")["$version"]), (&json!(7), &json!(2)));
    assert_eq!(hub.emulator.desired_writes().values().sum::<u64>(), 33);
    for (step, kind, status, text) in [
        ("schedule again", "DeviceAlreadyExistsError", 409, "A job with the same id already exists: j-1"),
        ("schedule another", "ThrottlingError", 429, "1 active jobs"),
        ("cancel running", "InvalidEtagError", 412, "Job j-1 is running"),
        ("no etag", "ArgumentError", 400, "updateTwin must have the etag \"*\""),
        ("other etag", "ArgumentError", 400, "updateTwin must have the etag \"*\""),
        ("link", "ArgumentError", 400, "printable ASCII"),
        ("bad condition", "ArgumentError", 400, "Line 1:12"),
        // No error class and no text of the hub's for a 404 that is not about a device.
        ("get missing", "Error", 404, "Not found"),
        ("cancel missing", "Error", 404, "Not found"),
    ] {
        steps.fails(step, kind, status, text);
    }
    let seen = hub.emulator.counts();
    assert_eq!((seen.with_status(Route::PutJob, 200), seen.with_status(Route::PutJob, 429)), (4, 1));
}
