//! What a query gives: whole twins, columns, aggregates, groups.

use serde_json::json;

use super::*;

/// Compares rows by a table of source, query and what it gives.
fn compare(table: &[(&str, &str, Json)]) {
    for (source, query, expected) in table {
        assert_eq!(Json::Array(rows(query)), *expected, "{query} ({source})");
    }
}

#[test]
fn columns() {
    // Programs that read such rows: `CleanupDevicesSample.cs`, the asset tracker of Nordic Semiconductor, Microsoft's thief.
    let programs = "programs that read such rows";
    compare(&[
        // Columns without AS are answered, although one sentence keeps them for aggregates: the examples beside it do not.
        (TWINS, "SELECT deviceId FROM devices WHERE deviceId = 'a'", json!([{"deviceId": "a"}])),
        (TWINS, "select DeviceId from devices where deviceId = 'a'", json!([{"deviceId": "a"}])),
        // The column is the last step of the path, or the name after AS; what is undefined is left out.
        (
            programs,
            "SELECT deviceId, properties.desired.[[blob]].uri AS link, properties.reported.v FROM devices WHERE deviceId IN ['a', 'c']",
            json!([{"deviceId": "a", "link": LINK, "v": 2}, {"deviceId": "c", "v": "text"}]),
        ),
        (programs, "SELECT tags.none FROM devices WHERE deviceId = 'a'", json!([{}])),
        (
            programs,
            "SELECT status AS [[the status]] FROM devices WHERE deviceId = 'a'",
            json!([{"the status": "enabled"}]),
        ),
        // Of two columns of one name the last one stays.
        (
            OPEN,
            "SELECT properties.desired.a, properties.reported.a AS a FROM devices WHERE deviceId = 'e'",
            json!([{"a": 2}]),
        ),
        (
            OPEN,
            "SELECT deviceId AS x, status AS x FROM devices WHERE deviceId = 'a'",
            json!([{"x": "enabled"}]),
        ),
        // An object comes as JSON; its metadata only if it is asked for.
        (
            programs,
            "SELECT properties.desired.blob AS b, tags, properties.desired.list AS l FROM devices WHERE deviceId = 'd'",
            json!([{"b": {}, "l": [1]}]),
        ),
        (
            programs,
            "SELECT properties.reported AS r, properties.desired.blob FROM devices WHERE deviceId = 'b'",
            json!([{"r": {"s": "bad", "v": 3, "$version": 2}, "blob": {"uri": 5}}]),
        ),
        (
            programs,
            "SELECT properties.reported.$metadata.s AS m FROM devices WHERE deviceId = 'b'",
            json!([{"m": {"$lastUpdated": "1970-01-01T00:00:01Z"}}]),
        ),
        (LANGUAGE, "SELECT TOP 2 deviceId FROM devices", json!([{"deviceId": "a"}, {"deviceId": "b"}])),
        (LANGUAGE, "SELECT TOP 9 deviceId FROM devices WHERE deviceId = 'c'", json!([{"deviceId": "c"}])),
    ]);
}

/// Names of the `QueryResultType` of the C# client, which is exact about their case.
#[test]
fn item_types() {
    let registry = fleet();
    let table = [
        ("SELECT * FROM devices", "Twin"),
        ("SELECT * FROM devices.modules", "Twin"),
        ("SELECT TOP 1 * FROM devices WHERE deviceId = 'a'", "Twin"),
        ("SELECT deviceId FROM devices", "Raw"),
        ("SELECT deviceId FROM devices.modules", "Raw"),
        ("SELECT COUNT() AS n FROM devices", "Raw"),
        ("SELECT status, COUNT() AS n FROM devices GROUP BY status", "Raw"),
        ("SELECT * FROM devices.jobs", "DeviceJob"),
    ];
    for (query, item_type) in table {
        assert_eq!(ask(query, None, 10, &registry).unwrap().item_type, item_type, "{query}");
    }
    // A whole twin is what a read of it gives.
    let whole = ask("SELECT * FROM devices WHERE deviceId = 'a'", None, 10, &registry).unwrap();
    assert_eq!(whole.rows, [registry.read("a", |device| json!(TwinDocument(device))).unwrap()]);
}

#[test]
fn aggregates() {
    compare(&[
        (LANGUAGE, "SELECT COUNT() AS n FROM devices WHERE tags.site = 'plant-a'", json!([{"n": 2}])),
        (LANGUAGE, "SELECT Count() AS n, max(tags.floor) AS m FROM devices", json!([{"n": 5, "m": 2.5}])),
        (
            LANGUAGE,
            "SELECT MIN(properties.reported.v) AS min, MAX(properties.reported.v) AS max, SUM(tags.floor) AS sum, \
             AVG(tags.floor) AS avg FROM devices WHERE tags.site = 'plant-a'",
            json!([{"min": 2, "max": 3, "sum": 3, "avg": 1.5}]),
        ),
        (OPEN, "SELECT COUNT() AS n FROM devices WHERE tags.site = 'nowhere'", json!([{"n": 0}])),
        // Without AS a column is named by its place.
        (OPEN, "SELECT COUNT(), SUM(tags.floor) FROM devices", json!([{"$1": 5, "$2": 5.5}])),
        // Values that are no numbers are left out, and a column without any value too.
        (
            OPEN,
            "SELECT AVG(properties.reported.v) AS avg, AVG(tags.site) AS none FROM devices",
            json!([{"avg": 2.5}]),
        ),
        (OPEN, "SELECT TOP 1 COUNT() AS n FROM devices", json!([{"n": 5}])),
    ]);
}

#[test]
fn groups() {
    compare(&[
        // The example of the page; rows whose value is undefined have no such key.
        (
            LANGUAGE,
            "SELECT properties.reported.s AS s, COUNT() AS n FROM devices GROUP BY properties.reported.s",
            json!([{"n": 2}, {"s": "bad", "n": 1}, {"s": "ok", "n": 2}]),
        ),
        // After WHERE, and of it.
        (
            LANGUAGE,
            "SELECT connectionState AS c, COUNT() AS n FROM devices WHERE tags.site = 'plant-a' GROUP BY connectionState",
            json!([{"c": "Disconnected", "n": 2}]),
        ),
        (LANGUAGE, "SELECT COUNT() AS n FROM devices WHERE tags.site = 'nowhere' GROUP BY status", json!([])),
        // Any aggregate beside the key, the key in any place or none, named by its last step.
        (
            LANGUAGE,
            "select sum(tags.floor) as sum, tags.site from devices where is_defined(tags.floor) group by tags.site",
            json!([{"site": "plant-a", "sum": 3}, {"site": "plant-b", "sum": 2.5}]),
        ),
        (LANGUAGE, "SELECT MAX(tags.floor) AS m FROM devices GROUP BY status", json!([{"m": 2.5}])),
        (OPEN, "SELECT status FROM devices GROUP BY status", json!([{"status": "enabled"}])),
        // Numbers, truths and texts are keys of their own; each kind as it is.
        (
            OPEN,
            "SELECT properties.reported.v AS v, COUNT() AS n FROM devices GROUP BY properties.reported.v",
            json!([{"n": 2}, {"v": "text", "n": 1}, {"v": 2, "n": 1}, {"v": 3, "n": 1}]),
        ),
    ]);
}
