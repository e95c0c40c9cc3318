//! What one device's twin says or refuses concerns that device alone.

use std::time::Duration;

use blobrollout::{
    fleet::{Tally, tally::Round},
    storage::link::Link,
};
use iothub_emulator::{Effect, Fault, Route, When};
use serde_json::{Map, json};

use crate::stage::{Stage, sensor};

const NO_TIME: Duration = Duration::ZERO;

async fn one_device_that_is_refused(status: u16) {
    let stage = Stage::with(50).await;
    stage.hub.add_fault(Fault {
        route: Some(Route::PatchTwin),
        when: When::Nth(7),
        effect: Effect::Status { status, retry_after: None },
        delay: NO_TIME,
    });
    let goal = stage.revision(1);
    let tally = stage.sweep(&stage.deliver(&goal, &[])).await;
    assert_eq!((tally.written, tally.round.refused, tally.round.left), (49, 1, 0), "{tally:?}");
    assert_eq!(tally.round.samples.len(), 1);
    let refused = &tally.round.samples[0].device_id;
    for device in stage.hub.devices() {
        assert_eq!(stage.holds(&device, &goal), device != *refused, "{device}");
    }
    // The round that looks whether all is done does not try it again.
    assert_eq!(stage.patches(), 50);
}

#[tokio::test]
async fn a_device_that_is_refused_with_400_holds_up_nobody() {
    one_device_that_is_refused(400).await;
}

#[tokio::test]
async fn a_device_that_is_refused_with_413_holds_up_nobody() {
    one_device_that_is_refused(413).await;
}

#[tokio::test]
async fn a_twin_at_its_limit_is_tried_again_after_an_hour_or_for_another_revision() {
    let stage = Stage::with(3).await;
    let full: Map<_, _> =
        (0..16).map(|n| (format!("p{n:02}"), json!("x".repeat(if n == 15 { 1900 } else { 2040 })))).collect();
    stage.hub.patch_twin(&sensor(2), &json!({"properties": {"desired": full}})).unwrap();
    let (first, second) = (stage.revision(1), stage.revision(2));
    let order = stage.deliver(&first, &[]);

    let tally = stage.sweep(&order).await;
    assert_eq!((tally.written, tally.round.refused, tally.round.left), (2, 1, 0), "{tally:?}");
    assert_eq!((stage.written(), stage.patches()), (2, 3));

    // In the hub's words, also by the round and the sweep that do not try.
    let in_its_words = |tally: &Tally| {
        let [sample] = tally.round.samples.as_slice() else { panic!("{tally:?}") };
        assert_eq!(sample.device_id, sensor(2));
        assert!(sample.reason.contains("exceed") && !sample.reason.contains("sig="), "{sample:?}");
    };
    in_its_words(&tally);

    stage.hub.clock().advance(Duration::from_mins(55));
    let tally = stage.sweep(&order).await;
    assert_eq!((tally.round.refused, stage.patches()), (1, 3), "it is left alone for an hour");
    in_its_words(&tally);

    let other = stage.deliver(&second, std::slice::from_ref(&first));
    let tally = stage.sweep(&other).await;
    assert_eq!((tally.written, tally.round.refused, stage.patches()), (2, 1, 6), "another revision");

    stage.hub.clock().advance(Duration::from_mins(61));
    let tally = stage.sweep(&other).await;
    assert_eq!((tally.round.refused, stage.patches()), (1, 7), "the hour is over");
}

#[tokio::test]
async fn whatever_stands_at_the_property_is_replaced() {
    let stage = Stage::with(13).await;
    let goal = stage.revision(1);
    let given = stage.given(&goal, NO_TIME);
    let changed = |name: &str, value: serde_json::Value| {
        let mut given = given.clone();
        given[name] = value;
        given
    };
    let odd = [
        json!("text"),
        json!(5),
        json!([1]),
        json!(true),
        json!({"other": {"deep": true}}),
        json!({"uri": "https://elsewhere/c/n?se=1"}),
        json!({"uri": 5}),
        changed("uri", json!(5)),
        changed("ts", json!(5)),
        changed("contentType", json!(5)),
        changed("size", json!("5")),
        changed("sha256", json!("left over")),
    ];
    for (device, there) in stage.hub.devices().iter().zip(&odd) {
        stage.put(device, there);
    }
    let tally = stage.sweep(&stage.deliver(&goal, &[])).await;
    assert_eq!((tally.written, tally.round), (13, Round::default()));
    for device in stage.hub.devices() {
        assert!(stage.holds(&device, &goal), "{device}: {}", stage.there(&device));
    }
    let first = Link::parse(stage.there(&sensor(1))["uri"].as_str().unwrap()).unwrap();
    assert_eq!(tally.first_expiry, Some(first.expiry()));

    let again = stage.sweep(&stage.deliver(&goal, &[])).await;
    assert_eq!((again.written, again.round, stage.patches()), (0, Round::default(), 13));
}

async fn a_row(row: &str) {
    let stage = Stage::with(3).await;
    let effect = Effect::Body(format!("[{row}]"));
    stage.hub.add_fault(Fault { route: Some(Route::Query), when: When::default(), effect, delay: NO_TIME });
    let fault = stage.try_to_sweep(&stage.deliver(&stage.revision(1), &[])).await.unwrap_err();
    assert!(fault.message.contains("a row lacks its deviceId or its etag"), "{fault:?}");
    assert_eq!(stage.patches(), 0);
}

#[tokio::test]
async fn a_row_that_names_no_device_is_an_error() {
    a_row(r#"{"etag": "AAAAAAAAAAE=", "link": null}"#).await;
}

#[tokio::test]
async fn a_row_that_has_no_etag_is_an_error() {
    a_row(r#"{"deviceId": "sensor-001", "link": null}"#).await;
}
