//! The query language, rule by rule, each with its source.

mod pages;

use serde_json::json;

use super::*;
use crate::clock::Timestamp;
use crate::identity::{DeviceId, IdentityUpdate};
use crate::settings::JobSettings;
use crate::twins::Change;

const LINK: &str = "https://h/c/p?se=2026-11-30T00%3A00%3A00Z&sig=x";

/// Five devices: a and b at plant-a, c at plant-b, d without tags, e an edge device.
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
        let change = Change::parse(&json!({"tags": tags, "properties": {"desired": desired}})).unwrap();
        let fill = |device: &mut Device| {
            device.twin.patch(&change, now)?;
            device.twin.report(reported.as_object().unwrap(), now)
        };
        registry.create(id, update, now, fill).unwrap();
    }
    registry
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
    let rows = rows(&format!("SELECT deviceId FROM devices WHERE {condition}"));
    rows.iter().map(|row| row["deviceId"].as_str().unwrap()).collect()
}

#[test]
fn conditions() {
    // "qlang" is "IoT Hub query language", "qtwins" is "Queries for IoT Hub device and module twins".
    let table = [
        // qlang, operators: comparisons of primitives; both signs of inequality; keywords in any case.
        ("tags.site = 'plant-a'", "ab"),
        ("tags.site = \"plant-a\"", "ab"),
        ("tags.site != 'plant-a'", "ce"),
        ("tags.site <> 'plant-a'", "ce"),
        ("tags.floor > 1", "bc"),
        ("tags.floor >= 2 and tags.floor <= 2.5", "bc"),
        ("tags.floor < 0x2", "a"),
        ("properties.reported.b = true", "e"),
        ("2 = tags.floor", "b"),
        // qlang: a comparison with a missing property, or between kinds, is undefined, and so no row.
        ("tags.none = 'x'", ""),
        ("tags.none != 'x'", ""),
        ("tags.floor = 'plant-a'", ""),
        ("tags.floor != 'plant-a'", ""),
        ("properties.reported.v > 2", "b"),
        ("tags.none = null", ""),
        ("null = null", "abcde"),
        ("undefined = undefined", ""),
        // Objects and arrays are not compared.
        ("properties.desired.blob = properties.desired.blob", ""),
        ("properties.desired.list = [1]", ""),
        // NOT of undefined is undefined: the stricter reading.
        ("NOT tags.site = 'plant-a'", "ce"),
        ("NOT (NOT tags.site = 'plant-a')", "ab"),
        ("NOT STARTSWITH(properties.desired.blob.uri, 'https')", ""),
        // Undefined beside a decisive operand does not matter.
        ("tags.none = 1 OR tags.site = 'plant-a'", "ab"),
        ("NOT (tags.none = 1 AND tags.site = 'plant-a')", "ce"),
        // NOT binds tighter than AND, AND tighter than OR.
        ("deviceId = 'a' OR deviceId = 'b' AND deviceId = 'c'", "a"),
        ("(deviceId = 'a' OR deviceId = 'b') AND NOT deviceId = 'b'", "a"),
        ("NOT deviceId = 'a' AND NOT deviceId = 'b'", "cde"),
        // qlang: a condition is true only if it is the Boolean true.
        ("tags.site", ""),
        ("properties.reported.b", "e"),
        ("1", ""),
        ("'true'", ""),
        ("true", "abcde"),
        // qlang, IN and NIN with array constants.
        ("deviceId IN ['a', 'c', 'zz']", "ac"),
        ("deviceId NIN ['a', 'c']", "bde"),
        ("deviceId in []", ""),
        ("tags.site NIN ['plant-a']", "ce"),
        ("tags.floor IN [1, 'two', 2.5]", "ac"),
        // Functions: IS_DEFINED (qtwins), STARTSWITH (CleanupDevicesSample.cs), ENDSWITH (azure-docs#85381).
        ("IS_DEFINED(tags.floor)", "abc"),
        ("is_defined(properties.desired.blob)", "abd"),
        ("NOT IS_DEFINED(tags)", "d"),
        ("STARTSWITH(tags.site, 'plant')", "abc"),
        ("startswith(tags.site, 'plant-a')", "ab"),
        ("ENDSWITH(tags.site, '-b')", "c"),
        ("STARTSWITH(tags.floor, '1')", ""),
        // Names in [[ ]]: reserved words and odd characters (qlang; azure-docs#17106).
        ("tags.[[group]].n = 'x'", "a"),
        ("tags.[[odd-name]] = true", "b"),
        ("[[tags]].[[site]] = 'plant-b'", "c"),
        // Arithmetic (qlang, operators): on numbers, undefined otherwise.
        ("tags.floor + 1 = 3", "b"),
        ("tags.floor * 2 - 1 = 1", "a"),
        ("tags.floor % 2 = 0", "b"),
        ("10 - 2 - 3 = 5", "abcde"),
        ("1 / 0 = 1 OR 1 / 0 != 1", ""),
        ("tags.site + 1 = 1", ""),
        ("tags.floor > -1", "abc"),
        // Property to property (the hub's own system metrics do it).
        ("properties.desired.a = properties.reported.a", "e"),
        // Fields of the twin itself (qtwins).
        ("capabilities.iotEdge = true", "e"),
        ("status = 'enabled' AND connectionState = 'Disconnected'", "abcde"),
        ("properties.desired.$version = 2 AND properties.reported.$version >= 2", "abcde"),
        ("properties.reported.$metadata.s.$lastUpdated <= '1970-01-01T00:00:01Z'", "abc"),
        // Ids and values are case-sensitive; the names of the twin's own fields are not (qtwins,
        // azure-iot-sdk-node#355).
        ("DeviceId = 'a'", "a"),
        ("deviceId = 'A'", ""),
        // Strings with escapes (qlang, constants).
        ("tags.site = 'plant\\u002da'", "ab"),
        // The conditions of a rollout.
        (
            "(tags.site = 'plant-a') AND NOT (IS_DEFINED(properties.desired.[[blob]].uri) AND \
             (STARTSWITH(properties.desired.[[blob]].uri, 'https://h/c/p?se=2026-11-30T00%3A00%3A00Z') OR \
             STARTSWITH(properties.desired.[[blob]].uri, 'https://h/c/p?se=2026-12-30')))",
            "",
        ),
        (
            "(tags.site = 'plant-a') AND NOT (IS_DEFINED(properties.desired.[[blob]].uri) AND \
             STARTSWITH(properties.desired.[[blob]].uri, 'https://other'))",
            "a",
        ),
        (
            "NOT (IS_DEFINED(properties.desired.blob.uri) AND STARTSWITH(properties.desired.blob.uri, 'https://h'))",
            "cde",
        ),
    ];
    for (condition, expected) in table {
        assert_eq!(ids_where(condition), expected, "{condition}");
    }
}

/// "Queries for IoT Hub device and module twins", module queries: rows are module twins, with the tags of modules.
#[test]
fn projections() {
    let table = [
        // The column is the last step of the path, or the name after AS (programs that read such rows).
        (
            "SELECT deviceId, properties.desired.[[blob]].uri AS link, properties.reported.v FROM devices WHERE deviceId IN ['a', 'c']",
            json!([{"deviceId": "a", "link": LINK, "v": 2}, {"deviceId": "c", "v": "text"}]),
        ),
        // "Queries for IoT Hub device and module twins": `SELECT DeviceId` is answered as `deviceId`.
        ("select DeviceId from devices where deviceId = 'a'", json!([{"deviceId": "a"}])),
        // An object comes as it is, without metadata; what is undefined is left out.
        (
            "SELECT properties.desired.blob AS b, tags.none, connectionState AS c FROM devices WHERE deviceId = 'd'",
            json!([{"b": {}, "c": "Disconnected"}]),
        ),
        (
            "SELECT tags AS [[the tags]], etag FROM devices WHERE deviceId = 'd'",
            json!([{"etag": "AAAAAAAAAAI="}]),
        ),
        ("SELECT TOP 2 deviceId FROM devices", json!([{"deviceId": "a"}, {"deviceId": "b"}])),
    ];
    for (query, expected) in table {
        assert_eq!(Json::Array(rows(query)), expected, "{query}");
    }
    let whole = ask("SELECT * FROM devices WHERE deviceId = 'a'", None, 10, &fleet()).unwrap();
    assert_eq!((whole.item_type, whole.rows[0]["tags"]["site"].as_str()), ("Twin", Some("plant-a")));
    assert_eq!(ask("SELECT deviceId FROM devices", None, 10, &fleet()).unwrap().item_type, "Raw");
}

#[test]
fn aggregates() {
    let table = [
        ("SELECT COUNT() AS n FROM devices WHERE tags.site = 'plant-a'", json!([{"n": 2}])),
        ("SELECT COUNT() AS n FROM devices WHERE tags.site = 'nowhere'", json!([{"n": 0}])),
        ("SELECT count() FROM devices", json!([{"$1": 5}])),
        // Values that are no numbers are left out, and a column without any value too.
        (
            "SELECT MIN(properties.reported.v) AS min, MAX(properties.reported.v) AS max, SUM(tags.floor) AS sum, \
             AVG(properties.reported.v) AS avg, AVG(tags.site) AS none FROM devices",
            json!([{"min": 2, "max": 3, "sum": 5.5, "avg": 2.5}]),
        ),
        // One row for each value; the rows without one have no such key.
        (
            "SELECT properties.reported.s AS s, COUNT() AS n FROM devices GROUP BY properties.reported.s",
            json!([{"n": 2}, {"s": "bad", "n": 1}, {"s": "ok", "n": 2}]),
        ),
        (
            "SELECT connectionState AS c, COUNT() AS n FROM devices WHERE tags.site = 'plant-a' GROUP BY connectionState",
            json!([{"c": "Disconnected", "n": 2}]),
        ),
        ("SELECT COUNT() AS n FROM devices WHERE tags.site = 'nowhere' GROUP BY status", json!([])),
    ];
    for (query, expected) in table {
        assert_eq!(Json::Array(rows(query)), expected, "{query}");
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
