//! Pages, collections, and what is a setting.

use serde_json::json;

use super::*;

#[test]
fn not_of_undefined_and_the_size_of_pages_are_settings() {
    let registry = fleet();
    let (modules, jobs) = (Registry::default(), Jobs::new(JobSettings::default()));
    let data = Data { devices: &registry, modules: &modules, jobs: &jobs };
    let settings = QuerySettings { not_undefined_is_true: true, page_rows: 2, ..QuerySettings::default() };
    let table = [
        ("NOT tags.site = 'plant-a'", "cde"),
        ("NOT (NOT tags.site = 'plant-a')", "ab"),
        ("NOT (tags.floor > 1 AND tags.none = 1)", "abcde"),
        // What is not NOT stays as it is.
        ("tags.site != 'plant-a'", "ce"),
        ("tags.site NIN ['plant-a']", "ce"),
    ];
    for (condition, expected) in table {
        let query = format!("SELECT deviceId FROM devices WHERE {condition}");
        let (mut ids, mut token) = (String::new(), None);
        loop {
            let page = run(&query, token.as_deref(), 100, data, &settings).unwrap();
            assert!(page.rows.len() <= 2);
            ids.extend(page.rows.iter().map(|row| row["deviceId"].as_str().unwrap()));
            token = page.continuation;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(ids, expected, "{condition}");
    }
}

#[test]
fn modules_are_a_collection_of_their_own() {
    let now = Timestamp::from_unix_seconds(1);
    let modules = Registry::default();
    for (device, module, tags) in
        [("a", "m1", json!({"t": 1})), ("a", "m2", json!({})), ("a-b", "m1", json!({"t": 2}))]
    {
        let id = DeviceId::of_module(device, module).unwrap();
        let change = Change::parse(&json!({ "tags": tags })).unwrap();
        modules
            .create(id, IdentityUpdate::generated(), now, |module| module.twin.patch(&change, now))
            .unwrap();
    }
    let (devices, jobs) = (fleet(), Jobs::new(JobSettings::default()));
    let data = Data { devices: &devices, modules: &modules, jobs: &jobs };
    let strict = QuerySettings::default();
    let table = [
        (
            "SELECT deviceId, moduleId FROM devices.modules WHERE IS_DEFINED(tags.t)",
            json!([{"deviceId": "a-b", "moduleId": "m1"}, {"deviceId": "a", "moduleId": "m1"}]),
        ),
        (
            "select ModuleId from devices.modules where deviceId = 'a' and moduleId = 'm2'",
            json!([{"moduleId": "m2"}]),
        ),
        ("SELECT moduleId FROM devices.modules WHERE tags.site = 'plant-a'", json!([])),
        ("SELECT deviceId, moduleId FROM devices WHERE deviceId = 'a'", json!([{"deviceId": "a"}])),
    ];
    for (query, expected) in table {
        let page = run(query, None, 100, data, &strict).unwrap();
        assert_eq!(Json::Array(page.rows), expected, "{query}");
    }
    let whole = run("SELECT * FROM devices.modules WHERE moduleId = 'm2'", None, 1, data, &strict).unwrap();
    assert_eq!((whole.item_type, &whole.rows[0]["deviceId"]), ("Twin", &json!("a")));
    let first = run("SELECT moduleId FROM devices.modules", None, 2, data, &strict).unwrap();
    let rest =
        run("SELECT moduleId FROM devices.modules", first.continuation.as_deref(), 2, data, &strict).unwrap();
    assert_eq!((first.rows.len(), rest.rows.len(), rest.continuation), (2, 1, None));
    // Whether they can be counted is not documented.
    let count = "SELECT COUNT() AS n FROM devices.modules";
    assert!(run(count, None, 100, data, &strict).is_err());
    let lenient = QuerySettings { module_aggregates: true, ..strict };
    assert_eq!(run(count, None, 100, data, &lenient).unwrap().rows, [json!({"n": 3})]);
}

#[test]
fn pages_go_on_after_the_last_id_whatever_happened_meanwhile() {
    let registry = fleet();
    let query = "SELECT deviceId FROM devices WHERE IS_DEFINED(deviceId)";
    let first = ask(query, None, 2, &registry).unwrap();
    assert_eq!(Json::Array(first.rows), json!([{"deviceId": "a"}, {"deviceId": "b"}]));
    // Rows that leave the result are no cause to skip others.
    registry.remove("a", |_| Ok(())).unwrap();
    registry.remove("b", |_| Ok(())).unwrap();
    let second = ask(query, first.continuation.as_deref(), 2, &registry).unwrap();
    assert_eq!(Json::Array(second.rows), json!([{"deviceId": "c"}, {"deviceId": "d"}]));
    let third = ask(query, second.continuation.as_deref(), 2, &registry).unwrap();
    assert_eq!(Json::Array(third.rows), json!([{"deviceId": "e"}]));
    assert_eq!(third.continuation, None);
    let other = "SELECT deviceId FROM devices";
    assert!(ask(other, second.continuation.as_deref(), 2, &registry).is_err());
    assert!(ask(query, Some("forged"), 2, &registry).is_err());
}

#[test]
fn top_and_groups_have_pages_too() {
    let registry = fleet();
    let mut token = None;
    let mut seen = Vec::new();
    loop {
        let page = ask("SELECT TOP 3 deviceId FROM devices", token.as_deref(), 2, &registry).unwrap();
        seen.push(page.rows.len());
        token = page.continuation;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, [2, 1]);
    let query = "SELECT tags.floor AS f, COUNT() AS n FROM devices GROUP BY tags.floor";
    let first = ask(query, None, 3, &registry).unwrap();
    let second = ask(query, first.continuation.as_deref(), 3, &registry).unwrap();
    let rows: Vec<_> = first.rows.into_iter().chain(second.rows).collect();
    assert_eq!(Json::Array(rows), json!([{"n": 2}, {"f": 1, "n": 1}, {"f": 2, "n": 1}, {"f": 2.5, "n": 1}]));
    assert_eq!(second.continuation, None);
}

#[test]
fn a_page_has_at_most_100_rows() {
    let registry = Registry::default();
    for n in 0..201 {
        let id = DeviceId::parse(&format!("d{n}")).unwrap();
        registry
            .create(id, IdentityUpdate::generated(), Timestamp::from_unix_seconds(1), |_| Ok(()))
            .unwrap();
    }
    let mut token = None;
    let mut seen = Vec::new();
    for expected in [100, 100, 1] {
        let page = ask("SELECT deviceId FROM devices", token.as_deref(), 5000, &registry).unwrap();
        assert_eq!(page.rows.len(), expected);
        seen.extend(page.rows.into_iter().map(|row| row["deviceId"].to_string()));
        token = page.continuation;
    }
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), token), (201, None));
}
