//! A process that stood still knows yesterday's goal, and must take nobody back to it.

use blobrollout::{
    api::{RENEW_REQUESTED_AT, conditions::READY},
    rollout::facts::Asset,
};
use serde_json::json;

use crate::case::{Case, said};

#[tokio::test]
async fn an_operator_that_stood_still_in_a_sweep_takes_no_twin_back() {
    let case = Case::new("backwards").await;
    let devices = case.devices(200);
    case.config_map("recipes", "older").await;
    let mut spec = Case::spec("");
    spec["source"] = json!({"configMapKeyRef": {"name": "recipes", "key": "asset"}});
    // 40 twins a second, as on one unit, and queries enough.
    spec["hub"]["sku"] = json!({"name": "S1", "units": 20});
    let mut stale = case.operator().await;
    case.apply("recipes", &spec).await;
    case.until_true("a sweep under way", async || case.twin_writes() >= 60).await;
    stale.freeze().await;
    assert!(case.twin_writes() < 180, "it stood still too late");
    case.config_map("recipes", "newer").await;
    let fresh = case.operator().await;
    let newer = Asset::new("newer".into()).sha256;
    case.until("recipes", |status| {
        status.asset.as_ref().is_some_and(|asset| asset.sha256 == newer)
            && said(status, READY) == "True Delivered"
    })
    .await;
    let all_newer = || {
        let links = case.links(&devices, "configurationBlob");
        links.iter().all(|link| link.blob().as_str().ends_with(&newer))
    };
    assert!(all_newer());
    let before = case.links(&devices, "configurationBlob");
    stale.thaw();
    // Both of them act now; then the one that stood still acts alone, and it does act: a renewal is asked for.
    let mut fresh = Some(fresh);
    for request in ["both", "alone"] {
        if request == "alone" {
            fresh.take().unwrap().kill().await;
        }
        case.annotate("recipes", RENEW_REQUESTED_AT, request).await;
        case.until("recipes", |status| {
            assert!(all_newer(), "a twin was taken back\n{}", case.logs());
            let handled = status.sas.as_ref().and_then(|sas| sas.last_handled_renew_request.as_deref());
            handled == Some(request) && said(status, READY) == "True Delivered"
        })
        .await;
    }
    let after = case.links(&devices, "configurationBlob");
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "nobody renewed them");
    assert_eq!(case.status("recipes").await.asset.unwrap().sha256, newer);
}
