//! What is stored, and which revision is the goal.

use blobrollout::{
    api::conditions::{READY, RECONCILING, Reason, STALLED},
    rollout::{
        fault::Fault,
        revision::Upkeep,
        task::{Kind, Task},
    },
};
use serde_json::json;

use crate::world::{PATH, World, at, away, minutes, seconds};

/// What is to be stored.
fn store(world: &World) -> Upkeep {
    let store = world.plan().tasks.into_iter().find_map(|task| match task {
        Task::Store(_, upkeep) => Some(*upkeep),
        _ => None,
    });
    store.unwrap_or_else(|| panic!("nothing is stored: {}", world.message()))
}

#[test]
fn new_content_is_stored_before_anybody_is_written() {
    let mut world = World::at_rest();
    world.asset("other");
    world.now += minutes(6);
    world.list();
    let upkeep = store(&world);
    assert_eq!((&upkeep.name, &*upkeep.asset.bytes), (&World::name("other"), &b"other"[..]));
    let metadata = upkeep.properties(world.now).metadata;
    assert_eq!((metadata.ts, metadata.first_ts), (Some(world.now), Some(world.now)));
    assert_eq!((metadata.uid.as_deref(), metadata.generation), (Some("uid-1"), Some(1)));
    assert!(!world.wants(Kind::Sweep), "what devices are to have is about to change");
    assert_eq!(world.said(READY), "False Progressing");
    assert_eq!(world.said(RECONCILING), "True Progressing");
    world.work_to_rest();
    assert_eq!(world.said(READY), "True Delivered");
    assert_eq!(world.fleet.linked(&world.uri("other")), 20);
}

#[test]
fn storing_rests_on_a_listing_that_is_later_than_all_that_was_stored() {
    let mut world = World::at_rest();
    world.asset("other");
    world.work();
    assert_eq!(world.kinds()[0], Kind::Inventory);
    assert!(!world.wants(Kind::Store), "it would be stored twice");
}

#[test]
fn going_back_to_earlier_content_moves_its_ts_past_every_other() {
    for clock in ["2026-11-24T12:00:00Z", "2026-11-01T00:00:00Z"] {
        let mut world = World::at_rest();
        let (first, latest) = (at("2026-11-24T10:00:00.1234567Z"), at("2026-11-24T11:00:00.5Z"));
        world.blob("other", latest);
        world.now = at(clock);
        world.list();
        let upkeep = store(&world);
        let metadata = upkeep.properties(world.now).metadata;
        let ts = metadata.ts.unwrap();
        assert!(ts > latest, "{clock}: {ts} is not later than {latest}");
        assert_eq!(ts.as_nanosecond() % 100, 0, "whole ticks");
        assert_eq!(metadata.first_ts, Some(first), "devices that never left it are told enough");
        assert!(upkeep.etag.is_some(), "the blob is there");
    }
}

#[test]
fn another_content_type_is_told_the_blob_and_the_twins_without_moving_ts() {
    let mut world = World::at_rest();
    let before = world.blobs[0].clone();
    world.edit(|spec| spec["contentType"] = json!("text/plain"));
    let upkeep = store(&world);
    let properties = upkeep.properties(world.now);
    assert_eq!(
        (properties.content_type.as_str(), properties.metadata.ts, upkeep.etag),
        ("text/plain", before.metadata.ts, Some(before.etag))
    );
    world.blobs[0].content_type = Some("text/plain".into());
    world.list();
    assert_eq!(world.sweep().0.goal.content_type, "text/plain");
    assert_eq!(world.said(READY), "False Progressing", "twins do not carry it yet");
}

#[test]
fn a_lower_generation_of_the_same_object_stores_nothing() {
    for (generation, stores) in [(Some(1), true), (Some(2), true), (Some(3), false), (None, true)] {
        let mut world = World::at_rest();
        world.edit(|spec| spec["contentType"] = json!("application/json"));
        world.blob("newer", world.now);
        world.blobs[1].metadata.generation = generation;
        world.list();
        assert_eq!(world.wants(Kind::Store), stores, "generation 2 after {generation:?}");
        assert_eq!(world.sweep_key().goal.name, World::name("newer"), "the latest is the goal all the same");
    }
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_no_revision() {
    let mut world = World::at_rest();
    world.blob("other", world.now);
    world.blobs[1].metadata.sha256 = Some("0".repeat(64));
    world.blob("elsewhere", world.now);
    world.blobs[2].name = format!("{PATH}/deeper/{}", world.blobs[2].metadata.sha256.clone().unwrap());
    world.blob("timeless", world.now);
    world.blobs[3].metadata.ts = None;
    world.list();
    assert_eq!(world.kinds(), []);
    assert_eq!(world.said(READY), "True Delivered");
}

#[test]
fn a_lost_source_is_told_and_what_is_stored_is_delivered_further() {
    let mut world = World::at_rest();
    world.facts.asset = Err(Fault::user(Reason::SourceUnavailable, "there is no ConfigMap"));
    assert_eq!(world.kinds(), []);
    assert_eq!(world.said(READY), "False SourceUnavailable");
    assert_eq!(world.said(STALLED), "True SourceUnavailable");
    world.now += minutes(6);
    assert!(world.wants(Kind::Sweep), "late joiners are served");
}

#[test]
fn a_revision_whose_blob_is_lost_is_stored_again_and_sends_nobody_back_to_an_earlier_one() {
    let mut world = World::at_rest();
    let whole = world.before();
    world.blobs.clear();
    world.blob("earlier", at("2026-11-01T00:00:00Z"));
    world.list();
    let metadata = store(&world).properties(world.now).metadata;
    assert_eq!(metadata.ts, Some(at("2026-11-24T10:00:00.1234567Z")), "nobody has to take it twice");
    world.store_fails(Fault::user(Reason::StorageRefused, "no"));
    world.now += seconds(30);
    let plan = world.plan();
    assert!(world.sweep_key().hold, "nobody is sent back");
    assert_eq!(
        (plan.status.asset, world.said(STALLED).as_str()),
        (whole.asset.clone(), "True StorageRefused")
    );
    // The same where there is nothing to store it from.
    world.facts.asset = Err(Fault::user(Reason::SourceUnavailable, "there is no ConfigMap"));
    assert!(world.sweep_key().hold && !world.wants(Kind::Store));
    world.asset("hello");
    world.edit(|spec| spec["suspend"] = json!(true));
    assert!(world.sweep_key().hold && !world.wants(Kind::Store));
    assert_eq!(world.plan().status.asset, whole.asset);
}

#[test]
fn while_storing_fails_the_stored_revision_is_kept_alive() {
    let mut world = World::at_rest();
    world.asset("other");
    world.store_fails(Fault::user(Reason::StorageRefused, "no"));
    world.now += seconds(30);
    assert_eq!(world.kinds(), []);
    assert_eq!(world.said(STALLED), "True StorageRefused");
    world.now += minutes(6);
    world.list();
    assert_eq!(world.sweep().0.goal.name, World::name("hello"));
    assert!(world.wants(Kind::Store), "and it is tried again");
    assert_eq!(world.said(STALLED), "True StorageRefused", "said until it is mended");
}

#[test]
fn storing_that_fails_for_a_moment_is_tried_again_with_growing_pauses() {
    let mut world = World::at_rest();
    world.asset("other");
    let mut pauses = Vec::new();
    for _ in 0..6 {
        world.store_fails(away(Reason::StorageUnavailable));
        assert!(!world.wants(Kind::Store));
        pauses.push(world.wake());
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[4], "{pauses:?}");
    assert_eq!(world.said(READY), "False StorageUnavailable");
}
