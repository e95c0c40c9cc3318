//! What keeps devices from a revision, and never from their links.

use std::time::Duration;

use blobrollout::{
    api::conditions::{READY, RECONCILING, STALLED},
    controller::decide::Step,
};
use serde_json::json;

use crate::world::{World, at, minutes};

#[test]
fn the_fleet_is_counted_before_the_first_write() {
    let mut world = World::at_rest();
    world.seen.counted = None;
    assert!(matches!(world.decide().step, Step::Count(_)));
    let mut world = World::at_rest();
    world.asset("other");
    world.blob("other", world.now);
    assert!(matches!(world.decide().step, Step::Count(_)), "a count of the former revision does not count");
    assert_eq!(world.said(READY), "False Observing");
    world.count(20, 0, 0, 0);
    let Step::Sweep(sweep) = world.decide().step else { panic!("no sweep") };
    assert!(!sweep.key.holders_only);
    assert_eq!(sweep.goals.len(), 1);
    assert_eq!(world.said(READY), "False Delivering");
}

#[test]
fn more_devices_than_allowed_are_not_written_but_links_live_on() {
    let mut world = World::at_rest();
    world.spec["target"]["maxDevices"] = json!(19);
    world.parse();
    let Step::Sweep(sweep) = world.decide().step else { panic!("no sweep") };
    assert!(sweep.key.holders_only);
    assert_eq!(world.said(STALLED), "True TooManyDevices");
    world.spec["target"]["maxDevices"] = json!(20);
    world.parse();
    assert_eq!(world.decide().step, Step::Rest);
}

#[test]
fn the_guard_looks_at_the_fleet_as_it_is_now() {
    let mut world = World::at_rest();
    world.spec["target"]["maxDevices"] = json!(20);
    world.parse();
    world.now += minutes(5);
    assert!(matches!(world.decide().step, Step::Count(_)), "a sweep is due, and the last count is old");
    let counted = world.now;
    world.count(2000, 20, 20, 0);
    let Step::Sweep(sweep) = world.decide().step else { panic!("no sweep") };
    assert!(sweep.key.holders_only, "2000 devices match by now");
    world.count(20, 20, 20, 0);
    world.now = counted + Duration::from_secs(10);
    let Step::Sweep(sweep) = world.decide().step else { panic!("no sweep") };
    assert!(!sweep.key.holders_only);
    // Who only keeps links alive gives nobody a new one, and need not wait for a count.
    world.now += minutes(5);
    world.spec["suspend"] = json!(true);
    world.parse();
    assert!(matches!(world.decide().step, Step::Sweep(_)));
}

#[test]
fn a_lifetime_too_short_for_the_fleet_is_refused_with_the_arithmetic() {
    let mut world = World::at_rest();
    world.spec["sas"] = json!({"lifetime": "20m"});
    world.parse();
    let plan = world.decide();
    assert_eq!(world.said(STALLED), "True LifetimeTooShort");
    let ready = plan.status.conditions.iter().find(|said| said.type_ == READY).unwrap();
    assert!(ready.message.contains("20m") && ready.message.contains("at least 30m"), "{}", ready.message);
    let Step::Sweep(sweep) = plan.step else { panic!("no sweep") };
    assert!(sweep.key.holders_only);
}

#[test]
fn a_suspended_rollout_keeps_every_link_alive_and_gives_no_new_one() {
    let mut world = World::at_rest();
    world.blob("earlier", at("2026-11-01T00:00:00Z"));
    world.asset("newest");
    world.spec["suspend"] = json!(true);
    world.parse();
    let Step::Sweep(sweep) = world.decide().step else { panic!("no sweep") };
    assert!(sweep.key.holders_only);
    assert_eq!(sweep.goals.len(), 2, "the goal and the earlier revision");
    assert_eq!(world.said(READY), "False Suspended");
    assert_eq!((world.said(RECONCILING).as_str(), world.said(STALLED).as_str()), ("", ""));
    world.asset("hello");
    assert_eq!(world.said(READY), "True Delivered", "all has been delivered");
}
