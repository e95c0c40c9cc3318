//! A property that somebody else keeps writing: the sweep ends, tells of it, and comes back ever more slowly.

use std::time::Duration;

use blobrollout::fleet::Tally;
use serde_json::{Value, json};

use crate::stage::{Order, Stage, sensor};

/// The devices that somebody else writes.
const FOUGHT_FOR: u32 = 6;

fn foreign() -> Value {
    let uri = "https://elsewhere/c/theirs?sig=secret";
    json!({"uri": uri, "ts": "2025-05-01T00:00:00Z", "contentType": null, "size": null})
}

/// Answers every write of ours at once, without end.
async fn write_over(stage: &Stage) {
    loop {
        for device in (1..=FOUGHT_FOR).map(sensor) {
            if !stage.there(&device)["contentType"].is_null() {
                stage.put(&device, &foreign());
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn swept(stage: &Stage, order: &Order) -> Tally {
    tokio::select! {
        tally = stage.sweep(order) => tally,
        () = write_over(stage) => panic!("it ends never"),
    }
}

#[tokio::test]
async fn somebody_who_answers_at_once_is_named_and_fought_ever_more_slowly() {
    let stage = Stage::with(20).await;
    for device in (1..=FOUGHT_FOR).map(sensor) {
        stage.put(&device, &foreign());
    }
    let goal = stage.revision(1);
    let order = stage.deliver(&goal, &[]);
    let tally = swept(&stage, &order).await;
    assert_eq!((tally.round.contested, tally.round.left), (6, 6), "{tally:?}");
    assert_eq!(tally.round.samples.len(), 6);
    for sample in &tally.round.samples {
        assert!(sample.reason.contains("https://elsewhere/c/theirs"), "{sample:?}");
        assert!(sample.reason.contains(" 1 times") && !sample.reason.contains("secret"), "{sample:?}");
    }
    // Each once, and the others once.
    assert_eq!((tally.written, stage.written(), stage.queries() <= 3), (20, 20, true));
    for device in (FOUGHT_FOR + 1..=20).map(sensor) {
        assert_eq!(stage.hub.desired_writes()[&device], 1, "{device}");
        assert!(stage.holds(&device, &goal));
    }

    let mut written = stage.written();
    for wait in [30, 60, 120, 240, 480] {
        // What a sweep takes is time that passes.
        stage.hub.clock().advance(Duration::from_secs(wait - 15));
        let tally = swept(&stage, &order).await;
        assert_eq!((tally.written, tally.round.contested), (0, 6), "{wait}: {tally:?}");
        assert_eq!(stage.written(), written, "{wait}");
        stage.hub.clock().advance(Duration::from_secs(15));
        let tally = swept(&stage, &order).await;
        assert_eq!((tally.written, tally.round.contested), (6, 6), "{wait}: {tally:?}");
        written += 6;
        assert_eq!(stage.written(), written, "{wait}");
    }

    // Another revision is given at once.
    let next = stage.revision(2);
    let tally = swept(&stage, &stage.deliver(&next, &[goal])).await;
    assert_eq!((tally.written, tally.round.contested), (20, 6), "{tally:?}");
}

#[tokio::test]
async fn a_fleet_that_never_stops_growing_is_swept_in_a_few_rounds() {
    let stage = Stage::with(5).await;
    let goal = stage.revision(1);
    let growing = async {
        for number in 6.. {
            stage.hub.create_device(&sensor(number), &json!({"site": "plant-a"})).unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let order = stage.deliver(&goal, &[]);
    let tally = tokio::select! {
        tally = stage.sweep(&order) => tally,
        () = growing => panic!("it ends never"),
    };
    assert!(tally.written > 5 && tally.round.written > 0, "who came meanwhile is served: {tally:?}");
    assert_eq!((stage.queries(), tally.round.left), (5, 0), "{tally:?}");
}
