//! The query language, rule by rule, each with its source: what a path names and how constants are written (`names`),
//! conditions (`conditions`), what is selected (`select`), what is no query (`grammar`), modules and jobs
//! (`collections`), pages (`pages`), and what the documents leave open (`settings`).

mod collections;
mod conditions;
mod grammar;
mod names;
mod pages;
mod select;
mod settings;

use serde_json::json;

use super::*;
use crate::clock::Timestamp;
use crate::identity::{DeviceId, IdentityUpdate};
use crate::settings::JobSettings;
use crate::twins::Change;

/// Pages of the documentation that most rules are from.
const LANGUAGE: &str = "IoT Hub query language";
const TWINS: &str = "Queries for IoT Hub device and module twins";
const JOBS: &str = "Queries for IoT Hub jobs";
/// What no document says, and the README does ("Where the documents leave it open").
const OPEN: &str = "left open";

const LINK: &str = "https://h/c/p?se=2026-11-30T00%3A00%3A00Z&sig=x";

/// Five devices: a and b at plant-a, c at plant-b, d without tags, e an edge device; a configuration is applied to b, and
/// c is a target of it.
fn fleet() -> Registry {
    let registry = Registry::default();
    let now = Timestamp::from_unix_seconds(1);
    let devices = [
        (
            "a",
            json!({"site": "plant-a", "floor": 1, "group": {"n": "x"}}),
            json!({"blob": {"uri": LINK}}),
            json!({"s": "ok", "v": 2}),
        ),
        (
            "b",
            json!({"site": "plant-a", "floor": 2, "odd-name": true}),
            json!({"blob": {"uri": 5}}),
            json!({"s": "bad", "v": 3}),
        ),
        ("c", json!({"site": "plant-b", "floor": 2.5}), json!({}), json!({"s": "ok", "v": "text"})),
        ("d", json!({}), json!({"blob": {}, "list": [1]}), json!({})),
        ("e", json!({"site": "Plant-A"}), json!({"a": 2}), json!({"a": 2, "b": true})),
    ];
    for (id, tags, desired, reported) in devices {
        let body = json!({"capabilities": {"iotEdge": id == "e"}});
        let id = DeviceId::parse(id).unwrap();
        let update = IdentityUpdate::parse(&id, &body).unwrap();
        let change = Change::parse(json!({"tags": tags, "properties": {"desired": desired}})).unwrap();
        let fill = |device: &mut Device| {
            let applied = match device.identity.id.as_str() {
                "b" => Some(true),
                "c" => Some(false),
                _ => None,
            };
            if let Some(applied) = applied {
                let managed = device.configurations.get_or_insert_default();
                managed.add_statuses([("cfg-1".to_owned(), applied)].into());
            }
            device.twin.patch(&change, now)?;
            device.twin.report(reported.as_object().unwrap(), now)
        };
        registry.create(id, update, now, fill).unwrap();
    }
    registry
}

/// Two modules of device a, of which m1 has a tag, and one of a-b.
fn three_modules() -> Registry {
    let now = Timestamp::from_unix_seconds(1);
    let modules = Registry::default();
    for (device, module, tags) in
        [("a", "m1", json!({"t": 1})), ("a", "m2", json!({})), ("a-b", "m1", json!({"t": 2}))]
    {
        let id = DeviceId::of_module(device, module).unwrap();
        let change = Change::parse(json!({ "tags": tags })).unwrap();
        modules
            .create(id, IdentityUpdate::generated(), now, |module| module.twin.patch(&change, now))
            .unwrap();
    }
    modules
}

/// Asks a fleet with the default settings.
fn ask(text: &str, token: Option<&str>, max_rows: usize, devices: &Registry) -> Result<Page, HubError> {
    let (modules, jobs) = (Registry::default(), Jobs::new(JobSettings::default()));
    run(text, token, max_rows, Data { devices, modules: &modules, jobs: &jobs }, &QuerySettings::default())
}

fn rows(text: &str) -> Vec<Json> {
    ask(text, None, 100, &fleet()).unwrap_or_else(|error| panic!("{text}: {}", error.text)).rows
}

fn ids_where(condition: &str) -> String {
    ids_of(&rows(&format!("SELECT deviceId FROM devices WHERE {condition}")))
}

fn ids_of(rows: &[Json]) -> String {
    rows.iter().map(|row| row["deviceId"].as_str().unwrap()).collect()
}

/// Asks the fleet for the devices that meet a condition, by a table of source, condition and their ids.
fn judge(table: &[(&str, &str, &str)]) {
    for (source, condition, expected) in table {
        assert_eq!(ids_where(condition), *expected, "{condition} ({source})");
    }
}

/// Texts near to queries, made by leaving out, repeating and moving pieces: each is answered or refused, none panics.
#[test]
fn damaged_queries_do_no_harm() {
    let sources = [
        "SELECT TOP 5 deviceId, tags.[[a b]] AS x FROM devices WHERE NOT (tags.n + -1.5e3 >= 0x1F OR s IN ['a', 1])",
        "SELECT COUNT() AS n, AVG(tags.floor) FROM devices WHERE STARTSWITH(tags.s, \"\\u00e9\\'\") GROUP BY tags.floor",
        "SELECT * FROM devices WHERE IS_DEFINED(properties.desired.$metadata.$lastUpdated) AND é != undefined",
    ];
    let registry = fleet();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    let mut refused = 0;
    for round in 0..6000 {
        let mut text: Vec<char> = sources[round % sources.len()].chars().collect();
        for _ in 0..=random(3) {
            let (from, to) = (random(text.len()), random(text.len()));
            let piece: Vec<char> =
                text[from.min(to)..from.max(to)].iter().take(random(12)).copied().collect();
            let at = random(text.len());
            let end = (at + piece.len()).min(text.len());
            match random(3) {
                0 => drop(text.splice(at..at, piece)),
                1 => drop(text.drain(at..end)),
                _ => drop(text.splice(at..end, piece)),
            }
        }
        let text: String = text.into_iter().collect();
        refused += usize::from(ask(&text, None, 100, &registry).is_err());
    }
    // Neither all of them stand nor all fall: the damage is of the kind that reaches every part of the parser.
    assert!((600..6000).contains(&refused), "{refused}");
}
