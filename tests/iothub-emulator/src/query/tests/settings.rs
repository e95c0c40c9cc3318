//! What the documents leave open, where it is a setting: the stricter reading is the default.

use serde_json::json;

use super::*;
use crate::settings::JobSettings;

#[test]
fn the_stricter_reading_is_the_default() {
    let settings = QuerySettings::default();
    assert!(!settings.not_undefined_is_true && !settings.module_aggregates);
    assert_eq!((settings.page_rows, settings.index_lag.is_zero()), (100, true));
}

#[test]
fn not_of_undefined() {
    let registry = fleet();
    let (modules, jobs) = (Registry::default(), Jobs::new(JobSettings::default()));
    let data = Data { devices: &registry, modules: &modules, jobs: &jobs };
    let strict = QuerySettings::default();
    let lenient = QuerySettings { not_undefined_is_true: true, ..QuerySettings::default() };
    // A condition, whom it is true of by default, and whom if NOT of undefined is true.
    let table = [
        ("NOT tags.site = 'plant-a'", "ce", "cde"),
        ("NOT (NOT tags.site = 'plant-a')", "ab", "ab"),
        ("NOT (tags.floor > 1 AND tags.none = 1)", "a", "abcde"),
        ("NOT (IS_DEFINED(tags.none) AND tags.none = 1)", "abcde", "abcde"),
        ("NOT STARTSWITH(tags.site, 'plant-a')", "ce", "cde"),
        ("NOT tags.site IN ['plant-a']", "ce", "cde"),
        ("NOT null", "", "abcde"),
        // What is not NOT stays as it is: `!=` and NIN compare, and have nothing to compare.
        ("tags.site != 'plant-a'", "ce", "ce"),
        ("tags.site NIN ['plant-a']", "ce", "ce"),
        ("tags.none = 1", "", ""),
    ];
    for (condition, by_default, leniently) in table {
        let query = format!("SELECT deviceId FROM devices WHERE {condition}");
        for (settings, expected) in [(&strict, by_default), (&lenient, leniently)] {
            let page = run(&query, None, 100, data, settings).unwrap();
            assert_eq!(ids_of(&page.rows), expected, "{condition}");
        }
    }
    // Jobs and configurations judge by the same reading.
    for (settings, expected) in [(&strict, false), (&lenient, true)] {
        let condition = Condition::on_devices("NOT tags.none = 1", settings).unwrap();
        assert_eq!(registry.read("a", |device| condition.is_met_by(device)), Ok(expected));
    }
}

#[test]
fn aggregates_of_modules() {
    let (devices, modules, jobs) = (fleet(), three_modules(), Jobs::new(JobSettings::default()));
    let data = Data { devices: &devices, modules: &modules, jobs: &jobs };
    let count = "SELECT COUNT() AS n, MAX(tags.t) AS t FROM devices.modules";
    assert!(run(count, None, 100, data, &QuerySettings::default()).is_err());
    let lenient = QuerySettings { module_aggregates: true, ..QuerySettings::default() };
    assert_eq!(run(count, None, 100, data, &lenient).unwrap().rows, [json!({"n": 3, "t": 2})]);
    // "The GROUP BY clause is only supported when querying device twins" (IoT Hub query language): no setting.
    let group = "SELECT COUNT() AS n FROM devices.modules GROUP BY moduleId";
    assert!(run(group, None, 100, data, &lenient).is_err());
}

#[test]
fn rows_of_a_page() {
    let registry = fleet();
    let (modules, jobs) = (Registry::default(), Jobs::new(JobSettings::default()));
    let data = Data { devices: &registry, modules: &modules, jobs: &jobs };
    for (page_rows, asked, expected) in [(2, 100, 2), (2, 1, 1), (1000, 4, 4), (1000, usize::MAX, 5)] {
        let settings = QuerySettings { page_rows, ..QuerySettings::default() };
        let page = run("SELECT deviceId FROM devices", None, asked, data, &settings).unwrap();
        assert_eq!(
            (page.rows.len(), page.continuation.is_some()),
            (expected, expected < 5),
            "{page_rows} {asked}"
        );
    }
}
