//! When the fleet is swept, and when links are renewed.

use blobrollout::{
    api::{
        RENEW_REQUESTED_AT,
        conditions::{READY, Reason},
    },
    fleet::Tally,
    rollout::task::Kind,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use crate::world::{World, account, away, hub, minutes, seconds};

/// When the first link dies, and when the next renewal begins, as the status says.
fn times(world: &World) -> (Timestamp, Timestamp) {
    let sas = world.plan().status.sas.unwrap();
    (sas.expiry_time.unwrap().0, sas.renewal_time.unwrap().0)
}

/// A world whose links are due.
fn due() -> World {
    let mut world = World::at_rest();
    world.now = times(&world).1 + seconds(1);
    world.list();
    world.count();
    assert!(world.wants(Kind::Sweep));
    world
}

#[test]
fn late_joiners_are_looked_for_once_in_an_interval() {
    let mut world = World::at_rest();
    world.now += minutes(4);
    assert!(!world.wants(Kind::Sweep));
    world.now += minutes(1);
    assert!(world.wants(Kind::Sweep));
}

#[test]
fn links_are_renewed_before_they_run_out_and_no_oftener_than_each_half_lifetime() {
    let mut world = World::at_rest();
    world.edit(|spec| spec["interval"] = json!("24h"));
    let (expires, renews) = times(&world);
    assert!(expires.duration_since(renews) >= "PT56H".parse().unwrap(), "a third of 168h");
    let end = world.now + minutes(60 * 24 * 28);
    let mut seen = vec![expires];
    while world.now < end {
        let first = world.fleet.first_expiry(|_| true).unwrap();
        let left = first.duration_since(world.now);
        assert!(left >= "PT55H59M".parse().unwrap(), "{first} at {}", world.now);
        assert_eq!(world.said(READY), "True Delivered", "{}", world.now);
        if seen.last() != Some(&first) {
            seen.push(first);
        }
        if !world.work() {
            world.settle();
            world.now = world.plan().wake;
        }
    }
    assert!((7..=10).contains(&seen.len()), "{} renewals in four weeks", seen.len());
}

#[test]
fn the_right_sweep_runs_on_until_it_ends_and_a_wrong_one_is_replaced() {
    let mut world = due();
    let (key, _) = world.sweep();
    world.run_sweep(Tally::default());
    for minute in [0, 1, 30, 300, 4000] {
        world.now += minutes(minute);
        assert_eq!(world.sweep().0, key, "{minute} minutes later");
    }
    for change in [
        (|world| world.annotate(RENEW_REQUESTED_AT, "now")) as fn(&mut World),
        // It would go on with the former key until that is refused.
        |world| world.facts.hub = Ok(hub("hub.azure-devices.net", "a2V5Mg==")),
        |world| world.edit(|spec| spec["sas"] = json!({"lifetime": "24h"})),
        |world| world.edit(|spec| spec["twin"] = json!({"extraFields": ["size"]})),
    ] {
        change(&mut world);
        // Another credential's count comes first.
        world.count();
        let (other, _) = world.sweep();
        assert_ne!(other, key);
    }
}

#[test]
fn a_sweep_that_keeps_links_alive_runs_on_until_it_ends() {
    let mut world = due();
    world.edit(|spec| spec["suspend"] = json!(true));
    let (key, _) = world.sweep();
    world.run_sweep(Tally::default());
    world.all_hold("hello", 20);
    world.now += seconds(15);
    world.count();
    assert_eq!(world.sweep().0, key, "a count finds that it is almost done");
}

#[test]
fn the_expiry_is_that_of_the_first_link_that_any_twin_may_hold_all_through_a_renewal() {
    let mut world = due();
    let (old, new) = (times(&world).0, world.link("hello", world.now).expiry());
    assert!(old < new);
    let written = |world: &World, written| Tally {
        written,
        renewed: written,
        first_expiry: Some(world.link("hello", world.now).expiry()),
        ..Tally::default()
    };
    let on_old_link = |world: &World| world.plan().status.sas.unwrap().devices_on_old_link;
    let tally = written(&world, 0);
    world.run_sweep(Tally { first_expiry: None, ..tally });
    assert_eq!((times(&world).0, on_old_link(&world)), (old, Some(20)), "before one twin is written");
    world.stop_sweep();
    world.run_sweep(written(&world, 7));
    world.fleet.held = vec![world.holding("hello", world.now, 7), {
        let mut held = world.facts.found.count.done.as_ref().unwrap().outcome.held[0].clone();
        held.devices = 13;
        held
    }];
    world.count();
    assert_eq!((times(&world).0, on_old_link(&world)), (old, Some(13)), "under way");
    world.stop_sweep();
    world.sweep_fails(away(Reason::HubUnavailable));
    assert_eq!(times(&world).0, old, "after a failure");
    let tally = written(&world, 12);
    world.now += minutes(6);
    world.swept_with(|swept| {
        swept.written = tally.written;
        swept.first_expiry = tally.first_expiry;
        swept.round.left = 1;
    });
    assert_eq!(times(&world).0, old, "one could not be written");
    world.now += seconds(15);
    world.swept_with(|swept| {
        swept.written = 1;
        swept.renewed = 1;
        swept.first_expiry = tally.first_expiry;
    });
    assert_eq!(times(&world).0, new, "all are written, and nobody has counted them yet");
    assert!(world.wants(Kind::Count), "after a sweep that has written");
    let sas = world.plan().status.sas.unwrap();
    assert_eq!(sas.last_renewal_time.unwrap().0, world.now);
    assert_eq!(new.duration_since(times(&world).1), "PT56H".parse().unwrap());
}

#[test]
fn a_link_written_meanwhile_counts_where_nobody_has_counted_yet() {
    let mut world = due();
    world.settle();
    let old = times(&world).0;
    world.restart();
    world.list();
    assert_eq!(times(&world).0, old, "as it was told before");
    world.facts.hub = Err(away(Reason::HubUnavailable));
    assert_eq!(times(&world).0, old);
}

#[test]
fn a_new_key_makes_every_older_link_dead_until_it_is_replaced() {
    let mut world = World::at_rest();
    world.rotate_key();
    world.list();
    assert!(world.wants(Kind::Sweep));
    assert_eq!((world.said(READY).as_str(), times(&world).0 > world.now), ("False Progressing", true));
    assert_eq!(world.plan().status.sas.unwrap().devices_on_old_link, Some(20));
    // The same where a restart comes between.
    world.settle();
    world.object["status"]["conditions"] =
        serde_json::to_value(World::at_rest().plan().status.conditions).unwrap();
    world.restart();
    world.list();
    world.count();
    assert_eq!(world.said(READY), "False Progressing");
    world.work_to_rest();
    assert_eq!(world.said(READY), "True Delivered");
    assert_eq!(world.facts.account, Ok(account("account", "a2V5Mg==")));
}

#[test]
fn what_a_sweep_has_left_is_told_and_swept_again_ever_more_slowly() {
    let mut world = World::at_rest();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        world.swept_with(|tally| {
            tally.round.left = 3;
            tally.round.sample("sensor-1", "429");
        });
        let status = world.plan().status;
        assert_eq!((status.devices.unwrap().remaining, world.said(READY).as_str()), (3, "False Progressing"));
        assert_eq!(
            (status.failures[0].device_id.as_str(), status.failures[0].reason.as_str()),
            ("sensor-1", "429")
        );
        assert!(!world.wants(Kind::Sweep));
        let began = world.now;
        while !world.wants(Kind::Sweep) {
            world.now += seconds(1);
        }
        pauses.push(world.now.duration_since(began).as_secs());
    }
    assert_eq!(pauses, [15, 30, 60, 120, 240, 300], "and never more slowly than the interval");
    world.swept();
    assert_eq!((world.plan().status.devices.unwrap().remaining, world.facts.found.leftovers), (0, 0));
    assert_eq!(world.said(READY), "True Delivered");
}

#[test]
fn what_is_left_is_carried_over_while_no_sweep_has_ended() {
    let mut world = World::at_rest();
    world.swept_with(|tally| tally.round.left = 3);
    world.settle();
    world.restart();
    for look in [|_: &mut World| (), World::list as fn(&mut World), World::count] {
        look(&mut world);
        assert_eq!(world.plan().status.devices.unwrap().remaining, 3);
        assert!(world.said(READY).starts_with("False"));
    }
    // The next sweep has not ended, and the last one is still what is known.
    let mut world = World::at_rest();
    world.swept_with(|tally| tally.round.left = 3);
    world.now += seconds(16);
    world.run_sweep(Tally::default());
    assert_eq!(world.plan().status.devices.unwrap().remaining, 3);
    world.annotate(RENEW_REQUESTED_AT, "now");
    assert_eq!(world.plan().status.devices.unwrap().remaining, 3, "another sweep has not ended either");
}

#[test]
fn a_failed_sweep_is_tried_again_with_growing_pauses() {
    let mut world = World::at_rest();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        world.sweep_fails(away(Reason::HubUnavailable));
        assert!(!world.wants(Kind::Sweep));
        let began = world.now;
        world.now += minutes(5) + seconds(70);
        world.list();
        world.count();
        assert!(world.wants(Kind::Sweep));
        world.now = began;
        world.list();
        world.count();
        pauses.push(world.wake());
    }
    assert!(pauses.is_sorted() && pauses[0] <= seconds(2) && pauses[8] > minutes(3), "{pauses:?}");
}

#[test]
fn links_that_are_about_to_die_are_asked_for_first() {
    let mut world = due();
    assert!(!world.sweep().1.urgent);
    world.now = times(&world).0 - minutes(60 * 27);
    assert!(world.sweep().1.urgent, "less than half of the lead is left");
}
