//! What costs money or sleep: no write without a reason, and nothing lost or done twice by a crash.

use std::{path::Path, time::Duration};

use blobrollout::api::conditions::READY;
use iothub_emulator::Route;
use serde_json::json;

use crate::case::{Case, said};

/// Everything that was written so far: to storage, to twins, and to the API by the operator.
#[derive(Debug, PartialEq)]
struct Writes {
    storage: usize,
    twins: u64,
    statuses: usize,
}

fn writes(case: &Case) -> Writes {
    let storage = case.shared.azurite.requests_of(&case.account).unwrap();
    let user = format!("system:serviceaccount:{}:blobrollout", case.namespace);
    let audit = case.shared.control_plane.audit_log().unwrap();
    let written = |entry: &&standins::AuditEntry| {
        entry.user == user && entry.is_write() && entry.resource == "blobrollouts"
    };
    Writes {
        storage: storage.iter().filter(|request| !matches!(request.method.as_str(), "GET" | "HEAD")).count(),
        twins: case.hub.desired_writes().values().sum(),
        statuses: audit.iter().filter(written).count(),
    }
}

#[tokio::test]
async fn examples_applied_ten_times_over_cost_no_write() {
    let case = Case::new("examples").await;
    for number in 1..=5 {
        let site = if number < 4 { "plant-a" } else { "plant-b" };
        let tags = json!({"site": site, "client": "dotnet", "network": "wifi"});
        case.hub.create_device(&format!("sensor-{number:05}"), &tags).unwrap();
    }
    let operator = case.operator().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "yaml"))
        .map(|file| file.to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let apply = async || {
        for file in &files {
            case.kubectl(&["apply", "--server-side", "--namespace", &case.namespace, "-f", file]).await;
        }
    };
    apply().await;
    let all = case.rollouts().list(&kube::api::ListParams::default()).await.unwrap().items;
    assert!(all.len() >= 4, "{} examples", all.len());
    for object in &all {
        case.until_said(object.metadata.name.as_deref().unwrap(), READY, "True Delivered").await;
    }
    // Settled when nothing has been written for a while in which the operator went on looking.
    let mut before = writes(&case);
    loop {
        looks(&case, 12).await;
        let now = writes(&case);
        if now == before {
            break;
        }
        before = now;
    }
    for _ in 0..10 {
        apply().await;
    }
    looks(&case, 12).await;
    assert_eq!(writes(&case), before);
    assert_eq!(operator.stop().await, 0);
}

/// Waits until the operator has asked the hub `more` times, which shows that it is awake.
async fn looks(case: &Case, more: u64) {
    let begun = case.hub.counts().of(Route::Query);
    case.until_true("looks at the fleet", || async { case.hub.counts().of(Route::Query) >= begun + more })
        .await;
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_fleet_loses_nothing_and_writes_nothing_twice() {
    const DEVICES: u32 = 2_000;
    let case = Case::new("crash").await;
    let devices = case.devices(DEVICES);
    let mut operator = case.operator().await;
    case.apply("recipes", &Case::spec("a")).await;
    for share in [3, 2] {
        let some = u64::from(DEVICES / share);
        case.until_true("a part of the fleet", || async { case.hub.desired_writes().len() as u64 >= some })
            .await;
        operator.kill().await;
        let written = case.hub.desired_writes().len();
        assert!(written < devices.len(), "the crash came too late: {written} were written");
        operator = case.operator().await;
    }
    case.until("recipes", |status| said(status, READY) == "True Delivered").await;
    case.acknowledge(&devices, "received");
    case.until("recipes", |status| {
        status.devices.as_ref().is_some_and(|devices| devices.received == i64::from(DEVICES))
    })
    .await;
    let writes = case.hub.desired_writes();
    let twice: Vec<_> = writes.iter().filter(|(_, writes)| **writes != 1).collect();
    assert!(writes.len() == devices.len() && twice.is_empty(), "written more than once: {twice:?}");
    let link = case.link(&devices[0]);
    assert!(devices.iter().all(|device| case.link(device) == link), "one link for all");
    tokio::time::timeout(Duration::from_secs(15), operator.stop()).await.unwrap();
}
