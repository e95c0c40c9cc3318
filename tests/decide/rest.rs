//! What holds for every decision: rest, restarts, repetition.

use std::time::Duration;

use blobrollout::{
    api::{
        BlobRolloutStatus,
        conditions::{ACKNOWLEDGED, READY, RECONCILING, STALLED},
    },
    controller::decide::{Step, decide},
};

use crate::world::{World, minutes};

#[test]
fn a_world_at_rest_asks_for_nothing_and_changes_no_status() {
    let mut world = World::at_rest();
    let plan = world.decide();
    assert_eq!(plan.step, Step::Rest);
    assert_eq!(world.said(READY), "True Delivered");
    assert_eq!(world.said(ACKNOWLEDGED), "True AllReceived");
    assert_eq!((world.said(RECONCILING).as_str(), world.said(STALLED).as_str()), ("", ""));
    assert!(plan.wake <= minutes(5) && plan.wake > minutes(4));
    world.now += Duration::from_mins(1);
    assert_eq!(world.decide().status, plan.status);
}

#[test]
fn a_restart_shows_nothing_and_writes_nothing() {
    let mut world = World::at_rest();
    let before = world.decide().status;
    world.forget();
    let plan = world.decide();
    assert!(matches!(plan.step, Step::Count(_)));
    assert_eq!(world.said(READY), "True Delivered");
    world.count_as_before(&before);
    let plan = world.decide();
    assert!(matches!(plan.step, Step::Sweep(_)));
    assert_eq!(plan.status, before, "not a word of it in the status");
}

#[test]
fn a_wiped_status_is_computed_again() {
    let mut world = World::at_rest();
    let whole = world.decide().status;
    world.seen.before = BlobRolloutStatus::default();
    let plan = world.decide();
    assert_eq!(plan.step, Step::Rest);
    let (again, devices) = (plan.status, whole.devices.unwrap());
    assert_eq!((again.asset, again.hub), (whole.asset, whole.hub));
    assert_eq!(again.devices.unwrap().received, devices.received);
    assert_eq!(world.said(READY), "True Delivered");
}

#[test]
fn secrets_that_nobody_watches_are_read_once_a_minute() {
    let mut world = World::at_rest();
    world.seen.secrets_watched = false;
    assert!(world.decide().wake <= minutes(1));
}

#[test]
fn a_decision_is_the_same_for_the_same_world() {
    let world = World::at_rest();
    assert_eq!(decide(&world.seen, world.now), decide(&world.seen, world.now));
}
