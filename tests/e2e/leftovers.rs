//! Devices that a sweep could not write: they are told, counted, and tried again.

use std::time::Duration;

use blobrollout::api::{
    BlobRolloutStatus, RENEW_REQUESTED_AT,
    conditions::{READY, RECONCILING},
};
use iothub_emulator::{Effect, Fault, Route, When};
use serde_json::json;

use crate::case::{Case, said};

#[tokio::test]
async fn what_a_sweep_could_not_renew_is_told_and_tried_again() {
    let case = Case::new("leftovers").await;
    let devices = case.devices(3);
    let operator = case.operator().await;
    let mut spec = Case::spec("a");
    // So that nothing but what was left is a reason for another sweep.
    spec["interval"] = json!("1h");
    case.apply("recipes", &spec).await;
    case.until_said("recipes", READY, "True Delivered").await;
    let before: Vec<_> = devices.iter().map(|device| case.link(device)["uri"].clone()).collect();
    // A call is tried five times, so all three fail once, far from the number at which the hub itself would be at fault.
    let effect = Effect::Status { status: 500, retry_after: None };
    let failing =
        Fault { route: Some(Route::PatchTwin), when: When::First(15), effect, delay: Duration::ZERO };
    case.hub.add_fault(failing);
    case.annotate("recipes", RENEW_REQUESTED_AT, "new-key").await;
    let left = |count| {
        move |status: &BlobRolloutStatus| {
            status.devices.as_ref().is_some_and(|devices| devices.remaining == count)
        }
    };
    let status = case.until("recipes", left(3)).await;
    assert_eq!(said(&status, READY), "False Progressing", "{status:#?}");
    assert_eq!(said(&status, RECONCILING), "True Progressing");
    assert_eq!(status.failures.len(), 3);
    assert_eq!(status.sas.as_ref().unwrap().last_handled_renew_request, None, "old links are still there");
    assert!(devices.iter().zip(&before).all(|(device, before)| case.link(device)["uri"] == *before));
    let metrics = operator.metrics().await;
    assert!(metrics.contains("blobrollout_devices{state=\"remaining\"} 3\n"), "{metrics}");
    assert!(case.logs().contains("a sweep could not write all devices"), "{}", case.logs());

    let status =
        case.until("recipes", |status| left(0)(status) && said(status, READY) == "True Delivered").await;
    assert_eq!(status.failures.len(), 0);
    let handled = |status: &BlobRolloutStatus| {
        status.sas.as_ref().and_then(|sas| sas.last_handled_renew_request.clone())
    };
    case.until("recipes", |status| handled(status).as_deref() == Some("new-key")).await;
    assert!(devices.iter().zip(&before).all(|(device, before)| case.link(device)["uri"] != *before));
}
