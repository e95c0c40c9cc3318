//! Annotations by which people ask for something, and the echoes that tell when it is done.

use std::time::Duration;

use blobrollout::{
    api::{RECONCILE_REQUESTED_AT, RENEW_REQUESTED_AT, conditions::READY},
    storage::StorageAccount,
};
use iothub_emulator::{Effect, Fault, Route, When};
use k8s_openapi::jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use crate::{
    case::{Case, said},
    rules::delivered,
};

#[tokio::test]
async fn a_renewal_that_was_asked_for_is_echoed_when_no_twin_is_left_with_an_old_link() {
    let case = Case::new("renew-request").await;
    let devices = case.devices(50);
    let _operator = case.operator().await;
    delivered(&case, &Case::spec("a"), &devices).await;
    // Half of the twins are written a second later: there is time to look while it goes on.
    case.hub.add_fault(Fault {
        route: Some(Route::PatchTwin),
        when: When::Percent(50),
        effect: Effect::None,
        delay: Duration::from_secs(1),
    });
    let before = case.links(&devices, "configurationBlob");
    for request in ["first", "second"] {
        case.annotate("recipes", RENEW_REQUESTED_AT, request).await;
        let status = case
            .until("recipes", |status| {
                let handled = status.sas.as_ref().and_then(|sas| sas.last_handled_renew_request.as_deref());
                handled == Some(request)
            })
            .await;
        let after = case.links(&devices, "configurationBlob");
        assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{request} is not done");
        assert!(after.iter().all(|link| *link == after[0]), "{request} has left somebody");
        assert_eq!(said(&status, READY), "True Delivered");
        assert!(status.sas.unwrap().last_renewal_time.is_some());
    }
}

#[tokio::test]
async fn everything_is_looked_at_again_when_somebody_asks() {
    let case = Case::new("look-request").await;
    let devices = case.devices(2);
    let _operator = case.operator().await;
    let mut spec = Case::spec("a");
    // Nothing would be looked at before tomorrow.
    spec["interval"] = json!("24h");
    case.apply("recipes", &spec).await;
    case.until_said("recipes", READY, "True Delivered").await;
    let asset = case.status("recipes").await.asset.unwrap();
    delete_blob(&case, &asset.uri).await;
    // The same goes for a device that has come, and for a twin that somebody has emptied right after it was written.
    let emptied = json!({"properties": {"desired": {"configurationBlob": null}}});
    case.hub.patch_twin(&devices[0], &emptied).unwrap();
    case.hub.create_device("late", &json!({"site": "plant-a"})).unwrap();
    case.annotate("recipes", RECONCILE_REQUESTED_AT, "now").await;
    case.until("recipes", |status| {
        status.last_handled_reconcile_request.as_deref() == Some("now")
            && said(status, READY) == "True Delivered"
            && status.devices.as_ref().is_some_and(|devices| devices.linked == 3)
    })
    .await;
    for link in case.links(&[devices[0].clone(), devices[1].clone(), "late".into()], "configurationBlob") {
        assert_eq!(case.download(link.expose()).await.0, "a");
    }
    // It is the same revision as before.
    assert_eq!(case.status("recipes").await.asset.unwrap(), asset);
}

/// Deletes a blob with the account's key, as a person with a storage explorer would.
async fn delete_blob(case: &Case, uri: &str) {
    let account = StorageAccount::parse(&case.account.connection_string(), false).unwrap();
    let date = Timestamp::now().to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let version = "2021-12-02";
    let name = &case.account.name;
    // Microsoft's "Authorize with Shared Key": the method, eleven headers that are empty here, ours, and the resource.
    let path = reqwest::Url::parse(uri).unwrap().path().to_owned();
    let headers = format!("x-ms-date:{date}\nx-ms-version:{version}");
    let text = format!("DELETE{}{headers}\n/{name}{path}", "\n".repeat(12));
    let ca = reqwest::Certificate::from_pem(case.shared.azurite.ca_pem().unwrap().as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_merge([ca]).build().unwrap();
    let request = http.delete(uri).header("x-ms-date", &date).header("x-ms-version", version);
    let authorization = format!("SharedKey {name}:{}", account.key().sign(&text));
    let answer = request.header("authorization", authorization).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 202, "{}", answer.text().await.unwrap());
}
