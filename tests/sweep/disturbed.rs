//! Hubs that lag, throttle, fail and lose answers, and somebody else at the same twins: all devices end right, and none is written twice.

use std::time::Duration;

use blobrollout::{
    fleet::{Goal, tally::Round},
    hub::sku::Rates,
};
use iothub_emulator::{Effect, Fault, Outcome, Route, When};
use serde_json::json;

use crate::stage::{FAST, Stage, sensor};

const DEVICES: u32 = 200;
const LAG: Duration = Duration::from_secs(5);

/// Sweeps twice, and sees that every device holds the goal and was given it once.
async fn ends_right(stage: &Stage, goal: &Goal, rates: &Rates) {
    let mut order = stage.deliver(goal, &[]);
    order.input.rates = rates.clone();
    let tally = stage.sweep(&order).await;
    assert_eq!((tally.written, &tally.round), (DEVICES.into(), &Round::default()), "{tally:?}");
    let again = stage.sweep(&order).await;
    assert_eq!((again.written, &again.round), (0, &Round::default()), "{again:?}");
    assert!(stage.hub.devices().iter().all(|device| stage.holds(device, goal)));
    assert_eq!(stage.written(), u64::from(DEVICES));
    assert!(stage.queries() <= 12, "{}", stage.queries());
}

fn on_patches(stage: &Stage, effect: Effect) {
    let (route, when) = (Some(Route::PatchTwin), When::Percent(5));
    stage.hub.add_fault(Fault { route, when, effect, delay: Duration::ZERO });
}

#[tokio::test]
async fn an_index_that_lags_makes_nobody_written_twice() {
    let stage = Stage::lagging(DEVICES, LAG).await;
    for number in [1, 2] {
        let goal = stage.revision(number);
        let mut order = stage.deliver(&goal, &[stage.revision(1)]);
        order.input.rates = FAST;
        let tally = stage.sweep(&order).await;
        assert_eq!((tally.written, &tally.round), (DEVICES.into(), &Round::default()), "{tally:?}");
        assert!(stage.hub.devices().iter().all(|device| stage.holds(device, &goal)));
    }
    assert!(stage.hub.desired_writes().values().all(|writes| *writes == 2));
    let counts = stage.hub.counts();
    assert!(
        counts.of(Route::Query) <= 16 && counts.of(Route::GetTwin) <= 4 * u64::from(DEVICES),
        "{counts:?}"
    );
}

#[tokio::test]
async fn a_hub_that_throttles_gets_each_write_once() {
    let stage = Stage::with(DEVICES).await;
    on_patches(&stage, Effect::Status { status: 429, retry_after: Some("1".into()) });
    ends_right(&stage, &stage.revision(1), &FAST).await;
    assert!(stage.hub.counts().throttled() >= 10);
    assert!(stage.patches() <= 220, "{}", stage.patches());
}

#[tokio::test]
async fn a_hub_that_fails_gets_each_write_once() {
    let stage = Stage::with(DEVICES).await;
    on_patches(&stage, Effect::Status { status: 503, retry_after: None });
    ends_right(&stage, &stage.revision(1), &FAST).await;
    assert!(stage.hub.counts().with_status(Route::PatchTwin, 503) >= 10);
    assert!(stage.patches() <= 220, "{}", stage.patches());
}

#[tokio::test]
async fn an_answer_that_is_lost_is_looked_for_and_not_written_again() {
    let stage = Stage::with(DEVICES).await;
    on_patches(&stage, Effect::ResetAfter);
    let goal = stage.revision(1);
    let tally = stage.sweep(&stage.deliver(&goal, &[])).await;
    assert_eq!(tally.round, Round::default());
    assert!(stage.hub.devices().iter().all(|device| stage.holds(device, &goal)));
    let writes = stage.hub.desired_writes();
    assert!(writes.len() == 200 && writes.values().all(|writes| *writes == 1), "{writes:?}");
    let lost = stage.hub.counts().requests[&(Route::PatchTwin, Outcome::Reset)];
    assert!(lost >= 10 && stage.patches() <= 200 + 2 * lost, "{lost} of {}", stage.patches());
}

#[tokio::test]
async fn somebody_who_writes_other_properties_of_the_same_twins_costs_a_second_look() {
    let stage = Stage::with(DEVICES).await;
    let busy = async {
        for number in 0_u32.. {
            let patch = json!({"properties": {"desired": {"other": number}}});
            stage.hub.patch_twin(&sensor(number % DEVICES + 1), &patch).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Rows wait for their turn, and twins change meanwhile.
    let (goal, rates) = (stage.revision(1), Rates { twin_writes: 50.0, ..FAST });
    tokio::select! {
        () = ends_right(&stage, &goal, &rates) => (),
        () = busy => (),
    }
    let refused = stage.hub.counts().with_status(Route::PatchTwin, 412);
    assert!(refused > 0, "nobody was faster");
    assert!(stage.patches() <= 2 * u64::from(DEVICES), "{}", stage.patches());
    assert!(stage.hub.twin(&sensor(1)).unwrap()["properties"]["desired"]["other"].is_number());
}
