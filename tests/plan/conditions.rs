//! What the conditions say.

use blobrollout::{
    api::conditions::{
        ACKNOWLEDGED, DEVICES_REFUSED, HUB_UNAVAILABLE, READY, RECONCILING, RENEWING, Reason, STALLED,
        STORAGE_UNAVAILABLE, SUSPENDED,
    },
    fleet::Tally,
    rollout::task::Kind,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{World, away, minutes, seconds};

/// When the first link dies.
fn expiry(world: &World) -> Timestamp {
    world.plan().status.sas.unwrap().expiry_time.unwrap().0
}

#[test]
fn ready_is_false_from_the_instant_at_which_the_first_link_dies() {
    for restarted in [false, true] {
        let mut world = World::at_rest();
        let dies = expiry(&world);
        world.now = dies - seconds(3);
        if restarted {
            world.restart();
            world.list();
            world.count_fails(away(Reason::HubUnavailable));
        } else {
            world.list();
            world.hub_away();
        }
        assert_eq!(world.said(READY), "True Delivered", "{restarted}");
        assert_eq!(world.said(HUB_UNAVAILABLE), "True HubUnavailable");
        assert!(world.plan().wake <= dies, "{restarted}");
        world.now = dies - seconds(1);
        assert_eq!(world.said(READY), "True Delivered", "{restarted}");
        world.now = dies;
        assert_eq!(world.said(READY), "False LinksExpired", "{restarted}");
        assert_eq!(world.said(RECONCILING), "True LinksExpired");
        assert!(world.message().contains("away"), "{}", world.message());
        world.settle();
        world.now += minutes(60);
        assert_eq!(world.said(READY), "False LinksExpired", "{restarted}: and it stays so");
        world.work_to_rest();
        assert_eq!(world.said(READY), "True Delivered", "{restarted}: until they are renewed");
    }
}

#[test]
fn the_plan_looks_again_when_the_first_link_dies_whatever_can_be_asked() {
    for blind in [false, true] {
        let mut world = World::at_rest();
        let dies = expiry(&world);
        world.edit(|spec| spec["interval"] = json!("24h"));
        world.settle();
        if blind {
            world.restart();
            world.facts.hub = Err(away(Reason::CredentialUnavailable));
            world.facts.unseen = 20;
        }
        world.now = dies - seconds(30);
        world.list();
        if !blind {
            (0..12).for_each(|_| world.hub_away());
        }
        assert_eq!((world.kinds(), world.plan().wake), (vec![], dies), "{blind}");
        world.now = dies;
        assert_eq!(world.said(READY), "False LinksExpired", "{blind}");
    }
}

#[test]
fn what_nobody_knows_is_unknown() {
    let mut world = World::at_rest();
    world.restart();
    // A wiped status, and one that does not say when the first link dies.
    let mut undated = world.object["status"].clone();
    undated["sas"] = Value::Null;
    for status in [Value::Null, json!({}), undated] {
        let mut world = world.clone();
        world.object["status"] = status.clone();
        for (disturb, ready) in [
            ((|_| ()) as fn(&mut World), "Unknown Progressing"),
            (|world| world.list_fails(away(Reason::StorageUnavailable)), "Unknown StorageUnavailable"),
            (World::list, "Unknown Progressing"),
            (|world| world.count_fails(away(Reason::HubUnavailable)), "Unknown HubUnavailable"),
        ] {
            disturb(&mut world);
            for _ in 0..3 {
                assert_eq!(world.said(READY), ready, "{status}");
                assert!(world.said(RECONCILING).starts_with("True"));
                assert_eq!(world.plan().status.sas.unwrap_or_default().expiry_time, None);
                world.settle();
            }
        }
        world.now += minutes(6);
        world.work_to_rest();
        assert_eq!(world.said(READY), "True Delivered");
    }
}

#[test]
fn what_goes_on_beside_a_ready_that_is_true_has_a_condition_of_its_own() {
    for (kind, reason, disturb) in [
        (
            RENEWING,
            "Renewing",
            (|world| world.annotate("blobrollout.dev/renewRequestedAt", "now")) as fn(&mut World),
        ),
        (RENEWING, "Renewing", |world| {
            world.annotate("blobrollout.dev/renewRequestedAt", "now");
            world.run_sweep(Tally { written: 3, ..Tally::default() });
        }),
        (HUB_UNAVAILABLE, "HubUnavailable", World::hub_away),
        (HUB_UNAVAILABLE, "HubUnavailable", |world| world.facts.hub = Err(away(Reason::HubUnavailable))),
        (STORAGE_UNAVAILABLE, "StorageUnavailable", |world| {
            world.list_fails(away(Reason::StorageUnavailable));
        }),
        (STORAGE_UNAVAILABLE, "StorageUnavailable", |world| {
            world.facts.account = Err(away(Reason::StorageUnavailable));
        }),
        (SUSPENDED, "Suspended", |world| world.edit(|spec| spec["suspend"] = json!(true))),
        (DEVICES_REFUSED, "DevicesRefused", |world| {
            world.numbers(20, 18, 18, 0);
            world.count();
            world.swept_with(|tally| tally.round.refused = 2);
        }),
    ] {
        let mut world = World::at_rest();
        disturb(&mut world);
        assert_eq!(world.said(READY), "True Delivered", "{kind}");
        assert_eq!(world.said(kind), format!("True {reason}"));
        assert_eq!((world.said(RECONCILING).as_str(), world.said(STALLED).as_str()), ("", ""), "{kind}");
        let mut rest = World::at_rest();
        rest.now += seconds(1);
        assert_eq!(rest.said(kind), "", "it is there only while it is true");
    }
}

#[test]
fn a_change_of_what_twins_carry_is_not_ready_before_they_carry_it() {
    for (field, value) in [("twin", json!({"extraFields": ["sha256"]})), ("sas", json!({"lifetime": "24h"}))]
    {
        let mut world = World::at_rest();
        world.edit(|spec| spec[field] = value);
        for _ in 0..2 {
            assert!(world.wants(Kind::Sweep));
            assert_eq!(world.plan().status.observed_generation, Some(2));
            assert_eq!(world.said(READY), "False Progressing");
            assert_eq!(world.said(RECONCILING), "True Progressing");
            world.settle();
            world.run_sweep(Tally::default());
            assert_eq!(world.said(READY), "False Progressing");
            world.stop_sweep();
        }
        world.swept();
        assert_eq!(world.said(READY), "True Delivered");
    }
}

#[test]
fn what_is_new_is_not_ready_because_the_services_are_away() {
    let mut world = World::at_rest();
    world.asset("other");
    world.list_fails(away(Reason::StorageUnavailable));
    assert_eq!(world.said(READY), "False StorageUnavailable");
    world.settle();
    world.restart();
    world.list_fails(away(Reason::StorageUnavailable));
    assert_eq!(world.said(READY), "False StorageUnavailable");
    let mut world = World::at_rest();
    world.edit(|spec| spec["target"]["query"] = json!("tags.site = 'plant-b'"));
    world.count_fails(away(Reason::HubUnavailable));
    assert_eq!(world.said(READY), "False HubUnavailable");
}

#[test]
fn what_the_devices_say_is_told() {
    // targeted, linked, received, failed → Ready, Acknowledged
    for (numbers, ready, acknowledged) in [
        ([20, 20, 20, 0], "True Delivered", "True AllReceived"),
        ([20, 20, 19, 0], "True Delivered", "False Pending"),
        ([20, 20, 18, 2], "True Delivered", "False Failed"),
        ([20, 19, 19, 0], "False Progressing", "False Pending"),
        ([0, 0, 0, 0], "True NoDevices", "False NoDevices"),
    ] {
        let [targeted, linked, received, failed] = numbers;
        for restarted in [false, true] {
            let mut world = World::at_rest();
            world.numbers(targeted, linked, received, failed);
            if restarted {
                world.restart();
                world.list();
            }
            world.count();
            let said = (world.said(READY), world.said(ACKNOWLEDGED));
            let looks = if restarted && targeted == 0 { "True Delivered" } else { ready };
            assert_eq!((said.0.as_str(), said.1.as_str()), (looks, acknowledged), "{numbers:?} {restarted}");
            let devices = world.plan().status.devices.unwrap();
            assert_eq!(devices.summary, format!("{received}/{targeted}"));
            assert_eq!(devices.linked, devices.received + devices.failed + devices.pending);
        }
    }
}

#[test]
fn a_conflict_stalls_and_a_refusal_does_so_where_nobody_takes_the_link() {
    let mut world = World::at_rest();
    world.numbers(20, 18, 18, 0);
    world.count();
    world.swept_with(|tally| tally.round.conflicted = 2);
    assert_eq!(world.said(READY), "False Conflicted");
    assert_eq!(world.said(STALLED), "True Conflicted");
    assert_eq!(world.plan().status.devices.unwrap().conflicted, 2);
    let mut world = World::at_rest();
    for (linked, refused, ready, stalled) in [
        (20, 0, "True Delivered", ""),
        (18, 2, "True Delivered", ""),
        (18, 1, "False Progressing", ""),
        (0, 20, "False DevicesRefused", "True DevicesRefused"),
        (0, 0, "False Progressing", ""),
    ] {
        world.numbers(20, linked, linked, 0);
        world.count();
        world.swept_with(|tally| {
            tally.round.refused = refused;
            tally.round.sample("sensor-1", "the twin is full");
        });
        let case = format!("{linked} linked, {refused} refused");
        assert_eq!((world.said(READY).as_str(), world.said(STALLED).as_str()), (ready, stalled), "{case}");
        let refusal = if refused > 0 { "True DevicesRefused" } else { "" };
        assert_eq!(world.said(DEVICES_REFUSED), refusal, "{case}");
        let status = world.plan().status;
        assert_eq!(status.devices.unwrap().refused.unsigned_abs(), refused);
        assert_eq!(status.failures[0].device_id, "sensor-1");
    }
}

#[test]
fn what_the_sweep_of_another_revision_or_target_has_met_stalls_nobody() {
    for (ready, linked, round) in [
        ("False Conflicted", 18, (2, 0)),
        ("False DevicesRefused", 0, (0, 20)),
        ("True Delivered", 19, (0, 1)),
    ] {
        for change in [
            (|world: &mut World| {
                world.asset("other");
                world.blob("other", world.now);
                world.list();
            }) as fn(&mut World),
            |world| world.edit(|spec| spec["target"]["query"] = json!("tags.site = 'plant-b'")),
        ] {
            let mut world = World::at_rest();
            world.numbers(20, linked, linked, 0);
            world.count();
            world.swept_with(|tally| (tally.round.conflicted, tally.round.refused) = round);
            assert_eq!(world.said(READY), ready);
            world.settle();
            change(&mut world);
            world.numbers(20, 0, 0, 0);
            for _ in 0..3 {
                assert_eq!(world.said(READY), "False Progressing", "after {ready}");
                assert_eq!(
                    (world.said(RECONCILING).as_str(), world.said(STALLED).as_str()),
                    ("True Progressing", "")
                );
                world.settle();
                world.count();
            }
        }
    }
}

#[test]
fn devices_that_answered_failed_are_named_after_those_that_were_not_written() {
    let mut world = World::at_rest();
    world.numbers(20, 20, 18, 2);
    world.count();
    let sample =
        |device: &str| blobrollout::fleet::FailureSample { device_id: device.into(), reason: "no".into() };
    world.counted().failures = (0..19).map(|n| sample(&format!("answered-{n}"))).collect();
    world.swept_with(|tally| {
        tally.round.left = 2;
        tally.round.sample("unwritten", "429");
        tally.round.sample("answered-0", "412");
    });
    let failures = world.plan().status.failures;
    let names: Vec<&str> = failures.iter().map(|failure| failure.device_id.as_str()).collect();
    assert_eq!((&names[..3], names.len()), (&["unwritten", "answered-0", "answered-1"][..], 20));
}
