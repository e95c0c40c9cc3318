//! Sections of the spec that fail apart, and what only a user can mend.

use blobrollout::{
    api::conditions::{ACKNOWLEDGED, READY, RECONCILING, Reason, STALLED},
    fleet::Target,
    rollout::{
        fault::Fault,
        task::{Kind, Task},
    },
};
use serde_json::{Value, json};

use crate::world::{World, account, hub, minutes, seconds};

type Edit = fn(&mut Value);

/// How each section can be wrong although the object was admitted.
const INVALID: [(&str, Edit); 9] = [
    ("spec.source.inline.base64", |spec| spec["source"] = json!({"inline": {"base64": "?"}})),
    ("spec.source", |spec| spec["source"] = json!({})),
    ("spec.contentType", |spec| spec["contentType"] = json!(" text/plain")),
    ("spec.interval", |spec| spec["interval"] = json!("5 minutes")),
    ("spec.sas.lifetime", |spec| spec["sas"] = json!({"lifetime": "7d"})),
    ("spec.hub.sku.name", |spec| spec["hub"]["sku"] = json!({"name": "B1"})),
    ("spec.target", |spec| spec["target"] = json!({"query": "a = 'x"})),
    ("spec.target", |spec| spec["target"] = json!({})),
    ("spec.target.maxDevices", |spec| spec["target"]["maxDevices"] = json!(0)),
];

/// The source as it is observed where its section says nothing that can be read.
fn observe(world: &mut World) {
    if let Err(error) = world.rollout().spec.source {
        world.facts.asset = Err(Fault::user(Reason::InvalidSpec, error.to_string()));
    }
}

#[test]
fn whatever_section_is_invalid_links_are_renewed() {
    for (field, spoil) in INVALID {
        let mut world = World::at_rest();
        world.edit(spoil);
        observe(&mut world);
        assert_eq!(world.said(READY), "False InvalidSpec", "{field}");
        assert_eq!(
            (world.said(STALLED).as_str(), world.said(RECONCILING).as_str()),
            ("True InvalidSpec", "")
        );
        assert!(world.message().starts_with(&format!("{field}: ")), "{}", world.message());
        // Four weeks pass.
        let end = world.now + minutes(60 * 24 * 28);
        while world.now < end {
            let plan = world.plan();
            assert!(plan.tasks.iter().all(|task| task.kind() != Kind::Store), "{field}");
            let first = world.fleet.first_expiry(|_| true).unwrap();
            assert!(first > world.now + minutes(60 * 55), "{field}: {first} at {}", world.now);
            if !world.work() {
                world.now = world.plan().wake.max(world.now + minutes(60));
            }
        }
        assert_eq!(world.fleet.linked(&world.uri("hello")), 20);
        assert_eq!(world.said(READY), "False InvalidSpec", "{field}");
    }
}

#[test]
fn a_target_that_cannot_be_used_gives_nobody_a_link_and_takes_it_from_nobody() {
    let refused = Fault::user(Reason::QueryRefused, "near 'x'");
    let mut invalid = World::at_rest();
    invalid.edit(|spec| spec["target"] = json!({"query": "a = 'x"}));
    let mut other = World::at_rest();
    other.edit(|spec| spec["target"] = json!({"query": "a = x"}));
    other.count_fails(refused);
    for (mut world, reason) in [(invalid, "InvalidSpec"), (other, "QueryRefused")] {
        assert_eq!(world.said(STALLED), format!("True {reason}"));
        world.now += seconds(30);
        world.restart();
        world.list();
        if reason == "QueryRefused" {
            world.count_fails(Fault::user(Reason::QueryRefused, "near 'x'"));
        }
        let (key, input) = world.sweep();
        assert_eq!(
            (key.hold, key.target),
            (true, Target::all()),
            "whoever holds a link of ours keeps it alive"
        );
        assert_eq!(input.held, [world.uri("hello")]);
        // A mended one goes on at once.
        world.edit(|spec| spec["target"] = json!({"query": "a = 1"}));
        assert_eq!(world.kinds(), [Kind::Count]);
    }
}

#[test]
fn an_invalid_section_changes_nothing_that_is_known() {
    for (field, spoil) in INVALID {
        let mut world = World::at_rest();
        let before = world.before();
        world.edit(spoil);
        observe(&mut world);
        let status = world.plan().status;
        assert_eq!(
            (status.devices, status.asset, status.hub),
            (before.devices, before.asset, before.hub),
            "{field}"
        );
        assert_eq!(status.sas.unwrap().expiry_time, before.sas.unwrap().expiry_time, "{field}");
        if field != "spec.target" {
            assert_eq!(world.said(ACKNOWLEDGED), "True AllReceived", "{field}");
        }
    }
}

#[test]
fn an_invalid_content_type_stores_nothing_and_is_given_to_nobody() {
    let mut world = World::at_rest();
    world.edit(|spec| spec["contentType"] = json!(" text/plain"));
    world.asset("other");
    world.list();
    assert!(!world.wants(Kind::Store));
    assert_eq!(world.sweep_key().goal.content_type, "application/json");
}

#[test]
fn every_fault_is_told_the_worst_first() {
    let mut world = World::at_rest();
    world.edit(|spec| {
        spec["source"] = json!({"inline": {"base64": "?"}});
        spec["target"] = json!({});
    });
    world.facts.hub = Err(Fault::user(Reason::CredentialUnavailable, "no Secret"));
    assert_eq!(world.said(READY), "False CredentialUnavailable", "without it no link is renewed");
    world.facts.hub = World::at_rest().facts.hub;
    assert!(world.message().starts_with("spec.source.inline"));
}

#[test]
fn a_refusal_takes_ready_and_is_tried_again_once_a_minute() {
    for (fail, reason) in [
        (
            (|world| world.list_fails(Fault::user(Reason::StorageRefused, "403"))) as fn(&mut World),
            "StorageRefused",
        ),
        (|world| world.count_fails(Fault::user(Reason::HubRefused, "401")), "HubRefused"),
        (|world| world.sweep_fails(Fault::user(Reason::HubRefused, "401")), "HubRefused"),
    ] {
        let mut world = World::at_rest();
        fail(&mut world);
        assert_eq!(
            (world.said(READY), world.said(STALLED)),
            (format!("False {reason}"), format!("True {reason}"))
        );
        assert_eq!((world.said(RECONCILING).as_str(), world.kinds()), ("", vec![]));
        assert!(world.wake() <= minutes(1));
        world.now += minutes(1);
        assert_ne!(world.kinds(), []);
    }
}

#[test]
fn a_hub_that_is_not_the_one_of_the_beginning_is_told_and_nobody_there_is_asked() {
    let mut world = World::at_rest();
    world.facts.hub = Ok(hub("HUB.azure-devices.net", "a2V5MQ=="));
    assert_ne!(world.said(READY), "False HubChanged", "names of hosts have no case");
    world.facts.hub = Ok(hub("other.azure-devices.net", "a2V5MQ=="));
    world.now += minutes(6);
    assert_eq!(
        (world.said(READY).as_str(), world.said(STALLED).as_str()),
        ("False HubChanged", "True HubChanged")
    );
    assert!(world.message().contains("hub.azure-devices.net"), "{}", world.message());
    assert_eq!(world.kinds(), [Kind::Inventory]);
    assert_eq!(world.plan().status.hub.unwrap().host_name, "hub.azure-devices.net");
    // A name that was mistyped and has never answered binds nobody.
    world.restart();
    world.object["status"]["hub"] = Value::Null;
    assert_ne!(world.said(READY), "False HubChanged");
    assert_eq!(world.plan().status.hub, None);
}

#[test]
fn an_account_that_is_not_the_one_of_the_beginning_is_told_and_nothing_is_stored_there() {
    let mut world = World::at_rest();
    world.facts.account = Ok(account("other", "a2V5MQ=="));
    world.asset("new");
    world.now += minutes(6);
    assert_eq!(world.said(READY), "False StorageChanged");
    assert_eq!(world.said(STALLED), "True StorageChanged");
    assert!(world.message().contains("account.blob.core.windows.net"), "{}", world.message());
    assert_eq!(world.kinds(), []);
    assert!(world.plan().status.asset.unwrap().uri.starts_with("https://account."));
}

#[test]
fn what_could_not_be_seen_for_a_moment_is_looked_at_soon() {
    let mut world = World::at_rest();
    world.facts.asset = Err(crate::world::away(Reason::SourceUnavailable));
    let mut pauses = Vec::new();
    for unseen in [1, 4, 8, 40] {
        world.facts.unseen = unseen;
        pauses.push(world.wake());
        assert_eq!(world.said(READY), "True Delivered", "what is delivered stays so");
    }
    assert!(pauses[0] <= seconds(2) && pauses.is_sorted() && pauses[1] < pauses[2], "{pauses:?}");
    assert!(world.plan().tasks.iter().all(|task| !matches!(task, Task::Store(..))));
}
