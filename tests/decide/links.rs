//! When the fleet is swept, and when links are renewed.

use std::time::Duration;

use blobrollout::{api::conditions::READY, controller::decide::Step, follow::Follow};
use serde_json::json;

use crate::world::{World, minutes};

#[test]
fn a_request_and_a_new_key_renew_at_once_and_ready_stays() {
    let mut world = World::at_rest();
    world.seen.renew_requested_at = Some("now".into());
    assert!(matches!(world.decide().step, Step::Sweep(_)));
    assert_eq!(world.said(READY), "True Delivered");
    let mut world = World::at_rest();
    world.rotate_key();
    assert!(matches!(world.decide().step, Step::Sweep(_)));
    assert_eq!(world.said(READY), "True Delivered");
}

#[test]
fn links_are_renewed_before_they_run_out() {
    let mut world = World::at_rest();
    world.spec["interval"] = json!("24h");
    world.parse();
    world.sweep_now();
    let sas = world.decide().status.sas.unwrap();
    let (renew, expires) = (sas.renewal_time.unwrap().0, sas.expiry_time.unwrap().0);
    assert!(expires.duration_since(renew) >= "PT56H".parse().unwrap(), "a third of 168h");
    let (mut asked, end) = (0, world.now + Duration::from_hours(24 * 28));
    // Whoever looks whenever the plan says so never finds a link of the fleet with less than the lead left.
    let mut held = vec![expires];
    while world.now < end {
        let plan = world.decide();
        for expiry in &held {
            assert!(
                expiry.duration_since(world.now) >= "PT55H".parse().unwrap(),
                "{expiry} at {}",
                world.now
            );
        }
        match plan.step {
            Step::Sweep(sweep) => {
                let good = sweep.grid.good_expiries(world.now);
                if held.iter().any(|expiry| !good.contains(expiry)) {
                    asked += 1;
                    held = vec![good[0]];
                }
                world.swept(sweep.key, 0);
            }
            Step::Count(_) => world.count(20, 20, 20, 0),
            Step::Rest => world.now += plan.wake,
            Step::Store(_) => panic!("nothing is to be stored"),
        }
    }
    assert!((7..=10).contains(&asked), "every half lifetime one renewal, not {asked} in four weeks");
}

#[test]
fn late_joiners_are_looked_for_once_in_an_interval() {
    let mut world = World::at_rest();
    world.now += minutes(4);
    assert_eq!(world.decide().step, Step::Rest);
    world.now += minutes(1);
    assert!(matches!(world.decide().step, Step::Sweep(_)));
}

#[test]
fn the_right_sweep_runs_on_and_a_wrong_one_is_replaced() {
    let mut world = World::at_rest();
    world.seen.sweep.last = None;
    let Step::Sweep(sweep) = world.decide().step else { panic!("no sweep") };
    world.run(sweep.key.clone());
    assert!(!matches!(world.decide().step, Step::Sweep(_)));
    for change in [
        (|world| world.seen.renew_requested_at = Some("now".into())) as fn(&mut World),
        // It would go on with the former key until that is refused.
        |world| world.seen.hub.as_mut().unwrap().fingerprint = "2".into(),
    ] {
        change(&mut world);
        let Step::Sweep(other) = world.decide().step else { panic!("no sweep") };
        assert_ne!(other.key, sweep.key);
        world.run(other.key);
    }
}

#[test]
fn a_failed_sweep_is_tried_again_with_growing_pauses() {
    let mut world = World::at_rest();
    let mut pauses = Vec::new();
    for times in [0, 3, 20] {
        world.sweep_failed(Follow::TryAgain, times);
        let plan = world.decide();
        assert_eq!(plan.step, Step::Rest);
        pauses.push(plan.wake);
        let begun = world.now;
        world.now = begun + minutes(5) + Duration::from_secs(70);
        assert!(matches!(world.decide().step, Step::Sweep(_)));
        world.now = begun;
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[1], "{pauses:?}");
}
