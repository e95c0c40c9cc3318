//! Every rule of the product, as a decision about a world that was seen: no client, no clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod world;

use std::time::Duration;

use blobrollout::{
    api::{
        BlobRolloutStatus,
        conditions::{ACKNOWLEDGED, READY, RECONCILING, Reason, STALLED},
    },
    controller::{
        decide::{Step, decide},
        fault::Fault,
        revision::Upkeep,
    },
    fleet::Tally,
    follow::Follow,
};
use serde_json::json;
use world::{World, at, minutes};

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
fn new_content_is_stored_before_anything_else() {
    let mut world = World::at_rest();
    world.asset("other");
    let plan = world.decide();
    let Step::Store(Upkeep::Put { name, asset, properties }) = plan.step else { panic!("{:?}", plan.step) };
    assert_eq!((name, &*asset.bytes), (format!("plant/ns/recipes/{}", asset.sha256), &b"other"[..]));
    assert_eq!(properties.metadata.ts, Some(world.now));
    assert_eq!(world.said(READY), "False Storing");
    assert_eq!(world.said(RECONCILING), "True Storing");
}

#[test]
fn going_back_to_earlier_content_moves_its_ts_past_every_other() {
    for clock in ["2026-11-24T12:00:00Z", "2026-11-01T00:00:00Z"] {
        let mut world = World::at_rest();
        let latest = at("2026-11-24T11:00:00.5Z");
        world.blob("other", latest);
        world.now = at(clock);
        let plan = world.decide();
        let Step::Store(Upkeep::Update { properties, .. }) = plan.step else { panic!("{:?}", plan.step) };
        let ts = properties.metadata.ts.unwrap();
        assert!(ts > latest, "{clock}: {ts} is not later than {latest}");
        assert_eq!(ts.as_nanosecond() % 100, 0, "whole ticks");
    }
}

#[test]
fn a_blob_that_an_earlier_object_left_becomes_the_new_ones() {
    let mut world = World::at_rest();
    world.seen.uid = "uid-2".into();
    world.seen.before = BlobRolloutStatus::default();
    let before = world.storage().blobs[0].clone();
    let Step::Store(Upkeep::Update { properties, .. }) = world.decide().step else { panic!("no update") };
    assert_eq!(properties.metadata.uid.as_deref(), Some("uid-2"));
    assert_eq!(properties.metadata.ts, before.metadata.ts, "the content is as old as it was");
}

#[test]
fn another_content_type_is_told_the_blob_and_the_twins_without_moving_ts() {
    let mut world = World::at_rest();
    let before = world.storage().blobs[0].clone();
    world.spec["contentType"] = json!("text/plain");
    world.parse();
    let Step::Store(Upkeep::Update { etag, properties, .. }) = world.decide().step else {
        panic!("no update")
    };
    assert_eq!(
        (properties.content_type.as_str(), properties.metadata.ts, etag),
        ("text/plain", before.metadata.ts, before.etag)
    );
    world.storage_mut().blobs[0].content_type = Some("text/plain".into());
    let Step::Sweep(sweep) = world.decide().step else { panic!("no sweep") };
    assert_eq!(sweep.goals[0].goal.content_type, "text/plain");
}

#[test]
fn a_lost_source_is_told_and_what_is_stored_is_delivered_further() {
    let mut world = World::at_rest();
    world.seen.asset = Err(Fault::user(Reason::SourceUnavailable, "there is no ConfigMap"));
    assert_eq!(world.decide().step, Step::Rest);
    assert_eq!(world.said(READY), "False SourceUnavailable");
    assert_eq!(world.said(STALLED), "True SourceUnavailable");
    world.now += minutes(6);
    assert!(matches!(world.decide().step, Step::Sweep(_)), "late joiners are served");
    world.storage_mut().blobs.clear();
    assert_eq!(world.decide().step, Step::Rest);
}

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
fn a_revision_whose_blob_is_lost_sends_nobody_back_to_an_earlier_one() {
    let mut world = World::at_rest();
    let whole = world.seen.before.clone();
    world.storage_mut().blobs.clear();
    world.blob("earlier", at("2026-11-01T00:00:00Z"));
    assert!(matches!(world.decide().step, Step::Store(Upkeep::Put { .. })), "it is stored again");
    world.upkeep_failed(Follow::UserMustAct);
    world.now += Duration::from_secs(30);
    let plan = world.decide();
    assert_eq!(plan.step, Step::Rest);
    assert_eq!((plan.status.asset, plan.status.devices), (whole.asset.clone(), whole.devices));
    assert_eq!(world.said(STALLED), "True StorageRefused");
    // The same where there is nothing to store it from.
    world.seen.upkeep_failed = None;
    world.seen.asset = Err(Fault::user(Reason::SourceUnavailable, "there is no ConfigMap"));
    assert_eq!(world.decide().step, Step::Rest);
    world.asset("hello");
    world.spec["suspend"] = json!(true);
    world.parse();
    let plan = world.decide();
    assert_eq!((plan.step, plan.status.asset), (Step::Rest, whole.asset));
}

#[test]
fn a_request_and_a_new_key_renew_at_once_and_ready_stays() {
    let mut world = World::at_rest();
    world.seen.renew_requested_at = Some("now".into());
    assert!(matches!(world.decide().step, Step::Sweep(_)));
    assert_eq!(world.said(READY), "True Delivered");
    let mut world = World::at_rest();
    world.rotate_key();
    assert!(matches!(world.decide().step, Step::Sweep(_)));
    assert_eq!(world.said(READY), "True Delivered");
}

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
fn links_are_renewed_before_they_run_out() {
    let mut world = World::at_rest();
    world.spec["interval"] = json!("24h");
    world.parse();
    world.sweep_now();
    let sas = world.decide().status.sas.unwrap();
    let (renew, expires) = (at(&sas.renew_at), at(&sas.expires_at));
    assert!(expires.duration_since(renew) >= "PT56H".parse().unwrap(), "a third of 168h");
    let (mut asked, end) = (0, world.now + Duration::from_hours(24 * 28));
    // Whoever looks whenever the plan says so never finds a link of the fleet with less than the lead left.
    let mut held = vec![expires];
    while world.now < end {
        let plan = world.decide();
        for expiry in &held {
            assert!(
                expiry.duration_since(world.now) >= "PT55H".parse().unwrap(),
                "{expiry} at {}",
                world.now
            );
        }
        match plan.step {
            Step::Sweep(sweep) => {
                let good = sweep.grid.good_expiries(world.now);
                if held.iter().any(|expiry| !good.contains(expiry)) {
                    asked += 1;
                    held = vec![good[0]];
                }
                world.swept(sweep.key, 0);
            }
            Step::Count(_) => world.count(20, 20, 20, 0),
            Step::Rest => world.now += plan.wake,
            Step::Store(_) => panic!("nothing is to be stored"),
        }
    }
    assert!((7..=10).contains(&asked), "every half lifetime one renewal, not {asked} in four weeks");
}

#[test]
fn late_joiners_are_looked_for_once_in_an_interval() {
    let mut world = World::at_rest();
    world.now += minutes(4);
    assert_eq!(world.decide().step, Step::Rest);
    world.now += minutes(1);
    assert!(matches!(world.decide().step, Step::Sweep(_)));
}

#[test]
fn the_right_sweep_runs_on_and_a_wrong_one_is_replaced() {
    let mut world = World::at_rest();
    world.seen.sweep.last = None;
    let Step::Sweep(sweep) = world.decide().step else { panic!("no sweep") };
    world.run(sweep.key.clone());
    assert!(!matches!(world.decide().step, Step::Sweep(_)));
    for change in [
        (|world| world.seen.renew_requested_at = Some("now".into())) as fn(&mut World),
        // It would go on with the former key until that is refused.
        |world| world.seen.hub.as_mut().unwrap().fingerprint = "2".into(),
    ] {
        change(&mut world);
        let Step::Sweep(other) = world.decide().step else { panic!("no sweep") };
        assert_ne!(other.key, sweep.key);
        world.run(other.key);
    }
}

#[test]
fn a_failed_sweep_is_tried_again_with_growing_pauses() {
    let mut world = World::at_rest();
    let mut pauses = Vec::new();
    for times in [0, 3, 20] {
        world.sweep_failed(Follow::TryAgain, times);
        let plan = world.decide();
        assert_eq!(plan.step, Step::Rest);
        pauses.push(plan.wake);
        let begun = world.now;
        world.now = begun + minutes(5) + Duration::from_secs(70);
        assert!(matches!(world.decide().step, Step::Sweep(_)));
        world.now = begun;
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[1], "{pauses:?}");
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

#[test]
fn while_storing_fails_the_stored_revision_is_kept_alive() {
    let mut world = World::at_rest();
    world.asset("other");
    world.upkeep_failed(Follow::UserMustAct);
    world.now += Duration::from_secs(30);
    assert_eq!(world.decide().step, Step::Rest);
    assert_eq!(world.said(STALLED), "True StorageRefused");
    world.seen.renew_requested_at = Some("now".into());
    assert!(matches!(world.decide().step, Step::Sweep(_)));
    world.now += minutes(2);
    assert!(matches!(world.decide().step, Step::Store(_)), "and it is tried again");
    assert_eq!(world.said(STALLED), "True StorageRefused", "said until it is mended");
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

#[test]
fn answers_are_counted_more_often_while_they_come_in() {
    let mut world = World::at_rest();
    world.count(20, 20, 3, 0);
    assert!(world.decide().wake <= Duration::from_secs(20));
    world.now += Duration::from_secs(30);
    assert!(matches!(world.decide().step, Step::Count(_)));
    // Nothing has changed for long: some devices are off, and they are no reason to spend the hub's queries.
    let counted = world.seen.counted.as_mut().unwrap();
    counted.at = world.now;
    counted.changed = at("2026-11-24T09:00:00Z");
    world.sweep_now();
    assert!(world.decide().wake > minutes(4));
}

#[test]
fn counting_leaves_a_sweep_the_larger_part_of_the_hubs_queries() {
    // The default S1 gives us 16 queries a minute; a look at one condition takes three counts.
    for (target, running, most) in [
        (json!({"query": "tags.site = 'plant-a'"}), false, 16.0),
        (json!({"query": "tags.site = 'plant-a'"}), true, 4.0),
        (json!({"deviceIds": (0..1000).map(|n| format!("{n:0>36}")).collect::<Vec<_>>()}), false, 16.0),
        (json!({"deviceIds": (0..1000).map(|n| format!("{n:0>36}")).collect::<Vec<_>>()}), true, 4.0),
    ] {
        let mut world = World::at_rest();
        world.spec["target"] = target;
        world.spec["interval"] = json!("24h");
        world.parse();
        world.count(1000, 1000, 500, 0);
        world.sweep_now();
        if running {
            let key = world.seen.sweep.last.take().unwrap().key;
            world.run(key);
        }
        let conditions = world.seen.intent.as_ref().unwrap().target.conditions().count();
        #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
        let a_minute = 3.0 * conditions as f64 * 60.0 / world.decide().wake.as_secs_f64();
        assert!(a_minute <= most, "{a_minute} of 16 queries a minute for {conditions} conditions");
    }
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
