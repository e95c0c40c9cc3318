//! What holds for every plan: rest, restarts, repetition, a clock that is set back.

use blobrollout::{
    api::conditions::{ACKNOWLEDGED, READY, RECONCILING, Reason, STALLED},
    fleet::{Counts, Tally},
    rollout::{
        fault::Fault,
        task::{Kind, Task},
    },
};
use serde_json::{Value, json};

use crate::world::{World, at, minutes, seconds};

/// Worlds in which nothing goes on, each with what Ready says.
fn resting() -> Vec<(World, &'static str)> {
    let mut worlds = Vec::new();
    let mut add = |ready, change: fn(&mut World)| {
        let mut world = World::at_rest();
        change(&mut world);
        world.settle();
        assert_eq!((world.kinds(), world.said(READY).as_str()), (vec![], ready));
        worlds.push((world, ready));
    };
    add("True Delivered", |_| ());
    add("True NoDevices", |world| {
        world.fleet = Counts::default();
        world.count();
    });
    add("True Delivered", |world| {
        world.numbers(20, 20, 17, 3);
        world.count();
        world.found().count_changed = Some(at("2026-11-24T09:00:00Z"));
    });
    add("True Delivered", |world| {
        world.numbers(20, 18, 18, 0);
        world.count();
        world.swept_with(|tally| {
            tally.round.refused = 2;
            tally.round.sample("sensor-1", "the twin is full");
        });
    });
    add("False DevicesRefused", |world| {
        world.numbers(20, 0, 0, 0);
        world.count();
        world.swept_with(|tally| tally.round.refused = 20);
    });
    add("False Conflicted", |world| {
        world.numbers(20, 18, 18, 0);
        world.count();
        world.swept_with(|tally| {
            tally.round.conflicted = 2;
            tally.round.sample("sensor-1", "it holds a link of ns/other");
        });
    });
    add("True Delivered", |world| {
        world.edit(|spec| spec["suspend"] = json!(true));
    });
    add("False Suspended", |world| {
        world.edit(|spec| spec["suspend"] = json!(true));
        world.fleet = Counts { targeted: 20, ..Counts::default() };
        world.count();
    });
    add("False TooManyDevices", |world| {
        world.edit(|spec| spec["target"]["maxDevices"] = json!(19));
        world.count();
    });
    add("False LifetimeTooShort", |world| {
        world.edit(|spec| spec["sas"] = json!({"lifetime": "20m"}));
        world.all_hold("hello", 20);
        world.count();
    });
    add("False InvalidSpec", |world| {
        world.edit(|spec| spec["contentType"] = json!(""));
    });
    add("False SourceUnavailable", |world| {
        world.facts.asset = Err(Fault::user(Reason::SourceUnavailable, "there is no ConfigMap"));
    });
    worlds
}

#[test]
fn a_world_at_rest_asks_for_nothing_and_changes_no_status() {
    let mut world = World::at_rest();
    let plan = world.plan();
    assert_eq!(world.said(READY), "True Delivered");
    assert_eq!(world.said(ACKNOWLEDGED), "True AllReceived");
    assert_eq!((world.said(RECONCILING).as_str(), world.said(STALLED).as_str()), ("", ""));
    assert!(world.wake() <= minutes(5) && world.wake() > minutes(4));
    assert_eq!(plan.status, world.before());
    world.now += minutes(1);
    assert_eq!(world.plan().status, plan.status);
}

#[test]
fn looking_again_changes_no_status() {
    for (mut world, ready) in resting() {
        let before = world.before();
        for _ in 0..3 {
            world.now += minutes(1);
            let round = world.facts.found.sweep.done.as_ref().unwrap().outcome.round.clone();
            world.list();
            assert_eq!(world.plan().status, before, "{ready}, listed");
            world.count();
            assert_eq!(world.plan().status, before, "{ready}, counted");
            world.run_sweep(Tally::default());
            assert_eq!(world.plan().status, before, "{ready}, a sweep under way");
            world.stop_sweep();
            world.swept_with(|tally| tally.round = round);
            assert_eq!(world.plan().status, before, "{ready}, swept");
        }
    }
}

#[test]
fn a_restart_looks_at_everything_and_says_nothing() {
    for (mut world, ready) in resting() {
        let before = world.before();
        let round = world.facts.found.sweep.done.as_ref().unwrap().outcome.round.clone();
        world.restart();
        assert_eq!(world.kinds(), [Kind::Inventory], "{ready}");
        assert_eq!(world.plan().status, before, "{ready}, nothing known");
        world.list();
        assert!(!world.wants(Kind::Store) && world.wants(Kind::Count), "{ready}");
        assert_eq!(world.plan().status, before, "{ready}, listed");
        world.count();
        let hold = world.sweep_key().hold;
        assert_eq!(world.kinds(), if hold { vec![] } else { vec![Kind::Sweep] }, "{ready}");
        assert_eq!(world.plan().status, before, "{ready}, counted");
        if !hold {
            world.swept_with(|tally| tally.round = round);
        }
        assert_eq!((world.plan().status, world.kinds()), (before, vec![]), "{ready}, swept");
    }
}

#[test]
fn a_wiped_status_is_computed_again_and_costs_no_write() {
    for (mut world, ready) in resting() {
        let whole = world.before();
        world.object["status"] = Value::Null;
        assert_eq!(world.kinds(), [], "{ready}");
        let mut again = world.plan().status;
        // What began when is not in the facts.
        for (again, whole) in again.conditions.iter_mut().zip(&whole.conditions) {
            again.last_transition_time = whole.last_transition_time.clone();
        }
        assert_eq!(again, whole, "{ready}");
        world.restart();
        world.list();
        assert!(!world.wants(Kind::Store), "{ready}");
        world.count();
        assert!(!world.wants(Kind::Store), "{ready}");
    }
}

#[test]
fn a_plan_is_the_same_for_the_same_world() {
    for (mut world, _) in resting() {
        for change in [
            |_: &mut World| (),
            World::restart as fn(&mut World),
            World::list,
            World::count,
            |world: &mut World| {
                world.annotate("blobrollout.dev/renewRequestedAt", "now");
            },
        ] {
            change(&mut world);
            let (one, other) = (world.plan(), world.plan());
            let same = one.tasks.iter().zip(&other.tasks).all(|(one, other)| one.same_key(other));
            assert!(same && one.tasks.len() == other.tasks.len());
            assert_eq!((&one.status, one.wake), (&other.status, other.wake));
            // Neither the status that it gives, nor the time, nor progress takes a task from it.
            world.settle();
            for task in &one.tasks {
                world.found().running(task, &blobrollout::rollout::found::Reached::default());
            }
            for wait in [0, 1, 600, 7200] {
                world.now += seconds(wait);
                let later = world.plan().tasks;
                let kept = one.tasks.iter().all(|task| later.iter().any(|later| later.same_key(task)));
                assert!(
                    kept,
                    "{:?} after {wait} s: {}",
                    one.tasks.iter().map(Task::kind).collect::<Vec<_>>(),
                    world.message()
                );
            }
            world.stop_sweep();
            world.found().count_running = None;
        }
    }
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut world = World::at_rest();
    world.now -= minutes(60);
    assert_eq!(world.kinds(), [Kind::Inventory, Kind::Count, Kind::Sweep]);
    world.work_to_rest();
    assert_eq!(world.said(READY), "True Delivered");
    // Failures of a time that is still to come hold up nothing either.
    let mut world = World::at_rest();
    for _ in 0..9 {
        world.hub_away();
        world.list_fails(Fault::user(Reason::StorageRefused, "403"));
    }
    world.now -= minutes(60);
    assert_eq!(world.kinds(), [Kind::Inventory, Kind::Count, Kind::Sweep]);
    // Nor does the guard, which wants a fresh count first.
    let mut world = World::at_rest();
    world.edit(|spec| spec["target"]["maxDevices"] = json!(20));
    world.now -= minutes(60);
    assert_eq!(world.kinds(), [Kind::Inventory, Kind::Count]);
    world.work_to_rest();
}

#[test]
fn what_was_stored_or_swept_before_the_clock_was_set_back_does_not_make_every_look_old() {
    let mut world = World::at_rest();
    world.asset("other");
    world.work_to_rest();
    world.now += seconds(1);
    world.swept_with(|tally| tally.written = 1);
    world.now -= minutes(60);
    world.asset("third");
    world.list();
    assert!(world.wants(Kind::Store) && !world.wants(Kind::Inventory));
    world.asset("other");
    world.count();
    assert!(!world.wants(Kind::Count) && !world.wants(Kind::Inventory));
}

#[test]
fn secrets_that_nobody_watches_are_read_once_a_minute() {
    let mut world = World::at_rest();
    world.facts.secrets_watched = false;
    assert!(world.wake() <= minutes(1));
}
