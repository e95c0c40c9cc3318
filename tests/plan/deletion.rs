//! A rollout that is being deleted.

use blobrollout::{
    api::conditions::{READY, RECONCILING, Reason, STALLED},
    rollout::schedule::may_go_on,
};
use serde_json::json;

use crate::world::{World, away, minutes};

/// Somebody else's finalizer holds the object.
fn delete(world: &mut World) {
    world.object["metadata"]["finalizers"] = json!(["somebody.example/else"]);
    world.object["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z");
}

#[test]
fn nobody_gets_anything_from_a_rollout_that_is_being_deleted() {
    let mut world = World::at_rest();
    world.restart();
    assert_ne!(world.kinds(), []);
    delete(&mut world);
    for broken in [false, true] {
        if broken {
            world.facts.account = Err(away(Reason::StorageUnavailable));
            world.facts.hub = Err(away(Reason::HubUnavailable));
            world.edit(|spec| spec["target"] = json!({}));
        }
        world.now += minutes(60 * 24 * 30);
        assert_eq!(world.kinds(), []);
        assert_eq!(world.said(READY), "False Terminating");
        assert_eq!((world.said(RECONCILING).as_str(), world.said(STALLED).as_str()), ("", ""));
    }
}

#[test]
fn a_deletion_stops_a_sweep_at_once_and_keeps_what_is_known() {
    let mut world = World::at_rest();
    let (key, before) = (world.sweep_key(), world.before());
    assert!(may_go_on(&key, &world.read()));
    delete(&mut world);
    assert!(!may_go_on(&key, &world.read()));
    let status = world.plan().status;
    assert_eq!((status.devices, status.asset, status.sas), (before.devices, before.asset, before.sas));
}
