//! Modules and jobs, which are collections of their own.

use serde_json::json;

use super::*;
use crate::settings::JobSettings;

#[test]
fn modules() {
    let modules = three_modules();
    let (devices, jobs) = (fleet(), Jobs::new(JobSettings::default()));
    let data = Data { devices: &devices, modules: &modules, jobs: &jobs };
    let table = [
        // Rows are module twins, by `deviceId` and `moduleId`; projections are as for devices.
        (
            TWINS,
            "SELECT deviceId, moduleId FROM devices.modules WHERE IS_DEFINED(tags.t)",
            json!([{"deviceId": "a-b", "moduleId": "m1"}, {"deviceId": "a", "moduleId": "m1"}]),
        ),
        (
            TWINS,
            "select ModuleId from devices.modules where deviceId = 'a' and moduleId = 'm2'",
            json!([{"moduleId": "m2"}]),
        ),
        (
            TWINS,
            "SELECT moduleId FROM Devices.Modules WHERE properties.desired.$version = 1 AND tags.t = 1",
            json!([{"moduleId": "m1"}]),
        ),
        // Tags are those of the module, not of its device; there is no way from one to the other.
        (TWINS, "SELECT moduleId FROM devices.modules WHERE tags.site = 'plant-a'", json!([])),
        (TWINS, "SELECT deviceId, moduleId FROM devices WHERE deviceId = 'a'", json!([{"deviceId": "a"}])),
    ];
    for (source, query, expected) in table {
        let page = run(query, None, 100, data, &QuerySettings::default()).unwrap();
        assert_eq!(Json::Array(page.rows), expected, "{query} ({source})");
    }
    let settings = QuerySettings::default();
    let whole = run("SELECT * FROM devices.modules WHERE moduleId = 'm2'", None, 1, data, &settings).unwrap();
    assert_eq!((&whole.rows[0]["deviceId"], &whole.rows[0]["moduleId"]), (&json!("a"), &json!("m2")));
    let query = "SELECT moduleId FROM devices.modules";
    let first = run(query, None, 2, data, &settings).unwrap();
    let rest = run(query, first.continuation.as_deref(), 2, data, &settings).unwrap();
    assert_eq!((first.rows.len(), rest.rows.len(), rest.continuation), (2, 1, None));
}

/// Outcomes are made by jobs alone: `tests/jobs.rs` has conditions that find some.
#[test]
fn jobs() {
    let registry = fleet();
    let table = [
        // Each property of a row, with and without its collection in front of it, in any case.
        (JOBS, "SELECT * FROM devices.jobs"),
        (JOBS, "SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = 'a'"),
        (
            JOBS,
            "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j' AND devices.jobs.status = 'failed'",
        ),
        (
            JOBS,
            "SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = 'a' AND devices.jobs.jobType = 'scheduleUpdateTwin' \
             AND devices.jobs.status = 'completed' AND devices.jobs.createdTimeUtc > '2016-09-01'",
        ),
        (
            JOBS,
            "select * from Devices.Jobs where Devices.Jobs.JobId in ['j'] or startTimeUtc > '2016' or endTimeUtc < '2016'",
        ),
        (
            JOBS,
            "SELECT * FROM devices.jobs WHERE createdDateTimeUtc > '2016' AND lastUpdatedDateTimeUtc > '2016'",
        ),
        (
            "DeviceJob.cs",
            "SELECT * FROM devices.jobs WHERE error.code = 'x' OR error.description = 'y' OR IS_DEFINED(error)",
        ),
        (JOBS, "SELECT * FROM devices.jobs WHERE IS_DEFINED(devices.jobs.outcome.deviceMethodResponse)"),
        ("IoT Hub query language", "SELECT TOP 1 * FROM devices.jobs WHERE STARTSWITH(jobId, 'j')"),
    ];
    for (source, query) in table {
        let page = ask(query, None, 100, &registry);
        let page = page.unwrap_or_else(|error| panic!("{query} ({source}): {}", error.text));
        assert_eq!((page.rows.len(), page.item_type), (0, "DeviceJob"), "{query} ({source})");
    }
}
