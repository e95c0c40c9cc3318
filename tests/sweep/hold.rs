//! Devices that are held where they are: each keeps its revision, with a good link, whatever number of revisions there is.

use std::time::Duration;

use blobrollout::fleet::{Goal, tally::Round};
use serde_json::json;

use crate::stage::{LIFETIME, Stage, sensor};

#[tokio::test]
async fn eighty_revisions_are_held_with_few_queries() {
    let stage = Stage::with(260).await;
    let revisions: Vec<Goal> = (1..=81).map(|number| stage.revision(number)).collect();
    let (held, goal) = (&revisions[..80], &revisions[80]);
    let old = LIFETIME;
    // Three devices hold each, one of them with a good link. The other twenty hold nothing, or what is nobody's.
    let holders = || held.iter().cycle().zip(1..=240).map(|(revision, number)| (sensor(number), revision));
    for (number, (device, revision)) in holders().enumerate() {
        stage.put(&device, &stage.given(revision, if number < 80 { Duration::ZERO } else { old }));
    }
    let foreign = json!({"uri": "https://elsewhere/c/n?se=2025-01-01T00:00:00Z"});
    stage.put(&sensor(241), &foreign);

    let blobs = held.iter().map(|revision| revision.blob.clone()).collect();
    let order = stage.deliver(goal, held).held_at(blobs);
    let tally = stage.sweep(&order).await;
    assert_eq!((tally.written, tally.renewed, &tally.round), (160, 160, &Round::default()));
    let (queries, writes) = (stage.queries(), stage.hub.desired_writes());
    for (number, (device, revision)) in holders().enumerate() {
        assert!(stage.holds(&device, revision), "{device}");
        assert_eq!(writes[&device], if number < 80 { 1 } else { 2 }, "{device}");
    }
    assert_eq!(stage.there(&sensor(241)), foreign);
    assert!((242..=260).all(|number| stage.there(&sensor(number)).is_null()), "nobody gets a first one");

    // All of them twice: to do it, and to see that it is done.
    stage.sweep(&order).await;
    let once = stage.queries() - queries;
    assert!(once <= 10 && queries <= 2 * once, "{queries}, then {once}");
    assert_eq!((stage.written(), stage.storage.readings()), (160, 80));
}

#[tokio::test]
async fn who_has_lost_its_link_since_the_query_saw_it_gets_none_while_it_is_held() {
    let lag = Duration::from_hours(1);
    let stage = Stage::lagging(2, lag).await;
    let (held, goal) = (stage.revision(1), stage.revision(2));
    for number in 1..=2 {
        stage.put(&sensor(number), &stage.given(&held, LIFETIME));
    }
    stage.hub.clock().advance(lag);
    stage.put(&sensor(2), &json!(null));
    let order = stage.deliver(&goal, std::slice::from_ref(&held)).held_at(vec![held.blob.clone()]);
    let tally = stage.sweep(&order).await;
    assert_eq!((tally.written, &tally.round), (1, &Round::default()), "{tally:?}");
    assert!(stage.holds(&sensor(1), &held) && stage.there(&sensor(2)).is_null());
}
