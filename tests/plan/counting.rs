//! When the fleet is counted.

use blobrollout::{
    api::conditions::{READY, Reason},
    fleet::{Counts, Tally},
    rollout::task::{CountInput, Kind, Task},
};
use serde_json::{Value, json};

use crate::world::{World, at, away, minutes, seconds, thousand_ids};

/// What the count that is wanted starts with.
fn input(world: &World) -> CountInput {
    let count = world.plan().tasks.into_iter().find_map(|task| match task {
        Task::Count(_, input) => Some(input),
        _ => None,
    });
    count.unwrap_or_else(|| panic!("no count: {}", world.message()))
}

/// A thousand devices by id, of which nothing is known yet.
fn by_id() -> World {
    let mut world = World::at_rest();
    world.edit(|spec| spec["target"] = thousand_ids());
    world.restart();
    world.object["status"] = Value::Null;
    world.list();
    world
}

#[test]
fn answers_are_counted_more_often_while_they_come_in() {
    let mut world = World::at_rest();
    world.numbers(20, 20, 3, 0);
    world.count();
    world.now += seconds(30);
    assert!(world.wants(Kind::Count));
    // Nothing has changed for long: some devices are off, and they are no reason to spend the hub's queries.
    world.look();
    world.found().count_changed = Some(at("2026-11-24T09:00:00Z"));
    world.now += minutes(4);
    assert!(!world.wants(Kind::Count));
    world.now += minutes(1);
    assert!(world.wants(Kind::Count));
}

#[test]
fn a_sweep_that_has_written_is_followed_by_a_count() {
    let mut world = World::at_rest();
    world.now += seconds(5);
    world.swept();
    assert!(!world.wants(Kind::Count));
    world.swept_with(|tally| tally.written = 1);
    assert!(world.wants(Kind::Count));
}

#[test]
fn counting_leaves_a_sweep_the_larger_part_of_the_hubs_queries() {
    // The default S1 gives us 16 queries a minute; a look at one condition takes up to six.
    for (ids, running, most) in
        [(false, false, 16.0), (false, true, 4.0), (true, false, 16.0), (true, true, 4.0)]
    {
        let mut world = World::at_rest();
        if ids {
            world.edit(|spec| spec["target"] = thousand_ids());
        }
        world.edit(|spec| spec["interval"] = json!("24h"));
        world.numbers(1000, 1000, 500, 0);
        world.look();
        if running {
            world.run_sweep(Tally::default());
        }
        let began = world.now;
        while !world.wants(Kind::Count) {
            world.now += seconds(1);
        }
        let parts = world.count_key().target.conditions(input(&world).room).len();
        let period = world.now.duration_since(began).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
        let a_minute = 6.0 * parts as f64 * 60.0 / period;
        assert!(a_minute <= most, "{a_minute} of 16 queries a minute for {parts} conditions");
        assert!(period <= 1800.0, "{period}");
    }
}

#[test]
fn a_count_that_failed_goes_on_where_it_was() {
    let mut world = by_id();
    assert_eq!(input(&world).counted, []);
    let parts =
        vec![Counts { targeted: 150, ..Counts::default() }, Counts { targeted: 140, ..Counts::default() }];
    let key = world.count_key();
    world.count_fails(away(Reason::HubUnavailable));
    world.found().count_parts = Some((key, parts.clone()));
    world.now += seconds(2);
    assert_eq!(input(&world).counted, parts);
    // What was counted of other devices is none of these.
    world.edit(|spec| {
        spec["target"]["deviceIds"].as_array_mut().unwrap().pop();
    });
    assert_eq!(input(&world).counted, []);
}

#[test]
fn a_count_in_many_parts_tells_its_progress_and_its_time() {
    let mut world = by_id();
    let room = input(&world).room;
    let parts = world.count_key().target.conditions(room).len();
    assert!(parts > 3);
    world.found().counting = Some((3, parts));
    let message = world.message();
    assert!(message.contains(&format!("3 of {parts} parts")) && message.contains("about"), "{message}");
    assert!(world.said(READY).ends_with("Progressing"));
    assert!(world.wake() <= seconds(15), "progress is told while it is made");
}

#[test]
fn a_thousand_ids_on_the_smallest_hub_and_share_are_counted_and_swept() {
    let mut world = by_id();
    world.edit(|spec| spec["hub"]["share"] = json!("1%"));
    let key = world.count_key();
    // One query takes five minutes, and the whole longer than any interval.
    for _ in 0..20 {
        world.now += minutes(5);
        assert!(world.wants(Kind::Count) && world.count_key() == key, "{}", world.message());
    }
    world.all_hold("hello", 1000);
    world.look();
    assert_eq!(world.said(READY), "True Delivered");
    world.now += minutes(10);
    assert!(!world.wants(Kind::Count), "the next one waits until the budget allows it");
    // What cannot fit is refused with the numbers.
    world.edit(|spec| spec["sas"] = json!({"lifetime": "1h"}));
    assert_eq!(world.said(READY), "False LifetimeTooShort");
    assert!(world.message().contains("1000 twins takes"), "{}", world.message());
}

#[test]
fn a_count_runs_on_until_it_ends() {
    let mut world = World::at_rest();
    world.edit(|spec| spec["interval"] = json!("24h"));
    world.numbers(20, 20, 3, 0);
    world.look();
    world.now += seconds(30);
    assert!(world.wants(Kind::Count));
    let key = world.count_key();
    world.found().count_running = Some(key.clone());
    // Answers are not expected any more, and it is on its way.
    world.now += minutes(10);
    assert!(world.wants(Kind::Count) && world.count_key() == key);
}

#[test]
fn a_count_of_other_devices_says_nothing_about_these() {
    let mut world = World::at_rest();
    world.edit(|spec| spec["target"]["query"] = json!("tags.site = 'plant-b'"));
    assert_eq!(world.kinds(), [Kind::Count]);
    assert_eq!(world.said(READY), "False Progressing");
    assert_eq!(world.said("Acknowledged"), "False Pending", "nobody knows what they have");
}

#[test]
fn a_count_of_the_former_revision_tells_who_is_there_and_not_who_has_it() {
    let mut world = World::at_rest();
    world.asset("other");
    world.blob("other", world.now);
    world.list();
    assert!(world.wants(Kind::Count) && world.wants(Kind::Sweep));
    assert_eq!(world.said(READY), "False Progressing");
    assert!(world.plan().status.devices.is_none_or(|devices| devices.received == 0));
}

#[test]
fn a_count_that_fails_is_tried_again_with_growing_pauses() {
    let mut world = World::at_rest();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        world.count_fails(away(Reason::HubUnavailable));
        assert!(!world.wants(Kind::Count));
        pauses.push(world.wake());
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[5], "{pauses:?}");
}
