//! The `ts` of a device never decreases: clients that look at it alone take only what is later.

use std::time::Duration;

use blobrollout::{fleet::Goal, time::ts};
use serde_json::json;

use crate::stage::{Order, Stage, sensor};

const LATER: &str = "2099-01-01T00:00:00.0000000Z";

fn renewed(mut order: Order) -> Order {
    order.key.policy.renew_request = Some("now".into());
    order
}

/// After a listing that knows nothing later than this revision.
fn looked_up(mut order: Order, revision: &Goal) -> Order {
    order.input.gone.insert(revision.blob.clone());
    order
}

#[tokio::test]
async fn ts_grows_past_what_somebody_else_wrote_and_a_renewal_keeps_it() {
    let stage = Stage::with(5).await;
    let (first, second) = (stage.revision(1), stage.revision(2));
    let elsewhere = |at: &str| json!({"uri": "https://elsewhere/c/n?se=2025-01-01T00:00:00Z", "ts": at});
    stage.put(&sensor(1), &elsewhere(LATER));
    stage.put(&sensor(2), &elsewhere("soon"));
    stage.put(&sensor(3), &elsewhere("2020-01-01T00:00:00.0000000Z"));
    // Of the goal, as if it had become it later; that is told enough.
    let mut told = stage.given(&first, Duration::ZERO);
    told["ts"] = json!(LATER);
    stage.put(&sensor(4), &told);

    let all = || (1..=5).map(|number| stage.there(&sensor(number))["ts"].as_str().unwrap().to_owned());
    let step = async |order: Order, want: [&str; 5], writes: u64| {
        let tally = stage.sweep(&order).await;
        assert_eq!(tally.written, writes, "{tally:?}");
        assert_eq!(all().collect::<Vec<_>>(), want);
    };
    let of = |goal: &Goal| ts(goal.ts);
    let (one, two) = (of(&first), of(&second));
    let tick = "2099-01-01T00:00:00.0000001Z";
    let next = "2099-01-01T00:00:00.0000002Z";
    let known = [first.clone(), second.clone()];
    let delivery = stage.deliver(&first, &known);
    step(delivery.clone(), [tick, &one, &one, LATER, &one], 4).await;
    step(renewed(delivery), [tick, &one, &one, LATER, &one], 5).await;
    let delivery = renewed(stage.deliver(&second, &known));
    // Who was told a later `ts` may have been told it by somebody who knows more: the inventory is read again first.
    let tally = stage.sweep(&delivery).await;
    assert_eq!((tally.written, tally.round.newer), (3, 2), "{tally:?}");
    step(looked_up(delivery, &first), [next, &two, &two, tick, &two], 2).await;
    step(stage.deliver(&second, &known), [next, &two, &two, tick, &two], 5).await;

    // Back to what was before, which becomes the goal once more.
    let again = Goal { ts: stage.revision(3).ts, ..first };
    let (back, three) = (stage.deliver(&again, std::slice::from_ref(&second)), of(&again));
    step(looked_up(back, &second), ["2099-01-01T00:00:00.0000003Z", &three, &three, next, &three], 5).await;
}
