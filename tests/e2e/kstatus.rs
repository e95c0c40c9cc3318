//! What Flux, Helm and others make of a rollout, by the libraries that they use.

use std::time::Duration;

use blobrollout::api::{
    RENEW_REQUESTED_AT,
    conditions::{HUB_UNAVAILABLE, READY, RENEWING, SUSPENDED},
};
use iothub_emulator::{Effect, Fault, Route, When};
use serde_json::{Value, json};
use standins::kstatus;

use crate::case::{Case, said};

/// What both libraries say about the rollout as it is on the server now, with what they saw.
async fn verdict(case: &Case, name: &str) -> (String, Value) {
    let text = ["get", "blobrollout", name, "--namespace", &case.namespace, "-o", "json"];
    let object: Value = serde_json::from_str(&case.kubectl(&text).await).unwrap();
    let said = kstatus(std::slice::from_ref(&object)).await.unwrap().remove(0);
    assert_eq!(said.flux, said.sigs, "the libraries differ: {object:#}");
    (said.flux, object["status"].clone())
}

/// Fails unless both libraries say `wanted`.
async fn is(case: &Case, name: &str, wanted: &str) {
    let (said, status) = verdict(case, name).await;
    assert_eq!(said, wanted, "{name}: {status:#}");
}

/// Whether the condition is True in a status that was read as it stands.
fn has(status: &Value, kind: &str) -> bool {
    let conditions = status["conditions"].as_array();
    conditions.into_iter().flatten().any(|said| said["type"] == kind && said["status"] == "True")
}

#[tokio::test]
async fn a_deploy_is_healthy_when_it_is_delivered_and_stays_so() {
    let case = Case::new("kstatus").await;
    let file = |name: &str| format!("{}/tests/e2e/cases/02-wait-{name}.json", env!("CARGO_MANIFEST_DIR"));
    for number in 1..=4 {
        case.hub.create_device(&format!("b-{number}"), &json!({"site": "plant-b"})).unwrap();
    }
    let hub = case.hub_door().await;
    for name in ["good", "bad", "suspended"] {
        case.kubectl(&["apply", "--namespace", &case.namespace, "-f", &file(name)]).await;
    }
    let mut through = Case::spec("a");
    through["target"] = json!({"query": "tags.site = 'plant-b'"});
    through["hub"]["connectionStringSecretRef"]["name"] = json!("hub-door");
    case.apply("through", &through).await;
    // Nobody has looked at them: a deploy waits.
    for name in ["waited", "waited2", "waited3", "through"] {
        is(&case, name, "InProgress").await;
    }
    let operator = case.operator().await;
    for name in ["waited", "through"] {
        case.until_said(name, READY, "True Delivered").await;
        is(&case, name, "Current").await;
    }
    // A missing Secret is for a person.
    case.until_said("waited2", READY, "False CredentialUnavailable").await;
    is(&case, "waited2", "Failed").await;
    // Suspended before anything was delivered: nothing is there.
    case.until_said("waited3", READY, "False Suspended").await;
    is(&case, "waited3", "InProgress").await;

    // A renewal that takes its time.
    let slow = Duration::from_secs(4);
    let slow =
        Fault { route: Some(Route::PatchTwin), when: When::default(), effect: Effect::None, delay: slow };
    case.hub.add_fault(slow);
    case.annotate("waited", RENEW_REQUESTED_AT, "now").await;
    case.until_said("waited", RENEWING, "True Renewing").await;
    let (verdict, status) = verdict(&case, "waited").await;
    assert!(has(&status, RENEWING), "the renewal was over too soon: {status:#}");
    assert_eq!(verdict, "Current", "{status:#}");
    case.hub.clear_faults();

    // An outage, as long as links live.
    hub.set(false);
    let status = case.until_said("through", HUB_UNAVAILABLE, "True HubUnavailable").await;
    assert_eq!(said(&status, READY), "True Delivered");
    is(&case, "through", "Current").await;
    hub.set(true);
    case.until("through", |status| said(status, HUB_UNAVAILABLE).is_empty()).await;
    is(&case, "through", "Current").await;

    // Suspended with something held back.
    through["suspend"] = json!(true);
    through["source"] = json!({"inline": {"text": "b"}});
    case.apply("through", &through).await;
    let status = case.until_said("through", SUSPENDED, "True Suspended").await;
    assert_eq!(said(&status, READY), "True Delivered");
    is(&case, "through", "Current").await;
    // A change is in progress until it is delivered, however soon somebody asks.
    assert_eq!(operator.stop().await, 0);
    through["suspend"] = json!(false);
    case.apply("through", &through).await;
    is(&case, "through", "InProgress").await;
    let _operator = case.operator().await;
    case.until("through", |status| {
        status.observed_generation == Some(3) && said(status, READY) == "True Delivered"
    })
    .await;
    is(&case, "through", "Current").await;
}
