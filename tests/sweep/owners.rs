//! Links of another rollout are left alone while it picks their devices, and only so long.

use std::{sync::Arc, time::Duration};

use blobrollout::fleet::{Owners, Target};
use iothub_emulator::{Effect, Fault, Route, When};
use serde_json::json;

use crate::{
    stage::{LIFETIME, Stage, sensor},
    time::until,
};

/// Devices that all hold a link of `ns/other`.
async fn held_by_other(devices: u32) -> Stage {
    let stage = Stage::with(devices).await;
    let theirs = stage.given(&stage.revision_of("ns/other", 1), Duration::ZERO);
    for number in 1..=devices {
        stage.put(&sensor(number), &theirs);
    }
    stage
}

/// Sweeps, and sees that the first `left` devices keep what they have and all others are taken over.
async fn leaves(stage: &Stage, left: u32) {
    let goal = stage.revision(1);
    let devices = u32::try_from(stage.hub.device_count()).unwrap();
    let tally = stage.sweep(&stage.deliver(&goal, &[])).await;
    assert_eq!((tally.written, tally.round.conflicted), ((devices - left).into(), left.into()), "{tally:?}");
    assert_eq!(tally.round.left, 0, "{tally:?}");
    for number in 1..=devices {
        assert_eq!(stage.holds(&sensor(number), &goal), number > left, "{number}");
    }
    let named = tally.round.samples.iter().all(|sample| sample.reason.contains("/other"));
    assert_eq!((tally.round.samples.is_empty(), named), (left == 0, true), "{tally:?}");
}

#[tokio::test]
async fn who_is_not_picked_by_the_owners_query_is_taken_over_with_few_queries() {
    let stage = held_by_other(300).await;
    stage.enter_other(Some(Target::parse(Some("tags.line = 'b' OR tags.x = 1"), None).unwrap()));
    for number in 1..=200 {
        stage.hub.patch_twin(&sensor(number), &json!({"tags": {"line": "b"}})).unwrap();
    }
    leaves(&stage, 200).await;
    assert!(stage.queries() <= 10, "{}", stage.queries());
    assert_eq!(stage.hub.counts().of(Route::GetTwin), 100, "only whom it takes over it looks at again");
}

#[tokio::test]
async fn who_is_not_among_the_owners_ids_is_taken_over_without_a_question() {
    let stage = held_by_other(5).await;
    let ids: Vec<String> = [1, 2, 3, 77].map(sensor).into();
    stage.enter_other(Some(Target::parse(None, Some(&ids)).unwrap()));
    leaves(&stage, 3).await;
    assert_eq!(stage.queries(), 2);
}

#[tokio::test]
async fn an_owner_whose_target_cannot_be_read_keeps_all() {
    let stage = held_by_other(3).await;
    stage.enter_other(None);
    leaves(&stage, 3).await;
}

#[tokio::test]
async fn an_owner_whose_query_the_hub_refuses_keeps_all() {
    let stage = held_by_other(3).await;
    stage.enter_other(Some(Target::Query("(tags.line = )".into())));
    leaves(&stage, 3).await;
    assert_eq!(stage.hub.counts().with_status(Route::Query, 400), 1);
}

#[tokio::test]
async fn a_link_that_has_expired_holds_nobody() {
    let stage = held_by_other(3).await;
    stage.enter_other(None);
    stage.hub.clock().advance(LIFETIME);
    leaves(&stage, 0).await;
}

#[tokio::test]
async fn an_owner_that_may_not_be_read_keeps_its_devices_while_their_links_live() {
    let mut stage = Stage::with(3).await;
    stage.tools.owners = Arc::new(Owners::new(Some("ns".into())));
    let theirs = stage.given(&stage.revision_of("elsewhere/other", 1), Duration::ZERO);
    for number in 1..=3 {
        stage.put(&sensor(number), &theirs);
    }
    leaves(&stage, 3).await;
    stage.hub.clock().advance(LIFETIME);
    leaves(&stage, 0).await;
}

#[tokio::test]
async fn a_rollout_that_is_made_during_a_sweep_is_respected_from_then_on() {
    let stage = held_by_other(150).await;
    let delay = Duration::from_secs(30);
    stage.hub.add_fault(Fault { route: Some(Route::Query), when: When::Nth(2), effect: Effect::None, delay });
    let made = async {
        // The first page is done, and the second one has not come.
        until(|| stage.written() == 100).await;
        stage.enter_other(None);
        stage.hub.clock().advance(delay);
    };
    let goal = stage.revision(1);
    let order = stage.deliver(&goal, &[]);
    let (tally, ()) = tokio::join!(stage.sweep(&order), made);
    assert_eq!((tally.written, tally.round.conflicted, stage.written()), (100, 50, 100), "{tally:?}");
    assert!((101..=150).all(|number| !stage.holds(&sensor(number), &goal)));
}
