//! When the fleet is counted.

use std::time::Duration;

use blobrollout::controller::decide::Step;
use serde_json::json;

use crate::world::{World, at, minutes};

#[test]
fn answers_are_counted_more_often_while_they_come_in() {
    let mut world = World::at_rest();
    world.count(20, 20, 3, 0);
    assert!(world.decide().wake <= Duration::from_secs(20));
    world.now += Duration::from_secs(30);
    assert!(matches!(world.decide().step, Step::Count(_)));
    // Nothing has changed for long: some devices are off, and they are no reason to spend the hub's queries.
    let counted = world.seen.counted.as_mut().unwrap();
    counted.at = world.now;
    counted.changed = at("2026-11-24T09:00:00Z");
    world.sweep_now();
    assert!(world.decide().wake > minutes(4));
}

#[test]
fn counting_leaves_a_sweep_the_larger_part_of_the_hubs_queries() {
    // The default S1 gives us 16 queries a minute; a look at one condition takes three counts.
    for (target, running, most) in [
        (json!({"query": "tags.site = 'plant-a'"}), false, 16.0),
        (json!({"query": "tags.site = 'plant-a'"}), true, 4.0),
        (json!({"deviceIds": (0..1000).map(|n| format!("{n:0>36}")).collect::<Vec<_>>()}), false, 16.0),
        (json!({"deviceIds": (0..1000).map(|n| format!("{n:0>36}")).collect::<Vec<_>>()}), true, 4.0),
    ] {
        let mut world = World::at_rest();
        world.spec["target"] = target;
        world.spec["interval"] = json!("24h");
        world.parse();
        world.count(1000, 1000, 500, 0);
        world.sweep_now();
        if running {
            let key = world.seen.sweep.last.take().unwrap().key;
            world.run(key);
        }
        let conditions = world.seen.intent.as_ref().unwrap().target.conditions().count();
        #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
        let a_minute = 3.0 * conditions as f64 * 60.0 / world.decide().wake.as_secs_f64();
        assert!(a_minute <= most, "{a_minute} of 16 queries a minute for {conditions} conditions");
    }
}
