//! What is accepted, and what is named where it is not.

use serde_json::{Value, json};

use super::*;

fn spec(change: impl FnOnce(&mut Value)) -> BlobRolloutSpec {
    let mut value = json!({
        "source": {"inline": {"text": "hello"}},
        "storage": {"container": "rollouts", "connectionStringSecretRef": {"name": "storage", "key": "cs"}},
        "hub": {"connectionStringSecretRef": {"name": "hub", "key": "cs"}},
        "target": {"query": "tags.site = 'a'"},
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

#[test]
fn defaults() {
    let intent = Intent::parse(&spec(|_| ())).unwrap();
    assert_eq!(intent.source, Source::Inline(Bytes::from("hello")));
    assert_eq!(intent.interval, Duration::from_mins(5));
    assert_eq!((intent.lifetime, intent.renew_before), (Duration::from_hours(168), Duration::from_hours(56)));
    assert_eq!(intent.content_type, "application/octet-stream");
    assert_eq!(
        (intent.property.as_str(), intent.reported_property.as_str()),
        ("configurationBlob", "configurationBlob")
    );
    assert_eq!(spec(|_| ()).storage.path("ns", "recipes"), "ns/recipes");
}

#[test]
fn what_is_given_is_taken() {
    let spec = spec(|v| {
        v["source"] = json!({"inline": {"base64": "aGVs\n bG8="}});
        v["storage"]["prefix"] = json!("plant-a/line_1");
        v["twin"] = json!({"property": "recipes", "extraFields": ["sha256", "size"]});
        v["target"] = json!({"deviceIds": ["a"], "maxDevices": 3});
        v["sas"] = json!({"lifetime": "1h", "renewBefore": "30m"});
    });
    let intent = Intent::parse(&spec).unwrap();
    assert_eq!(intent.source, Source::Inline(Bytes::from("hello")));
    assert_eq!(spec.storage.path("ns", "n"), "plant-a/line_1/ns/n");
    assert_eq!(intent.reported_property, "recipes");
    assert!(intent.with_sha256 && intent.with_size);
    assert_eq!(intent.max_devices, Some(3));
    assert_eq!(intent.renew_before, Duration::from_mins(30));
}

#[test]
fn limits_are_taken() {
    for sku in
        [json!({"name": "F1"}), json!({"name": "S2", "units": 200}), json!({"name": "S3", "units": 10})]
    {
        Intent::parse(&spec(|v| v["hub"]["sku"] = sku)).unwrap();
    }
    for sas in [json!({"lifetime": "5s"}), json!({"renewBefore": "84h"}), json!({"lifetime": "8760h"})] {
        Intent::parse(&spec(|v| v["sas"] = sas)).unwrap();
    }
}

#[test]
fn what_is_wrong_is_named() {
    type Change = fn(&mut Value);
    let table: &[(Change, &str)] = &[
        (|v| v["source"] = json!({}), "spec.source: must name exactly one"),
        (|v| v["contentType"] = json!("text/plain "), "spec.contentType: must be 1 to 255"),
        (|v| v["hub"]["sku"] = json!({"name": "B1"}), r#"spec.hub.sku.name: "B1" is no tier"#),
        (|v| v["hub"]["sku"] = json!({"units": 3_000_000_000_i64}), "spec.hub.sku.units: must be 1 to 200"),
        (
            |v| v["hub"]["sku"] = json!({"name": "F1", "units": 2}),
            "spec.hub.sku.units: must be 1 for F1: a free hub has one unit",
        ),
        (
            |v| v["hub"]["sku"] = json!({"name": "S3", "units": 11}),
            "spec.hub.sku.units: must be 1 to 10 for S3",
        ),
        (
            |v| v["twin"] = json!({"extraFields": ["size", "md5"]}),
            r#"spec.twin.extraFields: "md5" is no field"#,
        ),
        (
            |v| v["source"]["secretKeyRef"] = json!({"name": "a", "key": "b"}),
            "spec.source: must name exactly one",
        ),
        (|v| v["source"]["inline"] = json!({}), "spec.source.inline: must have exactly one"),
        (|v| v["source"]["inline"] = json!({"base64": "%"}), "spec.source.inline.base64: is not"),
        (|v| v["source"]["inline"]["text"] = json!("x".repeat(INLINE_LIMIT + 1)), "put it into a ConfigMap"),
        (
            |v| v["sas"] = json!({"lifetime": "7d"}),
            "spec.sas.lifetime: \"7d\" is not a duration: days have no unit here, for 7d write 168h",
        ),
        (|v| v["sas"] = json!({"lifetime": "4s"}), "spec.sas.lifetime: \"4s\" must be at least 5s"),
        (
            |v| v["sas"] = json!({"lifetime": "1h", "renewBefore": "31m"}),
            "spec.sas.renewBefore: must be at most 30m, half of spec.sas.lifetime",
        ),
        (|v| v["sas"] = json!({"renewBefore": "85h"}), "spec.sas.renewBefore: must be at most 84h, half"),
        (|v| v["interval"] = json!("1ms"), "spec.interval"),
        (|v| v["contentType"] = json!("a\nb"), "spec.contentType: must be"),
        (|v| v["storage"]["container"] = json!("A"), "spec.storage.container: must be"),
        (|v| v["storage"]["prefix"] = json!("../x"), "spec.storage.prefix: must be"),
        (|v| v["storage"]["prefix"] = json!("a//x"), "spec.storage.prefix: must be"),
        (|v| v["hub"]["share"] = json!("0%"), "spec.hub.share: must be"),
        (|v| v["hub"]["share"] = json!("80"), "spec.hub.share: must be"),
        (|v| v["hub"]["sku"] = json!({"units": 0}), "spec.hub.sku.units: must be"),
        (|v| v["target"]["deviceIds"] = json!(["a"]), "spec.target: "),
        (|v| v["target"] = json!({}), "spec.target: "),
        (|v| v["target"]["maxDevices"] = json!(-1), "spec.target.maxDevices: must be"),
        (|v| v["twin"] = json!({"property": "a.b"}), "spec.twin.property: must be"),
        (
            |v| v["twin"] = json!({"property": "a", "reportedProperty": "$x"}),
            "spec.twin.reportedProperty: must be",
        ),
    ];
    for (change, want) in table {
        let error = Intent::parse(&spec(change)).expect_err(want).to_string();
        assert!(error.contains(want), "{error} for {want}");
    }
}
