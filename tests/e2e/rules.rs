//! What must hold whatever happens: each a story of its own.

use blobrollout::{
    api::{
        RENEW_REQUESTED_AT,
        conditions::{ACKNOWLEDGED, READY, RECONCILING, STALLED, SUSPENDED},
        status::BlobRolloutStatus,
    },
    time::seconds,
};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, said};

/// A rollout `recipes` with this spec, delivered to devices that have acknowledged.
pub async fn delivered(case: &Case, spec: &Value, devices: &[String]) {
    case.apply("recipes", spec).await;
    let generation = case.rollouts().get("recipes").await.unwrap().metadata.generation;
    case.until("recipes", |status| {
        status.observed_generation == generation && said(status, READY) == "True Delivered"
    })
    .await;
    case.acknowledge(devices, "received");
    case.until_said("recipes", ACKNOWLEDGED, "True AllReceived").await;
}

#[tokio::test]
async fn going_back_reaches_clients_that_look_at_ts_alone() {
    let case = Case::new("going-back").await;
    let devices = case.devices(2);
    let _operator = case.operator().await;
    let mut seen: Vec<String> = Vec::new();
    for text in ["a", "b", "a", "b"] {
        delivered(&case, &Case::spec(text), &devices).await;
        let link = case.link(&devices[0]);
        let ts = link["ts"].as_str().unwrap().to_owned();
        assert!(seen.iter().all(|earlier| *earlier < ts), "{ts} is later than {seen:?}");
        assert_eq!(case.download(link["uri"].as_str().unwrap()).await.0, text);
        seen.push(ts);
    }
    let puts = case.shared.azurite.requests_of(&case.account).unwrap();
    let puts = puts
        .iter()
        .filter(|request| request.method == "PUT" && request.status == 201 && request.query.is_empty());
    assert_eq!(puts.count(), 2, "each content was uploaded once");
}

#[tokio::test]
async fn another_content_type_reaches_blob_and_twins_without_a_new_ts() {
    let case = Case::new("content-type").await;
    let devices = case.devices(2);
    let _operator = case.operator().await;
    let mut spec = Case::spec("a");
    delivered(&case, &spec, &devices).await;
    let before = case.link(&devices[0]);
    spec["contentType"] = json!("text/plain");
    delivered(&case, &spec, &devices).await;
    let after = case.link(&devices[0]);
    assert_eq!(
        (&before["contentType"], &after["contentType"]),
        (&json!("application/json"), &json!("text/plain"))
    );
    assert_eq!(before["ts"], after["ts"]);
    assert_eq!(case.download(after["uri"].as_str().unwrap()).await.1, "text/plain");
}

#[tokio::test]
async fn a_wiped_status_is_rebuilt_without_a_twin_write() {
    let case = Case::new("wiped").await;
    let devices = case.devices(3);
    let _operator = case.operator().await;
    delivered(&case, &Case::spec("a"), &devices).await;
    let (before, writes) = (case.status("recipes").await, case.hub.desired_writes());
    let params = PatchParams::default();
    case.rollouts().patch_status("recipes", &params, &Patch::Merge(&json!({"status": null}))).await.unwrap();
    let after = case.until_said("recipes", ACKNOWLEDGED, "True AllReceived").await;
    assert_eq!((after.asset, after.hub), (before.asset, before.hub));
    assert_eq!(after.devices.unwrap().summary, "3/3");
    assert_eq!(case.hub.desired_writes(), writes);
}

#[tokio::test]
async fn a_late_joiner_is_served_and_a_suspended_rollout_serves_nobody_new() {
    let case = Case::new("late").await;
    let devices = case.devices(2);
    let _operator = case.operator().await;
    let mut spec = Case::spec("a");
    delivered(&case, &spec, &devices).await;
    case.hub.create_device("late", &json!({"site": "plant-a"})).unwrap();
    case.until("recipes", |status| status.devices.as_ref().is_some_and(|devices| devices.linked == 3)).await;
    assert_eq!(case.link("late")["ts"], case.link(&devices[0])["ts"]);

    spec["suspend"] = json!(true);
    spec["source"] = json!({"inline": {"text": "b"}});
    case.apply("recipes", &spec).await;
    let generation = case.rollouts().get("recipes").await.unwrap().metadata.generation;
    // Ready speaks of the links that they hold, and another condition says what is held back.
    let status = case
        .until("recipes", |status| {
            status.observed_generation == generation && said(status, SUSPENDED) == "True Suspended"
        })
        .await;
    assert_eq!(said(&status, READY), "True Delivered");
    assert_eq!((said(&status, RECONCILING), said(&status, STALLED)), (String::new(), String::new()));
    // Their links are kept alive all the same.
    let before = case.link(&devices[0]);
    case.annotate("recipes", RENEW_REQUESTED_AT, "while suspended").await;
    case.until_true("a renewal", || async { case.link(&devices[0])["uri"] != before["uri"] }).await;
    let after = case.link(&devices[0]);
    assert_eq!(after["ts"], before["ts"]);
    assert_eq!(case.download(after["uri"].as_str().unwrap()).await.0, "a");

    spec["suspend"] = json!(false);
    case.apply("recipes", &spec).await;
    case.until_true("the new revision", || async { case.link("late")["ts"] != before["ts"] }).await;
    case.until("recipes", |status| said(status, SUSPENDED).is_empty()).await;
}

#[tokio::test]
async fn a_renewal_replaces_every_link_and_takes_no_answer_away() {
    let case = Case::new("renewal").await;
    let devices = case.devices(3);
    let _operator = case.operator().await;
    delivered(&case, &Case::spec("a"), &devices).await;
    let before: Vec<Value> = devices.iter().map(|device| case.link(device)).collect();
    case.annotate("recipes", RENEW_REQUESTED_AT, "now").await;
    case.until_true("a renewal", || async {
        devices.iter().zip(&before).all(|(device, before)| case.link(device)["uri"] != before["uri"])
    })
    .await;
    let link = case.link(&devices[0])["uri"].as_str().unwrap().replace("%3A", ":");
    let shown = |status: &BlobRolloutStatus| {
        let expires = status.sas.as_ref().and_then(|sas| sas.expiry_time.as_ref());
        expires.is_some_and(|expires| link.contains(&format!("?se={}&", seconds(expires.0))))
    };
    case.until("recipes", shown).await;
    for (device, before) in devices.iter().zip(&before) {
        let after = case.link(device);
        assert_eq!((&after["ts"], &after["contentType"]), (&before["ts"], &before["contentType"]));
        assert_eq!(case.download(after["uri"].as_str().unwrap()).await.0, "a");
    }
    let status = case.status("recipes").await;
    assert_eq!(
        (said(&status, READY), said(&status, ACKNOWLEDGED)),
        ("True Delivered".into(), "True AllReceived".into())
    );
    assert!(case.hub.desired_writes().values().all(|writes| *writes == 2));
}

#[tokio::test]
async fn deleting_leaves_twins_and_blobs() {
    let case = Case::new("deleted").await;
    let devices = case.devices(2);
    let operator = case.operator().await;
    delivered(&case, &Case::spec("a"), &devices).await;
    let link = case.link(&devices[0]);
    case.rollouts().delete("recipes", &DeleteParams::default()).await.unwrap();
    case.until_true("the deletion", || async { case.rollouts().get_opt("recipes").await.unwrap().is_none() })
        .await;
    assert_eq!(operator.stop().await, 0);
    assert_eq!(case.link(&devices[0]), link);
    assert_eq!(case.download(link["uri"].as_str().unwrap()).await.0, "a");
}

#[tokio::test]
async fn answers_of_both_contracts_count_and_others_do_not() {
    let case = Case::new("answers").await;
    let devices = case.devices(6);
    let _operator = case.operator().await;
    case.apply("recipes", &Case::spec("a")).await;
    case.until_said("recipes", READY, "True Delivered").await;
    let link = case.link(&devices[0])["uri"].clone();
    let blob = link.as_str().unwrap().split('?').next().unwrap().to_owned();
    let other = format!("{}{}", &blob[..blob.len() - 64], "0".repeat(64));
    for (device, answer) in devices.iter().zip([
        json!({"current": link, "acknowledged": link, "status": "received"}),
        json!({"current": other, "acknowledged": link, "status": "failed"}),
        json!({"uri": link, "ts": "2026-11-24T12:00:00.0000000Z"}),
        json!({"current": link, "acknowledged": other, "status": "received"}),
        json!({"acknowledged": 5, "status": ["received"]}),
    ]) {
        case.hub.report(device, &json!({"configurationBlob": answer})).unwrap();
    }
    let status = case
        .until("recipes", |status| {
            status
                .devices
                .as_ref()
                .is_some_and(|devices| (devices.received, devices.failed, devices.pending) == (2, 1, 3))
        })
        .await;
    assert_eq!(said(&status, ACKNOWLEDGED), "False Failed");
    assert_eq!(said(&status, READY), "True Delivered");
    assert_eq!(status.failures.len(), 1);
    assert_eq!(status.failures[0].device_id, devices[1]);
}
