//! What the conditions say.

use std::time::Duration;

use blobrollout::{
    api::{
        BlobRolloutStatus,
        conditions::{ACKNOWLEDGED, READY, RECONCILING, Reason, STALLED},
    },
    controller::{decide::Step, fault::Fault},
    fleet::Tally,
    follow::Follow,
};
use serde_json::json;

use crate::world::World;

#[test]
fn a_change_of_what_twins_carry_is_not_ready_before_they_carry_it() {
    for (field, value) in [("twin", json!({"extraFields": ["sha256"]})), ("sas", json!({"lifetime": "24h"}))]
    {
        let mut world = World::at_rest();
        world.spec[field] = value;
        world.parse();
        for _ in 0..2 {
            let plan = world.decide();
            let Step::Sweep(sweep) = plan.step else { panic!("no sweep") };
            assert_eq!(plan.status.observed_generation, Some(2));
            assert_eq!(world.said(READY), "False Delivering");
            world.seen.before = plan.status;
            world.run(sweep.key.clone());
            assert_eq!(world.said(READY), "False Delivering");
            world.seen.sweep.running = None;
        }
        world.sweep_now();
        assert_eq!(world.said(READY), "True Delivered");
    }
}

#[test]
fn a_disturbance_takes_ready_from_nobody_and_a_refusal_does() {
    let busy = Fault { reason: Reason::StorageUnavailable, message: "down".into(), follow: Follow::TryAgain };
    let mut world = World::at_rest();
    world.seen.storage = Err(busy.clone());
    let plan = world.decide();
    assert_eq!(plan.step, Step::Rest);
    assert!(plan.wake <= Duration::from_secs(2));
    assert_eq!(world.said(READY), "True Delivered");
    assert_eq!(world.said(RECONCILING), "True StorageUnavailable");
    assert_eq!(world.said(ACKNOWLEDGED), "True AllReceived");
    world.seen.before = BlobRolloutStatus::default();
    assert_eq!(world.said(READY), "False StorageUnavailable");

    let mut world = World::at_rest();
    world.seen.hub = Err(Fault::user(Reason::HubRefused, "401"));
    assert_eq!(world.said(READY), "False HubRefused");
    assert_eq!(world.said(STALLED), "True HubRefused");
    let away = Fault { reason: Reason::HubUnavailable, ..busy.clone() };
    world.seen.hub = Err(away.clone());
    assert_eq!(world.said(READY), "True Delivered");
    assert_eq!(world.said(RECONCILING), "True HubUnavailable");

    // What is new was not delivered to anybody.
    let mut world = World::at_rest();
    world.asset("b");
    world.seen.storage = Err(busy);
    assert_eq!(world.said(READY), "False StorageUnavailable");
    assert_eq!(world.said(ACKNOWLEDGED), "False Pending");
    let mut world = World::at_rest();
    world.seen.generation = Some(2);
    world.seen.hub = Err(away);
    assert_eq!(world.said(READY), "False HubUnavailable");
}

#[test]
fn an_invalid_spec_is_told_and_nothing_is_done() {
    let mut world = World::at_rest();
    world.spec["sas"] = json!({"lifetime": "7d"});
    world.parse();
    let plan = world.decide();
    assert_eq!(plan.step, Step::Rest);
    assert_eq!(world.said(STALLED), "True InvalidSpec");
    assert_eq!(plan.status.devices, world.seen.before.devices, "what is known stays");
}

#[test]
fn what_the_devices_say_is_told() {
    // targeted, linked, received, failed → Ready, Acknowledged
    for (numbers, ready, acknowledged) in [
        ([20, 20, 20, 0], "True Delivered", "True AllReceived"),
        ([20, 20, 19, 0], "True Delivered", "False Pending"),
        ([20, 20, 18, 2], "True Delivered", "False Failed"),
        ([20, 19, 19, 0], "False Delivering", "False Pending"),
        ([0, 0, 0, 0], "True NoDevices", "False NoDevices"),
    ] {
        let mut world = World::at_rest();
        let [targeted, linked, received, failed] = numbers;
        world.count(targeted, linked, received, failed);
        assert_eq!(
            (world.said(READY).as_str(), world.said(ACKNOWLEDGED).as_str()),
            (ready, acknowledged),
            "{numbers:?}"
        );
        let devices = world.decide().status.devices.unwrap();
        assert_eq!(devices.summary, format!("{received}/{targeted}"));
        assert_eq!(devices.linked, devices.received + devices.failed + devices.pending);
    }
}

#[test]
fn a_count_of_other_devices_says_nothing_about_these() {
    let mut world = World::at_rest();
    world.spec["target"]["query"] = json!("tags.site = 'plant-b'");
    world.parse();
    assert!(matches!(world.decide().step, Step::Count(_)));
    assert_eq!(world.said(READY), "False Observing");
    assert_eq!(world.said(ACKNOWLEDGED), "False Pending", "nobody knows what they have");
}

#[test]
fn conflicts_and_refusals_stall() {
    let mut world = World::at_rest();
    world.tally(|tally| tally.conflicted = 2);
    world.count(20, 18, 18, 0);
    assert_eq!(world.said(READY), "False Conflicted");
    assert_eq!(world.said(STALLED), "True Conflicted");
    assert_eq!(world.decide().status.devices.unwrap().conflicted, 2);
    world.tally(|tally| tally.refused = 1);
    assert_eq!(world.said(STALLED), "True DevicesRefused");
}

#[test]
fn a_look_that_is_under_way_takes_back_nothing_that_the_last_one_found() {
    for (change, linked) in [
        ((|tally: &mut Tally| tally.conflicted = 2) as fn(&mut Tally), 18),
        (|tally| tally.refuse("sensor-1", "it is full".into()), 19),
    ] {
        let mut world = World::at_rest();
        world.tally(change);
        world.count(20, linked, linked, 0);
        let rest = world.decide().status;
        world.seen.before.clone_from(&rest);
        let key = world.seen.sweep.last.as_ref().unwrap().key.clone();
        world.run(key);
        assert_eq!(world.decide().status, rest, "a world that stands still costs no write");
    }
}
