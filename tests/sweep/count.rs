//! The count of a fleet, beside what its twins say one by one.

use std::{collections::BTreeMap, time::Duration};

use blobrollout::{
    api::conditions::Reason,
    fleet::{Counts, Goal, Target},
    rollout::{
        fault::Fault,
        task::{CountInput, CountKey},
    },
    tasks::{Reached, count::count},
};
use iothub_emulator::{Effect, Fault as HubFault, Route, When};
use reference_device::{Config, ConnectionString, Shared, run};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    stage::{FAST, LIFETIME, PROPERTY, Stage, sensor},
    time::until,
};

const REPORTED: &str = "answers";
const DEVICES: u32 = 200;
const ROOM: usize = 900;

/// A fleet in which nearly every combination of site, link, answer and connection occurs. Its devices are connected for as long as the
/// guard is kept.
async fn mixed_fleet() -> (Stage, Goal, DropGuard) {
    let stage = Stage::with(DEVICES).await;
    let (before, goal) = (stage.revision(1), stage.revision(2));
    let (named, link) = (goal.blob.as_str(), stage.link(&goal, Duration::ZERO));
    let held = [
        stage.given(&goal, Duration::ZERO),
        stage.given(&goal, LIFETIME),
        stage.given(&before, LIFETIME),
        json!(null),
        json!({"uri": "https://elsewhere/c/n?se=2025-07-01T00:00:00Z"}),
        json!({"uri": named}),
    ];
    let answers = [
        json!({"current": link, "acknowledged": link, "status": "received"}),
        json!({"current": before.blob.as_str(), "acknowledged": named, "status": "failed"}),
        json!({"uri": link, "ts": "2025-05-01T00:00:00.0000000Z"}),
        json!(null),
        json!({"acknowledged": before.blob.as_str(), "status": "received"}),
        json!({"acknowledged": link, "status": "thinking"}),
        json!({"acknowledged": 5, "status": "failed"}),
        json!({"uri": link, "status": "failed"}),
        json!({"acknowledged": format!("{named}0"), "status": "failed"}),
        json!("received"),
        json!(null),
    ];
    for number in 1..=DEVICES {
        let (device, at) = (sensor(number), usize::try_from(number).unwrap());
        stage.put(&device, &held[at % held.len()]);
        stage.hub.report(&device, &json!({REPORTED: answers[at % answers.len()]})).unwrap();
        if at % 13 == 0 {
            stage.hub.patch_twin(&device, &json!({"tags": {"site": "plant-b"}})).unwrap();
        }
    }
    let stop = connect(&stage, (1..=DEVICES).step_by(9).map(sensor)).await;
    (stage, goal, stop)
}

async fn connect(stage: &Stage, devices: impl Iterator<Item = String> + Clone) -> DropGuard {
    let stop = CancellationToken::new();
    let shared = Shared::new(Some(stage.hub.ca_pem())).unwrap();
    for device in devices.clone() {
        let connection = stage.hub.device_connection_string(&device).unwrap();
        let connection = ConnectionString::parse(&connection).unwrap();
        // Nothing is there for it to do but to stay.
        let config = Config { property: "nothing".into(), ..Config::new(connection, "nothing".into()) };
        tokio::spawn(run(config, shared.clone(), stop.clone()));
    }
    let connected = |device: &String| stage.hub.twin(device).unwrap()["connectionState"] == "Connected";
    until(|| devices.clone().all(|device| connected(&device))).await;
    stop.drop_guard()
}

fn key(stage: &Stage, goal: &Goal, target: Target) -> CountKey {
    CountKey {
        hub: stage.connection(),
        target,
        property: PROPERTY.into(),
        reported_property: REPORTED.into(),
        path: goal.blob.as_str().rsplit_once('/').unwrap().0.to_owned(),
        blob: goal.blob.clone(),
        request: None,
    }
}

fn plant_a() -> Target {
    Target::parse(Some("tags.site = 'plant-a'"), None).unwrap()
}

fn at_plant_a(stage: &Stage) -> Vec<String> {
    let here = |device: &String| stage.hub.twin(device).unwrap()["tags"]["site"] == "plant-a";
    stage.hub.devices().into_iter().filter(here).collect()
}

/// Counts, and gives beside it how far it came.
async fn counted(stage: &Stage, key: &CountKey, counted: Vec<Counts>) -> (Result<Counts, Fault>, Reached) {
    let (assignment, seen) = stage.assignment();
    let input = CountInput { rates: FAST, room: ROOM, counted };
    let counts = count(key, input, &assignment, &stage.tools).await;
    let reached = seen.borrow().clone();
    (counts, reached)
}

/// Targeted, received, failed, unreachable, links with their holders, and who failed, twin by twin.
type Numbers = (u64, u64, u64, u64, BTreeMap<String, u64>, Vec<String>);

fn recount(stage: &Stage, goal: &Goal) -> Numbers {
    let (path, _) = goal.blob.as_str().rsplit_once('/').unwrap();
    let base = |value: &Value| value.as_str().and_then(|uri| uri.split('?').next()).map(str::to_owned);
    let ours = |value: &Value| base(value).as_deref() == Some(goal.blob.as_str());
    let mut numbers = Numbers::default();
    for device in at_plant_a(stage) {
        let twin = stage.hub.twin(&device).unwrap();
        let uri = &twin["properties"]["desired"][PROPERTY]["uri"];
        let answer = &twin["properties"]["reported"][REPORTED];
        numbers.0 += 1;
        if uri.as_str().is_some_and(|uri| uri.starts_with(&format!("{path}/"))) {
            *numbers.4.entry(uri.as_str().unwrap().to_owned()).or_default() += 1;
        }
        // An address alone opens nothing.
        if !ours(uri) || uri.as_str() == base(uri).as_deref() {
            continue;
        }
        let structured = ours(&answer["acknowledged"]);
        let echoed = answer["acknowledged"].is_null() && ours(&answer["uri"]);
        match answer["status"].as_str() {
            Some("received") if structured || echoed => numbers.1 += 1,
            None if echoed => numbers.1 += 1,
            Some("failed") if structured => {
                numbers.2 += 1;
                numbers.5.push(device);
            }
            _ => numbers.3 += u64::from(twin["connectionState"] == "Disconnected"),
        }
    }
    numbers
}

fn numbers(counts: &Counts) -> Numbers {
    let link = |held: &blobrollout::fleet::counts::Held| match &held.link {
        Some(link) => link.expose().to_owned(),
        None => held.blob.as_str().to_owned(),
    };
    let held = counts.held.iter().map(|held| (link(held), held.devices)).collect();
    let mut failed: Vec<String> = counts.failures.iter().map(|sample| sample.device_id.clone()).collect();
    failed.sort();
    (counts.targeted, counts.received, counts.failed, counts.unreachable, held, failed)
}

#[tokio::test]
async fn a_count_is_what_the_twins_say_one_by_one() {
    let (stage, goal, _connected) = mixed_fleet().await;
    let want = recount(&stage, &goal);
    assert!(want.0 > 150 && want.1 > 5 && want.2 > 2 && want.3 > 10 && want.4.len() == 4, "{want:?}");
    let (counts, reached) = counted(&stage, &key(&stage, &goal, plant_a()), Vec::new()).await;
    assert_eq!(numbers(&counts.unwrap()), want);
    assert!(matches!(reached, Reached::Counted(parts, 1) if parts.len() == 1));

    // The same devices by their ids.
    let target = Target::parse(None, Some(&at_plant_a(&stage))).unwrap();
    let (counts, reached) = counted(&stage, &key(&stage, &goal, target), Vec::new()).await;
    assert_eq!(numbers(&counts.unwrap()), want);
    assert!(matches!(reached, Reached::Counted(parts, all) if all > 1 && parts.len() == all));
}

#[tokio::test]
async fn a_count_that_fails_in_the_middle_goes_on_where_it_was() {
    let (stage, goal, _connected) = mixed_fleet().await;
    let ids = at_plant_a(&stage);
    let whole = key(&stage, &goal, Target::parse(None, Some(&ids)).unwrap());
    let (all, _) = counted(&stage, &whole, Vec::new()).await;
    let needed = stage.queries();

    let effect = Effect::Status { status: 400, retry_after: None };
    let fault = HubFault { route: Some(Route::Query), when: When::Nth(8), effect, delay: Duration::ZERO };
    stage.hub.add_fault(fault);
    let (failed, reached) = counted(&stage, &whole, Vec::new()).await;
    assert_eq!(failed.unwrap_err().reason, Reason::QueryRefused);
    let Reached::Counted(parts, _) = reached else { panic!("{reached:?}") };
    assert!(!parts.is_empty());

    // As many queries as the devices of these parts take.
    let before = stage.queries();
    let conditions = whole.target.conditions(ROOM);
    let done: usize = conditions[..parts.len()].iter().map(|part| part.matches(",'").count() + 1).sum();
    let first = key(&stage, &goal, Target::parse(None, Some(&ids[..done])).unwrap());
    counted(&stage, &first, Vec::new()).await.0.unwrap();
    let spared = stage.queries() - before;

    let before = stage.queries();
    let (rest, _) = counted(&stage, &whole, parts).await;
    assert_eq!(numbers(&rest.unwrap()), numbers(&all.unwrap()));
    assert_eq!((stage.queries() - before, spared > 0), (needed - spared, true));
}

#[tokio::test]
async fn rows_without_a_number_are_an_error_and_no_zero() {
    let stage = Stage::with(3).await;
    let goal = stage.revision(1);
    let row = json!({"uri": stage.link(&goal, Duration::ZERO), "status": "received", "N": 3});
    let effect = Effect::Body(json!([row]).to_string());
    stage.hub.add_fault(HubFault {
        route: Some(Route::Query),
        when: When::default(),
        effect,
        delay: Duration::ZERO,
    });
    let (counts, reached) = counted(&stage, &key(&stage, &goal, plant_a()), Vec::new()).await;
    let fault = counts.unwrap_err();
    assert!(fault.message.contains("no number"), "{fault:?}");
    assert!(matches!(reached, Reached::Nothing), "{reached:?}");
}
