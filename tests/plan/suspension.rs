//! A rollout that is suspended, and the brake: what stops a sweep whatever else is broken.

use blobrollout::{
    api::conditions::{ACKNOWLEDGED, READY, RECONCILING, Reason, STALLED, SUSPENDED},
    fleet::Counts,
    rollout::{
        fault::Fault,
        schedule::may_go_on,
        task::{Kind, SweepKey, Task},
    },
};
use serde_json::{Value, json};

use crate::world::{World, at, away, minutes, seconds};

type Change = fn(&mut World);

fn suspend(world: &mut World) {
    world.edit(|spec| spec["suspend"] = json!(true));
}

/// Whether a sweep for `key` is among what is wanted.
fn goes_on(world: &World, key: &SweepKey) -> bool {
    world.plan().tasks.iter().any(|task| matches!(task, Task::Sweep(wanted, _) if wanted == key))
}

#[test]
fn the_brake_stops_a_sweep_whatever_else_is_broken() {
    let brakes: [(&str, Change); 4] = [
        ("suspended", suspend),
        ("deleted", |world| world.object["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z")),
        ("another target", |world| {
            world.edit(|spec| spec["target"]["query"] = json!("tags.site = 'plant-b'"));
        }),
        ("ids", |world| world.edit(|spec| spec["target"] = json!({"deviceIds": ["sensor-1"]}))),
    ];
    let troubles: [(&str, Change); 9] = [
        ("nothing", |_| ()),
        ("no account", |world| world.facts.account = Err(away(Reason::CredentialUnavailable))),
        ("no hub", |world| world.facts.hub = Err(Fault::user(Reason::CredentialUnavailable, "no"))),
        ("storage away", |world| world.list_fails(away(Reason::StorageUnavailable))),
        ("hub away", |world| world.count_fails(away(Reason::HubUnavailable))),
        ("uncounted", |world| world.found().count = blobrollout::rollout::found::Record::default()),
        ("no asset", |world| world.facts.asset = Err(Fault::user(Reason::SourceUnavailable, "no"))),
        ("invalid source", |world| world.edit(|spec| spec["source"] = json!({"inline": {"base64": "?"}}))),
        ("invalid links", |world| world.edit(|spec| spec["sas"] = json!({"lifetime": "7d"}))),
    ];
    for (brake, stop) in brakes {
        for (trouble, disturb) in troubles {
            let mut world = World::at_rest();
            world.fleet.targeted = 2000;
            world.count();
            world.found().sweep = blobrollout::rollout::found::Record::default();
            let (key, _) = world.sweep();
            world.run_sweep(blobrollout::fleet::Tally::default());
            assert!(goes_on(&world, &key) && may_go_on(&key, &world.read()));
            disturb(&mut world);
            stop(&mut world);
            assert!(!goes_on(&world, &key), "{brake}, {trouble}");
            assert!(!may_go_on(&key, &world.read()), "{brake}, {trouble}: at once");
        }
    }
}

#[test]
fn only_the_brake_stops_a_sweep_at_once() {
    let mut world = World::at_rest();
    let key = world.sweep_key();
    world.edit(|spec| {
        spec["source"] = json!({"inline": {"base64": "?"}});
        spec["interval"] = json!("never");
        spec["sas"] = json!({"lifetime": "7d"});
    });
    assert!(may_go_on(&key, &world.read()), "the next plan decides");
    world.object["metadata"]["uid"] = json!("uid-2");
    assert!(!may_go_on(&key, &world.read()), "an object that was made again is another one");
    // Who holds its devices narrows what it does by itself.
    let mut world = World::at_rest();
    suspend(&mut world);
    let key = world.sweep_key();
    world.edit(|spec| spec["target"] = json!({}));
    assert!(may_go_on(&key, &world.read()));
    world.object["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z");
    assert!(!may_go_on(&key, &world.read()));
}

#[test]
fn a_suspended_rollout_gives_no_new_revision_and_speaks_of_the_links_that_devices_hold() {
    let mut world = World::at_rest();
    world.asset("newest");
    suspend(&mut world);
    assert!(!world.wants(Kind::Store) && world.sweep_key().hold);
    assert_eq!(
        (world.said(READY).as_str(), world.said(SUSPENDED).as_str()),
        ("True Delivered", "True Suspended")
    );
    assert_eq!((world.said(RECONCILING).as_str(), world.said(STALLED).as_str()), ("", ""));
    assert_eq!(world.said(ACKNOWLEDGED), "True AllReceived");
    // A lost source is nothing to it.
    world.facts.asset = Err(Fault::user(Reason::SourceUnavailable, "there is no ConfigMap"));
    assert_eq!(world.said(READY), "True Delivered");
    // Links that do not open their blob are.
    world.rotate_key();
    world.list();
    assert_eq!(world.said(READY), "False Progressing");
    world.work_to_rest();
    assert_eq!(world.said(READY), "True Delivered");
}

#[test]
fn a_suspended_rollout_that_has_delivered_nothing_is_not_ready() {
    let mut world = World::at_rest();
    world.fleet = Counts { targeted: 20, ..Counts::default() };
    suspend(&mut world);
    world.count();
    assert_eq!(world.said(READY), "False Suspended");
    assert_eq!((world.said(RECONCILING).as_str(), world.said(STALLED).as_str()), ("", ""));
    assert_eq!(world.kinds(), []);
    // Neither where nothing is stored.
    world.blobs.clear();
    world.object["status"] = json!({});
    world.list();
    assert_eq!(world.said(READY), "False Suspended");
}

#[test]
fn devices_keep_the_revision_that_they_hold_when_links_are_renewed() {
    let mut world = World::at_rest();
    world.blob("earlier", at("2026-11-01T00:00:00Z"));
    let old = world.now;
    world.fleet.held = vec![world.holding("hello", old, 15), world.holding("earlier", old, 5)];
    suspend(&mut world);
    world.list();
    world.work_to_rest();
    world.now += minutes(60 * 24 * 6);
    world.work_to_rest();
    let (hello, earlier) = (world.uri("hello"), world.uri("earlier"));
    assert_eq!((world.fleet.linked(&hello), world.fleet.linked(&earlier)), (15, 5));
    assert!(world.fleet.first_expiry(|_| true).unwrap() > world.now + minutes(60 * 56));
}

#[test]
fn the_number_of_stored_revisions_costs_a_suspended_rollout_nothing() {
    let mut world = World::at_rest();
    for n in 0..80 {
        world.blob(&format!("revision {n}"), at("2026-11-01T00:00:00Z"));
    }
    world.fleet.held = vec![world.holding("hello", world.now, 18), world.holding("revision 3", world.now, 2)];
    suspend(&mut world);
    world.work_to_rest();
    for _ in 0..12 {
        world.now += minutes(5);
        assert!(!world.wants(Kind::Sweep), "every link is good");
        world.work();
    }
    world.now += minutes(60 * 24 * 6);
    let (key, input) = world.sweep();
    assert_eq!((key.hold, input.revisions.len()), (true, 81));
    let mut held = [world.uri("hello"), world.uri("revision 3")];
    held.sort();
    assert_eq!(input.held, held, "queries name only what devices hold");
}

#[test]
fn a_link_to_a_blob_that_is_gone_is_no_reason_to_sweep_a_suspended_fleet_again_and_again() {
    let mut world = World::at_rest();
    suspend(&mut world);
    world.fleet.held.push(world.holding("gone", at("2026-10-01T00:00:00Z"), 3));
    world.count();
    world.swept();
    world.now += seconds(20);
    world.count();
    assert_eq!(world.kinds(), []);
}

#[test]
fn links_live_on_while_nobody_can_count_them() {
    let mut world = World::at_rest();
    suspend(&mut world);
    world.restart();
    world.list();
    assert!(!world.wants(Kind::Sweep), "the count comes first");
    world.count_fails(away(Reason::HubUnavailable));
    let (key, input) = world.sweep();
    assert_eq!((key.hold, input.held), (true, vec![world.uri("hello")]));
}

#[test]
fn ending_a_suspension_goes_on_with_the_rollout() {
    let mut world = World::at_rest();
    world.asset("newest");
    suspend(&mut world);
    world.work_to_rest();
    world.edit(|spec: &mut Value| spec["suspend"] = json!(false));
    assert!(world.wants(Kind::Store));
    assert_eq!((world.said(READY).as_str(), world.said(SUSPENDED).as_str()), ("False Progressing", ""));
    world.work_to_rest();
    assert_eq!(world.said(READY), "True Delivered");
}
