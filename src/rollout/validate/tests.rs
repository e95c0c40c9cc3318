//! What is accepted, what is named where it is not, and that sections fail apart.

use serde_json::{Value, json};

use super::*;

fn parse(change: impl FnOnce(&mut Value)) -> Validated {
    let mut value = json!({
        "source": {"inline": {"text": "hello"}},
        "storage": {"container": "rollouts", "connectionStringSecretRef": {"name": "storage", "key": "cs"}},
        "hub": {"connectionStringSecretRef": {"name": "hub", "key": "cs"}},
        "target": {"query": "tags.site = 'a'"},
    });
    change(&mut value);
    let spec: BlobRolloutSpec = serde_json::from_value(value).unwrap();
    Validated::parse(&spec, "ns", "recipes")
}

#[test]
fn defaults() {
    let spec = parse(|_| ());
    assert_eq!(spec.errors, []);
    assert_eq!(spec.source, Ok(Source::Inline(Bytes::from("hello"))));
    assert_eq!(spec.interval, Duration::from_mins(5));
    let sas = SasSettings { lifetime: Duration::from_hours(168), renew_before: Duration::from_hours(56) };
    assert_eq!(spec.sas, sas);
    assert_eq!(spec.content_type.as_deref(), Ok("application/octet-stream"));
    let twin = spec.twin.unwrap();
    assert_eq!(
        (twin.property.as_str(), twin.reported_property.as_str()),
        ("configurationBlob", "configurationBlob")
    );
    assert_eq!(spec.storage.unwrap().path, "ns/recipes");
}

#[test]
fn what_is_given_is_taken() {
    let spec = parse(|v| {
        v["source"] = json!({"inline": {"base64": "aGVs\n bG8="}});
        v["storage"]["prefix"] = json!("plant-a/line_1");
        v["twin"] = json!({"property": "recipes", "extraFields": ["sha256", "size"]});
        v["target"] = json!({"deviceIds": ["a"], "maxDevices": 3});
        v["sas"] = json!({"lifetime": "1h", "renewBefore": "30m"});
    });
    assert_eq!(spec.errors, []);
    assert_eq!(spec.source, Ok(Source::Inline(Bytes::from("hello"))));
    assert_eq!(spec.storage.unwrap().path, "plant-a/line_1/ns/recipes");
    let twin = spec.twin.unwrap();
    assert_eq!(twin.reported_property, "recipes");
    assert!(twin.with_sha256 && twin.with_size);
    assert_eq!(spec.max_devices, Some(3));
    assert_eq!(spec.sas.renew_before, Duration::from_mins(30));
}

type Change = fn(&mut Value);

#[test]
fn what_is_wrong_is_named() {
    let table: &[(Change, &str)] = &[
        (|v| v["interval"] = json!("1s"), r#"spec.interval: "1s" must be at least 5s"#),
        (|v| v["source"] = json!({}), "spec.source: must name exactly one"),
        (|v| v["source"] = json!({"inline": {}}), "spec.source.inline: must have exactly one"),
        (|v| v["source"] = json!({"inline": {"base64": "no base64!"}}), "spec.source.inline.base64: is not"),
        (|v| v["source"]["inline"]["text"] = json!("a".repeat(131_073)), "name it in configMapKeyRef"),
        (|v| v["contentType"] = json!("text/plain "), "spec.contentType: must be 1 to 255"),
        (|v| v["storage"]["container"] = json!("a--b"), "spec.storage.container: must be 3 to 63"),
        (|v| v["storage"]["prefix"] = json!("../up"), "spec.storage.prefix: must be letters"),
        (|v| v["sas"] = json!({"lifetime": "7d"}), "spec.sas.lifetime: \"7d\" is not a duration"),
        (|v| v["sas"] = json!({"lifetime": "4s"}), "must be at least 5s"),
        (|v| v["sas"] = json!({"renewBefore": "85h"}), "spec.sas.renewBefore: must be at most half"),
        (|v| v["hub"]["sku"] = json!({"name": "B1"}), r#"spec.hub.sku.name: "B1" is no tier"#),
        (|v| v["hub"]["sku"] = json!({"units": 201}), "spec.hub.sku.units: must be 1 to 200"),
        (|v| v["hub"]["sku"] = json!({"name": "F1", "units": 2}), "must be 1 to 1 for the tier F1"),
        (|v| v["hub"]["sku"] = json!({"name": "S3", "units": 11}), "must be 1 to 10 for the tier S3"),
        (|v| v["hub"]["share"] = json!("0%"), "spec.hub.share: must be a percentage"),
        (|v| v["target"] = json!({"query": "a = 'x"}), "spec.target: query must be a condition"),
        (|v| v["target"] = json!({"deviceIds": ["a b"]}), "spec.target: deviceIds[0] is no device id"),
        (|v| v["target"]["maxDevices"] = json!(0), "spec.target.maxDevices: must be at least 1"),
        (|v| v["twin"] = json!({"property": "a.b"}), "spec.twin.property: must be a letter"),
        (|v| v["twin"] = json!({"extraFields": ["md5"]}), r#"spec.twin.extraFields: "md5" is no field"#),
    ];
    for (change, want) in table {
        let errors = parse(change).errors;
        let [error] = errors.as_slice() else { panic!("{want}: {errors:?}") };
        assert!(error.to_string().contains(want), "{error} for {want}");
    }
}

#[test]
fn sections_fail_apart() {
    let usual = parse(|_| ());
    let spec = parse(|v| {
        v["interval"] = json!("soon");
        v["source"] = json!({"inline": {"base64": "!"}});
        v["contentType"] = json!("");
        v["sas"] = json!({"lifetime": "never"});
        v["hub"]["sku"] = json!({"name": "XL"});
        v["hub"]["share"] = json!("all");
        v["target"] = json!({"query": "(", "maxDevices": -1});
    });
    assert_eq!(spec.errors.len(), 8, "{:?}", spec.errors);
    // What keeps links alive is there all the same.
    assert_eq!(
        (&spec.storage, &spec.twin, &spec.hub, spec.sas),
        (&usual.storage, &usual.twin, &usual.hub, usual.sas)
    );
    assert_eq!(spec.interval, usual.interval);
    assert_eq!(spec.max_devices, Some(0), "a guard that cannot be read lets nobody through");
}
