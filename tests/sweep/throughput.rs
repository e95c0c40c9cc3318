//! Slow devices hold up nobody but themselves.

use std::time::Duration;

use blobrollout::{hub::sku::Rates, tasks::Reached, tasks::sweep::sweep};
use iothub_emulator::{Effect, Fault, Route, When};

use crate::stage::{FAST, Stage};

const DEVICES: u32 = 1500;
/// Twins written in a second at most, of which a second's worth goes at once.
const RATE: f64 = 250.0;

/// How long it takes to write all devices but one in a hundred, where those take 30 s or not.
async fn time_for_the_others(slow: bool) -> f64 {
    let stage = Stage::with(DEVICES).await;
    if slow {
        let delay = Duration::from_secs(30);
        let when = When::Percent(1);
        stage.hub.add_fault(Fault { route: Some(Route::PatchTwin), when, effect: Effect::None, delay });
    }
    let mut order = stage.deliver(&stage.revision(1), &[]);
    order.input.rates = Rates { twin_writes: RATE, ..FAST };
    let (assignment, mut seen) = stage.assignment();
    let begun = stage.now();
    let others = u64::from(DEVICES) * 99 / 100;
    let written = |reached: &Reached| matches!(reached, Reached::Swept(tally) if tally.written >= others);
    tokio::select! {
        tally = sweep(order.key, order.input, &assignment, &stage.tools) => panic!("too early: {tally:?}"),
        seen = seen.wait_for(written) => drop(seen.unwrap()),
    }
    stage.now().duration_since(begun).as_secs_f64()
}

#[tokio::test]
async fn one_slow_device_in_a_hundred_costs_the_others_no_tenth_of_the_rate() {
    let slow = time_for_the_others(true).await;
    let ideal = (f64::from(DEVICES) * 0.99 - RATE) / RATE;
    assert!(slow <= ideal * 1.25, "{slow} s where {ideal} s is ideal");
}

#[tokio::test]
async fn the_rate_is_reached_and_kept() {
    let time = time_for_the_others(false).await;
    let ideal = (f64::from(DEVICES) * 0.99 - RATE) / RATE;
    assert!((ideal * 0.9..=ideal * 1.25).contains(&time), "{time} s where {ideal} s is ideal");
}
