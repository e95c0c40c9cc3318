//! No twin goes backwards, however late or badly informed a sweep is.

use std::{collections::BTreeSet, time::Duration};

use blobrollout::tasks::sweep::sweep;
use iothub_emulator::{Effect, Fault, Route, When};
use serde_json::json;

use crate::{
    stage::{Stage, sensor},
    time::until,
};

/// Longer than any test: what queries tell is what was before it.
const LONG_AGO: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_sweep_that_is_cancelled_after_a_412_writes_nothing_more() {
    let stage = Stage::lagging(1, LONG_AGO).await;
    // Its etag is another one than the query will tell.
    stage.hub.patch_twin(&sensor(1), &json!({"properties": {"desired": {"other": 1}}})).unwrap();
    let delay = Duration::from_secs(30);
    stage.hub.add_fault(Fault {
        route: Some(Route::GetTwin),
        when: When::Nth(1),
        effect: Effect::None,
        delay,
    });
    let order = stage.deliver(&stage.revision(1), &[]);
    let (assignment, _seen) = stage.assignment();
    let cancelled = async {
        until(|| stage.hub.counts().with_status(Route::PatchTwin, 412) == 1).await;
        assignment.cancel.cancel();
        stage.hub.clock().advance(delay);
    };
    let (tally, ()) = tokio::join!(sweep(order.key, order.input, &assignment, &stage.tools), cancelled);
    assert_eq!(tally.unwrap().written, 0);
    assert_eq!(stage.hub.counts().with_status(Route::GetTwin, 200), 1, "it was about to try again");
    assert_eq!((stage.patches(), stage.there(&sensor(1))), (1, json!(null)));
}

#[tokio::test]
async fn a_blob_that_the_inventory_does_not_know_is_left_and_named() {
    let stage = Stage::with(3).await;
    let (known, newer) = (stage.revision(1), stage.revision(2));
    stage.put(&sensor(2), &stage.given(&newer, Duration::ZERO));
    let mut order = stage.deliver(&known, &[]);
    let tally = stage.sweep(&order).await;
    assert_eq!((tally.written, tally.round.newer, tally.round.left), (2, 1, 1), "{tally:?}");
    assert_eq!(tally.round.unknown, BTreeSet::from([newer.blob.clone()]));
    assert_eq!(tally.round.samples[0].device_id, sensor(2));
    assert!(stage.holds(&sensor(2), &newer));

    order.input.gone.insert(newer.blob.clone());
    let tally = stage.sweep(&order).await;
    assert_eq!((tally.written, tally.round.left), (1, 0), "{tally:?}");
    assert!(stage.holds(&sensor(2), &known));
}

#[tokio::test]
async fn a_revision_that_became_the_goal_later_is_left() {
    let stage = Stage::with(1).await;
    let (goal, newer) = (stage.revision(1), stage.revision(2));
    stage.put(&sensor(1), &stage.given(&newer, Duration::ZERO));
    let tally = stage.sweep(&stage.deliver(&goal, std::slice::from_ref(&newer))).await;
    assert_eq!((tally.written, tally.round.newer, stage.patches()), (0, 1, 0), "{tally:?}");
    assert!(stage.holds(&sensor(1), &newer));
}

#[tokio::test]
async fn what_was_written_since_the_query_saw_it_is_judged_anew() {
    let stage = Stage::lagging(2, LONG_AGO).await;
    let (goal, newer) = (stage.revision(1), stage.revision(2));
    stage.put(&sensor(1), &stage.given(&newer, Duration::ZERO));
    stage.put(&sensor(2), &stage.given(&goal, Duration::ZERO));
    let tally = stage.sweep(&stage.deliver(&goal, &[])).await;
    assert_eq!((tally.written, tally.round.newer, stage.written()), (0, 1, 0), "{tally:?}");
    assert!(stage.holds(&sensor(1), &newer) && stage.holds(&sensor(2), &goal));
}
