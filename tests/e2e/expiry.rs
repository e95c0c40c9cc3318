//! Links live for a time: what is told about it follows the clock and the twins, and whatever else is broken they are renewed.

use std::time::Duration;

use blobrollout::{
    api::{
        BlobRolloutStatus,
        conditions::{ACKNOWLEDGED, HUB_UNAVAILABLE, READY, RECONCILING},
    },
    storage::link::Link,
    time::{plus, whole_seconds},
};
use iothub_emulator::{Effect, Fault, Route, When};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    case::{Case, LOOK, said},
    rules::delivered,
};

/// A spec whose links live for six seconds: each is renewed three seconds before its end.
fn short_lived(text: &str) -> Value {
    let mut spec = Case::spec(text);
    spec["sas"] = json!({"lifetime": "6s", "renewBefore": "3s"});
    spec
}

/// Looks at the twins until their links have been renewed for `time`, and at each look every one of them must live.
async fn stay_alive(case: &Case, devices: &[String], time: Duration) {
    let end = plus(case.first_expiry(devices), time);
    case.until_true("a renewal of all links", || async {
        let now = Timestamp::now();
        let first = case.first_expiry(devices);
        assert!(first > now, "a link died at {first}\n{}", case.logs());
        first >= end
    })
    .await;
}

#[tokio::test]
async fn links_are_renewed_before_they_die() {
    let case = Case::new("short-lived").await;
    let devices = case.devices(3);
    let _operator = case.operator().await;
    delivered(&case, &short_lived("a"), &devices).await;
    let first = case.link(&devices[0]);
    stay_alive(&case, &devices, Duration::from_secs(12)).await;
    let last = case.link(&devices[0]);
    assert_eq!((&first["ts"], &first["contentType"]), (&last["ts"], &last["contentType"]));
    assert_eq!(case.download(last["uri"].as_str().unwrap()).await.0, "a");
    let status = case.status("recipes").await;
    assert_eq!(
        (said(&status, READY), said(&status, ACKNOWLEDGED)),
        ("True Delivered".into(), "True AllReceived".into())
    );
}

#[tokio::test]
async fn when_the_hub_is_away_for_longer_than_links_live_ready_says_so_from_the_first_death_on() {
    let case = Case::new("expired").await;
    let devices = case.devices(3);
    let hub = case.hub_door().await;
    let _operator = case.operator().await;
    let mut spec = short_lived("a");
    spec["hub"]["connectionStringSecretRef"]["name"] = json!("hub-door");
    delivered(&case, &spec, &devices).await;
    hub.set(false);
    let died = case.first_expiry(&devices);
    let status = case.until_said("recipes", READY, "False LinksExpired").await;
    assert_eq!(said(&status, RECONCILING), "True LinksExpired");
    let ready = status.conditions.iter().find(|condition| condition.type_ == READY).unwrap();
    let late = ready.last_transition_time.0.duration_since(died).as_secs();
    assert!((0..=3).contains(&late), "told {late} s after the first death");
    let status = case.until_said("recipes", HUB_UNAVAILABLE, "True HubUnavailable").await;
    assert_eq!(said(&status, READY), "False LinksExpired");
    assert_eq!(status.sas.unwrap().expiry_time.unwrap().0, died);
    hub.set(true);
    let whole = |status: &BlobRolloutStatus| {
        said(status, READY) == "True Delivered" && said(status, HUB_UNAVAILABLE).is_empty()
    };
    let status = case.until("recipes", whole).await;
    assert_eq!(said(&status, RECONCILING), "");
    for link in case.links(&devices, "configurationBlob") {
        assert_eq!(case.download(link.expose()).await.0, "a");
    }
}

#[tokio::test]
async fn the_expiry_that_is_told_is_never_later_than_that_of_a_twin() {
    let case = Case::new("earliest").await;
    let devices = case.devices(10);
    let operator = case.operator().await;
    let mut spec = Case::spec("a");
    spec["sas"] = json!({"lifetime": "12s"});
    delivered(&case, &spec, &devices).await;
    // Every second twin is written two seconds later than the others, so twins differ during a renewal.
    let slow = Duration::from_secs(2);
    case.hub.add_fault(Fault {
        route: Some(Route::PatchTwin),
        when: When::Percent(50),
        effect: Effect::None,
        delay: slow,
    });
    let begun = case.first_expiry(&devices);
    let (mut mixed, mut told) = (0, begun);
    // Expiries in twins only grow, so whatever was told before a look at them may not be later.
    while told < plus(begun, Duration::from_secs(12)) {
        let status = case.status("recipes").await;
        let metrics = operator.metrics().await;
        let links = case.links(&devices, "configurationBlob");
        let first = links.iter().map(Link::expiry).min().unwrap();
        mixed += u32::from(links.iter().any(|link| link.expiry() != first));
        told = status.sas.as_ref().unwrap().expiry_time.as_ref().unwrap().0;
        assert!(told <= first, "{told} is told while a twin's link dies at {first}\n{}", case.logs());
        let metric = "blobrollout_first_expiry_timestamp_seconds ";
        let measured = metrics.lines().find_map(|line| line.strip_prefix(metric)).unwrap();
        let first = whole_seconds(first).as_second().to_string().parse::<f64>().unwrap();
        assert!(measured.parse::<f64>().unwrap() <= first, "{measured} for {first}");
        assert_eq!(said(&status, READY), "True Delivered", "a renewal takes nothing away: {status:#?}");
        assert!(first > 0.0 && begun <= told);
        tokio::time::sleep(LOOK).await;
    }
    assert!(mixed > 2, "no renewal was seen in its middle");
}

#[tokio::test]
async fn a_typo_in_the_source_lets_no_link_die() {
    let case = Case::new("typo").await;
    let devices = case.devices(3);
    let _operator = case.operator().await;
    delivered(&case, &short_lived("a"), &devices).await;
    let mut spec = short_lived("a");
    // The API server takes it; what it means is found out later.
    spec["source"] = json!({"inline": {"base64": "not base64!"}});
    case.apply("recipes", &spec).await;
    case.until_said("recipes", READY, "False InvalidSpec").await;
    stay_alive(&case, &devices, Duration::from_secs(18)).await;
    assert_eq!(said(&case.status("recipes").await, READY), "False InvalidSpec");
    assert_eq!(case.download(case.link(&devices[0])["uri"].as_str().unwrap()).await.0, "a");
}
