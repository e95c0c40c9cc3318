//! Pages: "IoT Hub query language", query results pagination, for their size; what no document says is that a token goes
//! on after the last id.

use serde_json::json;

use super::*;

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
