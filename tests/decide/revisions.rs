//! What is stored, and which revision is the goal.

use std::time::Duration;

use blobrollout::{
    api::{
        BlobRolloutStatus,
        conditions::{READY, RECONCILING, Reason, STALLED},
    },
    controller::{decide::Step, fault::Fault, revision::Upkeep},
    follow::Follow,
};
use serde_json::json;

use crate::world::{World, at, minutes};

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
