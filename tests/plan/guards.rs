//! What keeps devices from a revision, and never from their links.

use blobrollout::{
    api::conditions::{READY, Reason, STALLED},
    rollout::task::Kind,
};
use serde_json::json;

use crate::world::{World, away, minutes, seconds, thousand_ids};

#[test]
fn the_fleet_is_counted_before_the_first_write() {
    let mut world = World::at_rest();
    world.restart();
    world.list();
    assert_eq!(world.kinds(), [Kind::Count]);
    world.count();
    let (key, _) = world.sweep();
    assert!(!key.hold);
    // The number of ids is known.
    world.restart();
    world.edit(|spec| spec["target"] = thousand_ids());
    world.list();
    assert_eq!(world.kinds(), [Kind::Count, Kind::Sweep]);
    assert!(!world.sweep().0.hold);
}

#[test]
fn more_devices_than_allowed_are_not_written_but_links_live_on() {
    for target in [json!({"query": "a = 1", "maxDevices": 19}), {
        let mut ids = thousand_ids();
        ids["maxDevices"] = json!(19);
        ids
    }] {
        let mut world = World::at_rest();
        world.edit(|spec| spec["target"] = target);
        world.count();
        assert!(world.sweep_key().hold);
        assert_eq!(
            (world.said(READY).as_str(), world.said(STALLED).as_str()),
            ("False TooManyDevices", "True TooManyDevices")
        );
        assert!(!world.wants(Kind::Sweep), "every link is good");
        world.now = world.plan().status.sas.unwrap().renewal_time.unwrap().0 + seconds(1);
        assert!(world.sweep().0.hold, "and is renewed in time");
        world.edit(|spec| spec["target"]["maxDevices"] = json!(1000));
        assert!(!world.sweep_key().hold);
    }
}

#[test]
fn the_guard_looks_at_the_fleet_as_it_is_now() {
    let mut world = World::at_rest();
    world.edit(|spec| spec["target"]["maxDevices"] = json!(20));
    world.now += minutes(5);
    assert!(
        world.wants(Kind::Count) && !world.wants(Kind::Sweep),
        "a sweep is due, and the last count is old"
    );
    world.fleet.targeted = 2000;
    world.count();
    assert!(world.sweep_key().hold, "2000 devices match by now");
    world.fleet.targeted = 20;
    world.count();
    world.now += seconds(10);
    assert!(!world.sweep().0.hold);
    // One that has begun goes on.
    let key = world.sweep_key();
    world.run_sweep(blobrollout::fleet::Tally::default());
    world.now += minutes(3);
    assert_eq!(world.sweep().0, key);
    world.stop_sweep();
    assert!(!world.wants(Kind::Sweep));
}

#[test]
fn a_sweep_that_failed_waits_for_a_fresh_count_and_for_what_is_stored_like_others() {
    let mut world = World::at_rest();
    world.edit(|spec| {
        spec["target"]["maxDevices"] = json!(20);
        spec["interval"] = json!("24h");
    });
    world.sweep_fails(away(Reason::HubUnavailable));
    world.now += minutes(30);
    assert!(!world.wants(Kind::Sweep), "by now the target may pick the whole hub");
    let mut world = World::at_rest();
    world.asset("other");
    world.sweep_fails(away(Reason::HubUnavailable));
    world.now += minutes(4);
    assert_eq!(world.kinds(), [Kind::Store], "nobody gets the former revision now");
}

#[test]
fn a_lifetime_too_short_for_the_fleet_is_refused_with_the_arithmetic() {
    let mut world = World::at_rest();
    world.edit(|spec| spec["sas"] = json!({"lifetime": "20m"}));
    assert_eq!(world.said(STALLED), "True LifetimeTooShort");
    let message = world.message();
    assert!(message.contains("20m") && message.contains("at least 30m"), "{message}");
    assert!(world.sweep().0.hold, "links are renewed as well as they can be");
    world.edit(|spec| spec["sas"] = json!({"lifetime": "31m"}));
    assert!(!world.sweep().0.hold);
}

#[test]
fn the_lead_is_no_less_than_a_sweep_of_the_fleet_takes() {
    let mut world = World::at_rest();
    let lead = |world: &World| {
        let sas = world.plan().status.sas.unwrap();
        sas.expiry_time.unwrap().0.duration_since(sas.renewal_time.unwrap().0).as_secs()
    };
    world.edit(|spec| spec["sas"] = json!({"lifetime": "168h", "renewBefore": "1m"}));
    assert_eq!(
        lead(&world),
        15 * 60 + 4,
        "20 twins in a query of 3.75 s, in whole seconds, and the allowance for clocks"
    );
    // A million twins are found at 16 pages a minute in 625 minutes, and written at 40 a second in 417.
    world.numbers(1_000_000, 1_000_000, 1_000_000, 0);
    world.count();
    assert_eq!(lead(&world), (625 + 15) * 60);
}
