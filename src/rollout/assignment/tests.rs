//! Every judgement, for devices that are served and for devices that are held where they are.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::*;
use crate::{fleet::Owner, rollout::links::LinkPolicy, storage::StorageAccount, time::plus};

const PATH: &str = "https://account.blob.core.windows.net/rollouts/ns/recipes";
const LIFETIME: Duration = Duration::from_hours(168);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-24T12:00:00Z")
}

fn policy(key: u8, request: Option<&str>) -> LinkPolicy {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let key = BASE64_STANDARD.encode([key; 32]);
    LinkPolicy {
        uid: "u".into(),
        account: StorageAccount::parse(&format!("AccountName=account;AccountKey={key}"), false).unwrap(),
        container: "rollouts".into(),
        lifetime: LIFETIME,
        renew_request: request.map(str::to_owned),
        skew: Duration::from_mins(15),
    }
}

fn links(key: u8, request: Option<&str>) -> Links {
    policy(key, request).links(LIFETIME / 3)
}

fn revision(digit: char, ts: &str, first_ts: &str) -> Goal {
    let digest = digit.to_string().repeat(64);
    Goal {
        name: format!("ns/recipes/{digest}"),
        blob: BlobUri::of(&format!("{PATH}/{digest}")).unwrap(),
        ts: at(ts),
        first_ts: at(first_ts),
        content_type: "application/json".into(),
        sha256: None,
        size: Some(5),
    }
}

fn goal() -> Goal {
    revision('a', "2026-11-24T10:00:00Z", "2026-11-20T10:00:00Z")
}

fn earlier() -> Goal {
    revision('b', "2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z")
}

fn link(links: &Links, revision: &Goal) -> String {
    links.mint(&revision.name, now()).unwrap().expose().to_owned()
}

fn twin(uri: &str, ts: &str) -> Value {
    json!({"uri": uri, "ts": ts, "contentType": "application/json", "size": 5})
}

/// What is said of a twin in a few letters: what is given with which `ts`, or what else.
fn said(desired: Option<&Value>, hold: bool, gone: &BTreeSet<BlobUri>, when: Timestamp) -> String {
    let (goal, earlier, links) = (goal(), earlier(), links(1, None));
    let revisions = [goal.clone(), earlier];
    let rule = Assignments { goal: &goal, revisions: &revisions, gone, hold, links: &links, path: PATH };
    let owner = |blob: &BlobUri| {
        blob.as_str().contains("/ns/other/").then(|| {
            Owned::By(Arc::new(Owner {
                name: "ns/other".into(),
                uid: "other".into(),
                property: "p".into(),
                hub: None,
                target: None,
            }))
        })
    };
    match assign(desired, &rule, owner, when) {
        Assignment::Give { revision, ts: at, renewed } => {
            let digest = revision.name.chars().last().unwrap();
            format!("{} {digest} {}", if renewed.is_some() { "renew" } else { "give" }, ts(at))
        }
        Assignment::Keep => "keep".into(),
        Assignment::Wait => "wait".into(),
        Assignment::Conflict(owner) => format!("conflict {}", owner.name()),
        Assignment::Newer(_) => "newer".into(),
    }
}

#[test]
fn every_judgement() {
    const FIRST: &str = "2026-11-20T10:00:00.0000000Z";
    const LATER: &str = "2026-11-22T00:00:00.0000000Z";
    let (ours, goal, earlier) = (links(1, None), goal(), earlier());
    let good = link(&ours, &goal);
    let with = |field: &str, value: Value| {
        let mut twin = twin(&good, FIRST);
        twin[field] = value;
        twin
    };
    let without = |field: &str| {
        let mut twin = twin(&good, FIRST);
        twin.as_object_mut().unwrap().remove(field);
        twin
    };
    let elsewhere = |uri: &str| twin(uri, LATER);
    let unknown = good.replace(&"a".repeat(64), &"c".repeat(64));
    // The twin; what it gets when everybody is served; what it gets when everybody stays.
    let table: Vec<(Value, &str, &str)> = vec![
        (twin(&good, FIRST), "keep", "keep"),
        (twin(&good, LATER), "keep", "keep"),
        (twin(&good, "2099-01-01T00:00:00.0000000Z"), "keep", "keep"),
        (with("other", json!(1)), "keep", "keep"),
        // A `ts` that is too early, of another form, or none.
        (twin(&good, "2026-11-20T09:00:00.0000000Z"), "renew a 2026-11-24T10:00:00.0000000Z", "keep"),
        (twin(&good, "2026-11-20T10:00:00Z"), "renew a 2026-11-20T10:00:00.0000000Z", "keep"),
        (with("ts", json!("yesterday")), "renew a 2026-11-24T10:00:00.0000000Z", "keep"),
        (with("ts", json!(5)), "renew a 2026-11-24T10:00:00.0000000Z", "keep"),
        (without("ts"), "renew a 2026-11-24T10:00:00.0000000Z", "keep"),
        // Another object than the revision's; its `ts` stays.
        (with("contentType", json!("json")), "renew a 2026-11-20T10:00:00.0000000Z", "keep"),
        (with("size", json!(6)), "renew a 2026-11-20T10:00:00.0000000Z", "keep"),
        (with("sha256", json!("abc")), "renew a 2026-11-20T10:00:00.0000000Z", "keep"),
        // Links that are not good: another key, another request, cut off.
        (
            twin(&link(&links(2, None), &goal), LATER),
            "renew a 2026-11-22T00:00:00.0000000Z",
            "renew a 2026-11-22T00:00:00.0000000Z",
        ),
        (
            twin(&link(&links(1, Some("x")), &goal), LATER),
            "renew a 2026-11-22T00:00:00.0000000Z",
            "renew a 2026-11-22T00:00:00.0000000Z",
        ),
        (
            twin(goal.blob.as_str(), LATER),
            "give a 2026-11-22T00:00:00.0000000Z",
            "give a 2026-11-22T00:00:00.0000000Z",
        ),
        // An earlier revision: moved on, or kept; never with an earlier `ts` than its twin says.
        (
            twin(&link(&ours, &earlier), "2026-11-23T10:00:00.0000000Z"),
            "give a 2026-11-24T10:00:00.0000000Z",
            "keep",
        ),
        (
            twin(&link(&ours, &earlier), "2099-01-01T00:00:00.0000000Z"),
            // Not before a listing has shown that nobody went back to it.
            "newer",
            "keep",
        ),
        (
            twin(&link(&links(2, None), &earlier), "2026-11-23T10:00:00.0000000Z"),
            "give a 2026-11-24T10:00:00.0000000Z",
            "renew b 2026-11-23T10:00:00.0000000Z",
        ),
        // Another rollout's, also when only the host differs; and one of a rollout that is gone.
        (elsewhere(&good.replace("recipes", "other")), "conflict ns/other", "conflict ns/other"),
        (elsewhere(&good.replace("recipes", "dead")), "give a 2026-11-24T10:00:00.0000000Z", "wait"),
        (elsewhere("https://elsewhere/a?se=1"), "give a 2026-11-24T10:00:00.0000000Z", "wait"),
        // A blob of this rollout that is not known is not written over before the inventory was read again.
        (elsewhere(&unknown), "newer", "newer"),
        (json!({"uri": 5}), "give a 2026-11-24T10:00:00.0000000Z", "wait"),
        (json!("text"), "give a 2026-11-24T10:00:00.0000000Z", "wait"),
        (json!({}), "give a 2026-11-24T10:00:00.0000000Z", "wait"),
    ];
    let nothing = BTreeSet::new();
    for (desired, served, held) in table {
        assert_eq!(said(Some(&desired), false, &nothing, now()), served, "{desired}");
        assert_eq!(said(Some(&desired), true, &nothing, now()), held, "held: {desired}");
    }
    assert_eq!(said(None, false, &nothing, now()), "give a 2026-11-24T10:00:00.0000000Z");
    assert_eq!(said(None, true, &nothing, now()), "wait");
    // What is still unknown after the inventory was read again is gone from storage.
    let gone = BTreeSet::from([BlobUri::of(&unknown).unwrap()]);
    let desired = elsewhere(&unknown);
    assert_eq!(said(Some(&desired), false, &gone, now()), "give a 2026-11-24T10:00:00.0000000Z");
    assert_eq!(said(Some(&desired), true, &gone, now()), "wait");
}

#[test]
fn a_link_of_another_rollout_that_is_dead_is_nobodys() {
    let desired =
        twin(&link(&links(1, None), &goal()).replace("recipes", "other"), "2026-11-24T10:00:00.0000000Z");
    let nothing = BTreeSet::new();
    assert_eq!(said(Some(&desired), false, &nothing, now()), "conflict ns/other");
    let after = plus(now(), LIFETIME);
    assert_eq!(said(Some(&desired), false, &nothing, after), "give a 2026-11-24T10:00:00.0000001Z");
    assert_eq!(said(Some(&desired), true, &nothing, after), "wait");
}

#[test]
fn a_twin_that_knows_a_later_goal_is_not_written() {
    // The goal here is the earlier one: somebody else has gone on.
    let (goal, later, links, nothing) = (earlier(), goal(), links(1, None), BTreeSet::new());
    let revisions = [goal.clone(), later.clone()];
    let desired = twin(&link(&links, &later), "2026-11-24T10:00:00.0000000Z");
    for hold in [false, true] {
        let rule = Assignments {
            goal: &goal,
            revisions: &revisions,
            gone: &nothing,
            hold,
            links: &links,
            path: PATH,
        };
        assert_eq!(assign(Some(&desired), &rule, |_| None, now()), Assignment::Newer(later.blob.clone()));
    }
}

#[test]
fn a_twin_that_was_told_a_later_ts_is_not_written_before_the_inventory_is_read_again() {
    // Another process went back to the earlier content; this one has not seen it.
    let twin = twin(&link(&links(1, None), &earlier()), "2026-11-24T11:00:00.0000000Z");
    let none = BTreeSet::new();
    let looked = BTreeSet::from([earlier().blob]);
    assert_eq!(said(Some(&twin), false, &none, now()), "newer");
    assert_eq!(said(Some(&twin), false, &looked, now()), "give a 2026-11-24T11:00:00.0000001Z");
}

#[test]
fn the_same_link_is_renewed_when_its_time_has_come() {
    let desired = twin(&link(&links(1, None), &goal()), "2026-11-24T10:00:00.0000000Z");
    let nothing = BTreeSet::new();
    let after = plus(now(), LIFETIME);
    for hold in [false, true] {
        assert_eq!(said(Some(&desired), hold, &nothing, after), "renew a 2026-11-24T10:00:00.0000000Z");
    }
}
