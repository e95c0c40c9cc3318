//! The annotations that ask for something, and the echoes that people wait for.

use blobrollout::{
    api::{
        RECONCILE_REQUESTED_AT, RENEW_REQUESTED_AT,
        conditions::{READY, RECONCILING, RENEWING, Reason},
    },
    fleet::Tally,
    rollout::task::Kind,
};
use serde_json::json;

use crate::world::{World, away, seconds};

/// The echo of a renewal.
fn renewed(world: &World) -> Option<String> {
    world.plan().status.sas.unwrap().last_handled_renew_request
}

/// The echo of a look at everything.
fn looked(world: &World) -> Option<String> {
    world.plan().status.last_handled_reconcile_request
}

#[test]
fn a_request_renews_every_link_at_once_and_ready_stays() {
    let mut world = World::at_rest();
    world.annotate(RENEW_REQUESTED_AT, "now");
    let (key, _) = world.sweep();
    assert_eq!(world.said(READY), "True Delivered");
    assert_eq!((world.said(RENEWING).as_str(), world.said(RECONCILING).as_str()), ("True Renewing", ""));
    assert_eq!(world.plan().status.sas.unwrap().devices_on_old_link, Some(20));
    // Another request while it runs is another sweep.
    world.annotate(RENEW_REQUESTED_AT, "again");
    assert_ne!(world.sweep().0, key);
}

#[test]
fn a_renewal_is_echoed_when_no_device_is_left_on_an_older_link() {
    let mut world = World::at_rest();
    world.annotate(RENEW_REQUESTED_AT, "now");
    assert_eq!(renewed(&world), None, "not done yet");
    world.run_sweep(Tally { written: 7, ..Tally::default() });
    assert_eq!(renewed(&world), None, "under way");
    world.stop_sweep();
    world.sweep_fails(away(Reason::HubUnavailable));
    assert_eq!(renewed(&world), None, "failed");
    world.swept_with(|tally| tally.round.left = 1);
    assert_eq!(renewed(&world), None, "one is left");
    world.now += seconds(15);
    world.work_to_rest();
    assert_eq!(renewed(&world).as_deref(), Some("now"));
    // A restart and a later request keep it until that is done.
    world.restart();
    assert_eq!(renewed(&world).as_deref(), Some("now"));
    world.annotate(RENEW_REQUESTED_AT, "later");
    world.list();
    assert_eq!(renewed(&world).as_deref(), Some("now"));
    world.work_to_rest();
    assert_eq!(renewed(&world).as_deref(), Some("later"));
}

#[test]
fn a_suspended_rollout_follows_a_request_for_renewal() {
    let mut world = World::at_rest();
    world.edit(|spec| spec["suspend"] = json!(true));
    world.annotate(RENEW_REQUESTED_AT, "now");
    assert!(world.sweep().0.hold);
    assert_eq!(renewed(&world), None);
    world.work_to_rest();
    assert_eq!(renewed(&world).as_deref(), Some("now"));
    assert_eq!(world.said(READY), "True Delivered");
}

#[test]
fn a_request_to_look_has_everything_looked_at_again_with_nothing_lost() {
    let mut world = World::at_rest();
    world.annotate(RECONCILE_REQUESTED_AT, "now");
    let mut plan = world.plan();
    assert_eq!(world.kinds(), [Kind::Inventory, Kind::Count, Kind::Sweep]);
    assert_eq!((world.said(READY).as_str(), world.said(RECONCILING).as_str()), ("True Delivered", ""));
    assert_eq!(plan.status.last_handled_reconcile_request, None);
    for step in [World::list as fn(&mut World), World::count, World::swept] {
        assert_eq!(looked(&world), None);
        step(&mut world);
    }
    plan.status.last_handled_reconcile_request = Some("now".into());
    assert_eq!((world.kinds(), world.plan().status), (vec![], plan.status), "nothing else has changed");
}

#[test]
fn a_look_that_fails_is_a_look() {
    let mut world = World::at_rest();
    world.annotate(RECONCILE_REQUESTED_AT, "now");
    world.list_fails(away(Reason::StorageUnavailable));
    world.count_fails(away(Reason::HubUnavailable));
    assert_eq!(looked(&world), None);
    world.sweep_fails(away(Reason::HubUnavailable));
    assert_eq!(looked(&world).as_deref(), Some("now"));
}

#[test]
fn a_look_is_over_where_a_rollout_may_do_no_more() {
    // A path of another object is only listed, and a suspended rollout has nobody to sweep.
    let mut world = World::at_rest();
    world.annotate(RECONCILE_REQUESTED_AT, "now");
    world.edit(|spec| spec["suspend"] = json!(true));
    world.list();
    world.count();
    assert_eq!(looked(&world).as_deref(), Some("now"));
    let mut world = World::at_rest();
    world.annotate(RECONCILE_REQUESTED_AT, "now");
    world.blobs[0].metadata.uid = Some("uid-2".into());
    world.blobs[0].metadata.created = Some(world.now);
    world.list();
    assert_eq!((world.said(READY).as_str(), looked(&world).as_deref()), ("False PathShared", Some("now")));
}
