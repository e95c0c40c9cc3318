//! The brake: stopping a sweep needs the object alone, so it works within a second whatever else is broken.

use std::time::Duration;

use iothub_emulator::{Effect, Fault, Route, When};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::Case;

/// Two seconds more than the sweep has when it is stopped last.
const DEVICES: u32 = 400;

/// What is broken when the brake is pulled.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Nothing,
    StorageAway,
    QueriesRefused,
}

const TROUBLES: [(Trouble, &str); 3] = [
    (Trouble::Nothing, "well"),
    (Trouble::StorageAway, "storage-away"),
    (Trouble::QueriesRefused, "queries-refused"),
];

/// Lets a sweep run at 40 twins a second, breaks something, pulls the brake, and looks whether it stops.
async fn stops(name: &str, trouble: Trouble, brake: impl AsyncFn(&Case, Value)) {
    let case = Case::new(name).await;
    let storage = case.storage_door().await;
    let devices = case.devices(DEVICES);
    let _operator = case.operator().await;
    let mut spec = Case::spec("asset");
    spec["hub"]["sku"] = json!({"name": "S1", "units": 1});
    spec["storage"]["connectionStringSecretRef"]["name"] = json!("storage-door");
    let object = json!({
        "apiVersion": "blobrollout.dev/v1alpha1", "kind": "BlobRollout",
        "metadata": {"name": "running", "finalizers": ["example.com/hold"]}, "spec": spec,
    });
    let params = PatchParams::apply("case").force();
    case.rollouts().patch("running", &params, &Patch::Apply(&object)).await.unwrap();
    // The last page of the fleet has been read by then, so a refused query alone does not end the sweep.
    let running = if matches!(trouble, Trouble::QueriesRefused) { 305 } else { 80 };
    case.until_true("a sweep under way", async || case.twin_writes() >= running).await;
    match trouble {
        Trouble::Nothing => (),
        Trouble::StorageAway => storage.set(false),
        Trouble::QueriesRefused => case.hub.add_fault(Fault {
            route: Some(Route::Query),
            when: When::default(),
            effect: Effect::Status { status: 400, retry_after: None },
            delay: Duration::ZERO,
        }),
    }
    brake(&case, spec).await;
    // The one second that it may take is what is measured here; there is no condition to wait for.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopped = case.twin_writes();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(case.twin_writes(), stopped, "{trouble:?}: it goes on\n{}", case.logs());
    assert!(stopped < devices.len() as u64, "{trouble:?}: it was over before");
}

/// Changes the spec with the finalizer as it is.
async fn change(case: &Case, spec: &Value) {
    let patch = json!({"spec": spec});
    case.rollouts().patch("running", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

#[tokio::test]
async fn suspending_stops_a_sweep_within_a_second() {
    let suspend = async |case: &Case, _| change(case, &json!({"suspend": true})).await;
    let all = TROUBLES.map(|(trouble, name)| {
        let name = format!("suspended-{name}");
        async move { stops(&name, trouble, suspend).await }
    });
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn another_target_stops_a_sweep_within_a_second() {
    let narrow =
        async |case: &Case, _| change(case, &json!({"target": {"query": "tags.site = 'plant-b'"}})).await;
    let all = TROUBLES.map(|(trouble, name)| {
        let name = format!("narrowed-{name}");
        async move { stops(&name, trouble, narrow).await }
    });
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn deleting_stops_a_sweep_within_a_second_though_somebody_holds_the_object() {
    let delete = async |case: &Case, _| {
        case.rollouts().delete("running", &DeleteParams::default()).await.unwrap();
    };
    let all = TROUBLES.map(|(trouble, name)| {
        let name = format!("deleted-{name}");
        async move { stops(&name, trouble, delete).await }
    });
    futures::future::join_all(all).await;
}
