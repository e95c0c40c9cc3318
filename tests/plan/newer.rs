//! What others have written: blobs of other objects, and blobs that the inventory does not know.

use blobrollout::{
    api::conditions::{READY, RECONCILING, Reason, STALLED},
    rollout::task::{Kind, Task},
};
use serde_json::json;

use crate::world::{World, at, minutes, seconds};

/// Another object's blob lies beside ours.
fn beside(created: Option<&str>, ts: &str) -> World {
    let mut world = World::at_rest();
    world.blob("theirs", at(ts));
    let metadata = &mut world.blobs[1].metadata;
    metadata.uid = Some("uid-2".into());
    metadata.created = created.map(at);
    world.list();
    world
}

#[test]
fn a_path_that_a_later_object_uses_is_left_to_it() {
    for (created, ts, shared) in [
        (Some("2026-11-24T09:30:00Z"), "2026-11-24T11:00:00Z", true),
        (Some("2026-11-24T09:30:00Z"), "2026-11-24T09:59:00Z", true),
        // Created in the same second: the uid decides, so that one of the two goes on.
        (Some("2026-11-24T09:00:00Z"), "2026-11-24T11:00:00Z", true),
        (Some("2026-11-24T08:00:00Z"), "2026-11-24T11:00:00Z", false),
        // It does not say when its object was created.
        (None, "2026-11-24T09:00:01Z", true),
        (None, "2026-11-24T08:59:59Z", false),
    ] {
        let mut world = beside(created, ts);
        let case = format!("{created:?} {ts}");
        assert_eq!(world.said(READY) == "False PathShared", shared, "{case}");
        if shared {
            assert_eq!(world.said(STALLED), "True PathShared");
            world.asset("other");
            world.now += minutes(6);
            world.annotate("blobrollout.dev/renewRequestedAt", "now");
            assert_eq!(world.kinds(), [Kind::Inventory], "{case}: whether it is still there");
            world.blobs.pop();
            world.list();
            assert_eq!(world.kinds()[0], Kind::Store, "{case}: nobody else is there any more");
        }
    }
}

#[test]
fn the_later_of_two_objects_goes_on() {
    let mut world = beside(Some("2026-11-24T08:00:00Z"), "2026-11-24T11:59:00Z");
    assert_eq!(world.said(READY), "False Progressing");
    world.work_to_rest();
    assert_eq!(
        (world.said(READY).as_str(), world.sweep_key().goal.name),
        ("True Delivered", World::name("hello"))
    );
}

#[test]
fn a_blob_that_an_earlier_object_left_becomes_the_new_ones() {
    let mut world = World::at_rest();
    let before = world.blobs[0].clone();
    world.restart();
    world.object["metadata"]["uid"] = json!("uid-2");
    world.object["metadata"]["creationTimestamp"] = json!("2026-11-24T11:59:00Z");
    world.object["status"] = json!({});
    // A blob of an older release does not say when its object was created, or when it first was the goal.
    for (created, first) in [(before.metadata.created, before.metadata.first_ts), (None, None)] {
        world.blobs[0].metadata.created = created;
        world.blobs[0].metadata.first_ts = first;
        world.list();
        let plan = world.plan();
        let store = plan.tasks.iter().find_map(|task| match task {
            Task::Store(_, upkeep) => Some(upkeep),
            _ => None,
        });
        let metadata = store.unwrap().properties(world.now).metadata;
        assert_eq!(
            (metadata.uid.as_deref(), metadata.created),
            (Some("uid-2"), Some(at("2026-11-24T11:59:00Z")))
        );
        assert_eq!(
            (metadata.ts, metadata.first_ts),
            (before.metadata.ts, before.metadata.ts),
            "as old as it was"
        );
    }
}

#[test]
fn a_twin_that_links_to_an_unknown_blob_has_the_inventory_read_again_and_then_is_swept() {
    let mut world = World::at_rest();
    let unknown = world.uri("unknown");
    world.now += seconds(1);
    world.swept_with(|tally| {
        tally.round.newer = 1;
        tally.round.left = 1;
        tally.round.unknown(unknown.clone());
    });
    world.now += seconds(1);
    assert_eq!(world.kinds(), [Kind::Inventory]);
    assert_eq!(world.said(READY), "False Progressing");
    world.list();
    let (key, input) = world.sweep();
    assert!(input.gone.contains(&unknown), "it is still not there: somebody deleted it");
    assert_eq!(key.goal.name, World::name("hello"));
    // The listing has it: somebody with a later spec made it the goal.
    world.blob("unknown", world.now);
    world.blobs[1].metadata.generation = Some(2);
    world.list();
    let (key, input) = world.sweep();
    assert_eq!((input.gone.len(), key.goal.name), (0, World::name("unknown")));
    assert!(!world.wants(Kind::Store), "this spec is the older one");
}

#[test]
fn a_blob_is_gone_only_after_a_listing_that_is_later_than_its_sighting() {
    let mut world = World::at_rest();
    let unknown = world.uri("unknown");
    world.now += minutes(6);
    world.swept_with(|tally| tally.round.unknown(unknown.clone()));
    world.now += minutes(6);
    assert!(world.sweep().1.gone.is_empty(), "the listing is the older one");
    world.list();
    assert!(world.sweep().1.gone.contains(&unknown));
}

#[test]
fn a_property_that_somebody_else_keeps_writing_is_told_and_causes_no_sweep_of_its_own() {
    let mut world = World::at_rest();
    world.swept_with(|tally| {
        tally.round.left = 2;
        tally.round.contested = 2;
        tally.round.sample("sensor-1", "somebody else wrote it right after");
    });
    assert_eq!(world.said(READY), format!("False {}", Reason::Contested.as_str()));
    assert_eq!(world.said(RECONCILING), "True Contested");
    assert_eq!(world.plan().status.failures[0].device_id, "sensor-1");
    world.now += minutes(4);
    assert!(!world.wants(Kind::Sweep));
}
