//! A process that stood still knows yesterday's goal, and must take nobody back to it.

use blobrollout::{
    api::{RENEW_REQUESTED_AT, conditions::READY},
    rollout::asset::Asset,
};
use serde_json::json;

use crate::{
    case::{Case, said},
    door::Door,
};

#[tokio::test]
async fn an_operator_that_stood_still_and_is_cut_off_takes_no_twin_back() {
    let case = Case::new("backwards").await;
    let devices = case.devices(200);
    case.config_map("recipes", "older").await;
    let mut spec = Case::spec("");
    spec["source"] = json!({"configMapKeyRef": {"name": "recipes", "key": "asset"}});
    // It does not list the blobs again by itself.
    spec["interval"] = json!("1h");
    // 40 twins a second, as on one unit, and queries enough.
    spec["hub"]["sku"] = json!({"name": "S1", "units": 20});
    let server = case.shared.control_plane.url();
    let api = Door::to(server.rsplit_once(':').unwrap().1.parse().unwrap()).await;
    let mut stale = case.operator_of(&format!("https://127.0.0.1:{}", api.port)).await;
    case.apply("recipes", &spec).await;
    case.until_true("a sweep under way", async || case.twin_writes() >= 60).await;
    stale.freeze().await;
    // It will not hear of what happens now when it goes on.
    api.set(false);
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
    let writes = case.hub.desired_writes();
    stale.thaw();
    case.until_true("the end of its sweep", async || case.logs().contains("could not write all devices"))
        .await;
    assert_eq!(case.hub.desired_writes(), writes, "it has written what it knew\n{}", case.logs());
    // Both of them know and act now; then the one that stood still acts alone, and it does act: a renewal is asked for.
    api.set(true);
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
