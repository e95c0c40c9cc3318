//! A sweep against a hub, without anything around it.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::time::Duration;

use blobrollout::{
    clock::Clock,
    fleet::{
        Goal, Owners, Tally, Target,
        judge::Scope,
        sweep::{SweepJob, sweep},
    },
    hub::{client::HubClient, connection::HubConnection, registry::HubRegistry, sku::Rates},
    storage::{
        grid::{Grid, GridSeed},
        key::AccountKey,
        sas::LinkSigner,
    },
};
use iothub_emulator::{Effect, Emulator, Fault, Route, Settings, When};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const CONTAINER: &str = "https://account.blob.core.windows.net/rollouts";

fn job() -> SweepJob {
    job_of(Timestamp::now())
}

/// With the links of a moment.
fn job_of(moment: Timestamp) -> SweepJob {
    let name = format!("ns/recipes/{}", "a".repeat(64));
    let signer = LinkSigner::new(AccountKey::new("account", vec![1; 32]), CONTAINER, "rollouts");
    let seed = GridSeed {
        uid: "uid-1",
        lifetime: Duration::from_hours(168),
        renew_requested_at: None,
        key_fingerprint: "key",
    };
    let grid = Grid::new(&seed, Duration::from_hours(56), Duration::from_mins(15));
    SweepJob {
        target: Target::parse(Some("tags.site = 'plant-a'"), None).unwrap(),
        property: "recipes".into(),
        goal: Goal {
            blob: signer.blob(&name).unwrap(),
            ts: "2026-11-24T12:00:00Z".parse().unwrap(),
            content_type: "text/plain".into(),
            sha256: None,
            size: None,
        },
        name,
        signer,
        window: grid.window(moment),
        grid,
        owners: Owners::default(),
        scope: Scope::All,
    }
}

fn client(hub: &Emulator) -> HubClient {
    let ca = reqwest::Certificate::from_pem(hub.ca_pem().as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_merge([ca]).build().unwrap();
    let connection = HubConnection::parse(&hub.policy_connection_string("service").unwrap()).unwrap();
    let rates = Rates { twin_writes: 1000.0, twin_reads: 1000.0, queries: 1000.0 };
    HubRegistry::new(http, Clock::system()).client("uid-1", &connection, rates)
}

/// Sweeps until it is over.
async fn swept(hub: &Emulator) -> Tally {
    let (progress, _seen) = watch::channel(Tally::default());
    sweep(&job(), &client(hub), Timestamp::now, &CancellationToken::new(), &progress).await.unwrap()
}

async fn hub_with(devices: u32) -> Emulator {
    let hub = Emulator::start(Settings::default()).await.unwrap();
    for number in 1..=devices {
        hub.create_device(&format!("sensor-{number}"), &json!({"site": "plant-a"})).unwrap();
    }
    hub
}

#[tokio::test]
async fn a_device_whose_twin_is_refused_holds_up_nobody() {
    for status in [400, 413] {
        let hub = hub_with(50).await;
        // Whichever comes first is refused, and again in the round that looks whether all is done.
        for nth in [1, 51] {
            hub.add_fault(Fault {
                route: Some(Route::PatchTwin),
                when: When::Nth(nth),
                effect: Effect::Status { status, retry_after: None },
                delay: Duration::ZERO,
            });
        }
        let tally = swept(&hub).await;
        assert_eq!((tally.written, tally.refused, tally.left), (49, 1, 0), "{status}");
        assert_eq!(tally.refusals.len(), 1, "{status}");
        assert_eq!(hub.desired_writes().len(), 49, "{status}");
    }
}

#[tokio::test]
async fn a_twin_at_its_limit_is_refused_with_the_hubs_reason() {
    let hub = hub_with(3).await;
    let full: serde_json::Map<_, _> =
        (0..16).map(|n| (format!("p{n:02}"), json!("x".repeat(if n == 15 { 1900 } else { 2040 })))).collect();
    hub.patch_twin("sensor-2", &json!({"properties": {"desired": full}})).unwrap();
    let tally = swept(&hub).await;
    assert_eq!((tally.written, tally.refused), (2, 1));
    assert_eq!(tally.refusals[0].device_id, "sensor-2");
    assert!(!tally.refusals[0].reason.contains("sig="), "{:?}", tally.refusals);
}

#[tokio::test]
async fn what_stands_at_the_property_before_is_replaced() {
    let hub = hub_with(6).await;
    for (device, there) in [
        ("sensor-1", json!("text")),
        ("sensor-2", json!(5)),
        ("sensor-3", json!({"other": {"deep": true}})),
        ("sensor-4", json!({"uri": "https://elsewhere/c/n?se=1"})),
        ("sensor-5", json!([1])),
    ] {
        hub.patch_twin(device, &json!({"properties": {"desired": {"recipes": there}}})).unwrap();
    }
    assert_eq!(swept(&hub).await.written, 6);
    let link = hub.twin("sensor-6").unwrap()["properties"]["desired"]["recipes"].clone();
    for device in hub.devices() {
        assert_eq!(hub.twin(&device).unwrap()["properties"]["desired"]["recipes"], link, "{device}");
    }
    assert_eq!(swept(&hub).await, Tally::default(), "and then nothing is left to do");
}

#[tokio::test]
async fn links_that_were_not_tried_reach_nobody() {
    // More than a page, and links of a week ago: those to give out are others since.
    let hub = hub_with(150).await;
    let job = job_of(Timestamp::now() - Duration::from_hours(168));
    let (progress, _seen) = watch::channel(Tally::default());
    let tally =
        sweep(&job, &client(&hub), Timestamp::now, &CancellationToken::new(), &progress).await.unwrap();
    assert!(job.is_outdated(Timestamp::now()));
    assert_eq!(
        (tally.written, hub.desired_writes().len()),
        (100, 100),
        "it stops after the page that it had"
    );
    let twin = hub.twin("sensor-1").unwrap();
    let uri = twin["properties"]["desired"]["recipes"]["uri"].as_str().unwrap();
    let expiry = job.window.expiry.to_string().replace(':', "%3A");
    assert!(uri.contains(&format!("?se={expiry}&")), "a link that was not tried: {uri}");
}
