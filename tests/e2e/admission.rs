//! What the API server refuses by the CRD alone, and that every refusal says what would be right.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use crate::case::Case;

mod applied;

type Change = fn(&mut Value);

/// Changes of a good spec, and what the API server is to say about each.
const REFUSED: &[(Change, &str)] = &[
    (
        |spec| spec["interval"] = json!("4s"),
        "spec.interval must be hours, minutes and seconds between 5s and 24h",
    ),
    (|spec| spec["interval"] = json!("1d"), "for 1d write 24h"),
    (|spec| spec["interval"] = json!("25h"), "between 5s and 24h"),
    (|spec| spec["interval"] = json!("-5m"), "between 5s and 24h"),
    (|spec| spec["interval"] = json!(""), "between 5s and 24h"),
    (
        |spec| spec["contentType"] = json!("a\nb"),
        "1 to 255 printable ASCII characters, such as application/json",
    ),
    (|spec| spec["contentType"] = json!(""), "1 to 255 printable ASCII characters"),
    (|spec| spec["contentType"] = json!("text/plain "), "with no space at either end"),
    (|spec| spec["contentType"] = json!("a".repeat(256)), "may not be more than 255"),
    (|spec| spec["source"] = json!({}), "exactly one of inline, configMapKeyRef and secretKeyRef"),
    (
        |spec| spec["source"]["secretKeyRef"] = json!({"name": "a", "key": "b"}),
        "exactly one of inline, configMapKeyRef and secretKeyRef",
    ),
    (|spec| remove(spec, "source"), "spec.source: Required value"),
    (|spec| spec["source"]["inline"] = json!({}), "exactly one of text and base64"),
    (|spec| spec["source"]["inline"]["base64"] = json!("YQ=="), "exactly one of text and base64"),
    (
        |spec| spec["source"]["inline"]["text"] = json!("a".repeat(128 * 1024 + 1)),
        "may not be more than 131072",
    ),
    (
        |spec| spec["source"]["inline"] = json!({"base64": "A".repeat(180_001)}),
        "spec.source.inline.base64: Too long: may not be more than 180000",
    ),
    (
        |spec| spec["source"] = json!({"configMapKeyRef": {"name": "a"}}),
        "spec.source.configMapKeyRef.key: Required value",
    ),
    (
        |spec| spec["source"] = json!({"secretKeyRef": {"name": "", "key": "a"}}),
        "should be at least 1 chars long",
    ),
    (|spec| remove(spec, "storage"), "spec.storage: Required value"),
    (
        |spec| spec["storage"]["container"] = json!("ab"),
        "3 to 63 lower-case letters, digits and single hyphens",
    ),
    (|spec| spec["storage"]["container"] = json!("Rollouts"), "single hyphens, such as rollouts"),
    (|spec| spec["storage"]["container"] = json!("a--b"), "single hyphens, such as rollouts"),
    (|spec| spec["storage"]["container"] = json!("-ab"), "single hyphens, such as rollouts"),
    (
        |spec| spec["storage"]["prefix"] = json!("../up"),
        "parts separated by single slashes, such as plant-a/line-1",
    ),
    (|spec| spec["storage"]["prefix"] = json!("a//b"), "parts separated by single slashes"),
    (|spec| spec["storage"]["prefix"] = json!("a/"), "parts separated by single slashes"),
    (
        |spec| remove(&mut spec["storage"], "connectionStringSecretRef"),
        "connectionStringSecretRef: Required value",
    ),
    (|spec| spec["sas"] = json!({"lifetime": "7d"}), "for 7d write 168h"),
    (
        |spec| spec["sas"] = json!({"lifetime": "4s"}),
        "spec.sas.lifetime must be hours, minutes and seconds between 5s",
    ),
    (|spec| spec["sas"] = json!({"lifetime": "8761h"}), "between 5s and 8760h"),
    (|spec| spec["sas"] = json!({"renewBefore": "2d"}), "for 2d write 48h"),
    (
        |spec| spec["sas"] = json!({"renewBefore": "0s"}),
        "spec.sas.renewBefore must be hours, minutes and seconds",
    ),
    (
        |spec| spec["sas"] = json!({"lifetime": "1h", "renewBefore": "31m"}),
        "spec.sas.renewBefore must be at most half of spec.sas.lifetime",
    ),
    (
        |spec| spec["sas"] = json!({"renewBefore": "85h"}),
        "at most half of spec.sas.lifetime, which is 168h where it is not given",
    ),
    (|spec| spec["sas"] = json!({"lifeTime": "1h"}), "sas.lifeTime: field not declared in schema"),
    (|spec| remove(spec, "hub"), "spec.hub: Required value"),
    (|spec| spec["hub"]["share"] = json!("80"), "a percentage from 1% to 100%, such as 80%"),
    (|spec| spec["hub"]["share"] = json!("0%"), "a percentage from 1% to 100%"),
    (|spec| spec["hub"]["share"] = json!("101%"), "a percentage from 1% to 100%"),
    (|spec| spec["hub"]["sku"]["name"] = json!("B1"), r#"supported values: "F1", "S1", "S2", "S3""#),
    (
        |spec| spec["hub"]["sku"]["units"] = json!(0),
        "spec.hub.sku.units in body should be greater than or equal to 1",
    ),
    (|spec| spec["hub"]["sku"]["units"] = json!(201), "should be less than or equal to 200"),
    (
        |spec| spec["hub"]["sku"] = json!({"name": "F1", "units": 2}),
        "spec.hub.sku.units must be 1 for F1: a free hub has one unit",
    ),
    (
        |spec| spec["hub"]["sku"] = json!({"name": "S3", "units": 11}),
        "spec.hub.sku.units must be 1 to 10 for S3: no hub has more of them",
    ),
    (|spec| remove(spec, "target"), "spec.target: Required value"),
    (|spec| spec["target"] = json!({}), "exactly one of query and deviceIds"),
    (|spec| spec["target"]["deviceIds"] = json!(["a"]), "exactly one of query and deviceIds"),
    (|spec| spec["target"]["query"] = json!(""), "spec.target.query in body should be at least 1 chars long"),
    (|spec| spec["target"]["query"] = json!("a".repeat(3001)), "may not be more than 3000"),
    (|spec| spec["target"] = json!({"deviceIds": []}), "1 to 1000 devices: pick more by query"),
    (|spec| spec["target"] = json!({"deviceIds": ids(1001)}), "must have at most 1000 items"),
    (
        |spec| spec["target"] = json!({"deviceIds": ["a b"]}),
        "must be device ids: 1 to 128 letters, digits and",
    ),
    (|spec| spec["target"] = json!({"deviceIds": [""]}), "must be device ids"),
    (
        |spec| spec["target"] = json!({"deviceIds": ["a", "b", "a"]}),
        r#"spec.target.deviceIds: duplicate entries for key [="a"]"#,
    ),
    (
        |spec| spec["target"]["maxDevices"] = json!(0),
        "maxDevices in body should be greater than or equal to 1",
    ),
    (
        |spec| spec["twin"] = json!({"property": "a.b"}),
        "spec.twin.property must be a name that a twin can have",
    ),
    (|spec| spec["twin"] = json!({"property": "$a"}), "a letter or underscore, then up to 63 letters"),
    (|spec| spec["twin"] = json!({"property": "1a"}), "a letter or underscore, then up to 63 letters"),
    (|spec| spec["twin"] = json!({"property": ""}), "a letter or underscore, then up to 63 letters"),
    (|spec| spec["twin"] = json!({"property": "a".repeat(65)}), "may not be more than 64"),
    (
        |spec| spec["twin"] = json!({"reportedProperty": "a b"}),
        "spec.twin.reportedProperty must be a name that a twin",
    ),
    (|spec| spec["twin"] = json!({"extraFields": ["md5"]}), r#"supported values: "sha256", "size""#),
    (
        |spec| spec["twin"] = json!({"extraFields": ["size", "size"]}),
        r#"spec.twin.extraFields: duplicate entries for key [="size"]"#,
    ),
];

/// Changes of a stored spec, from the first to the second, and what is said about each.
const IMMUTABLE: &[(Change, Change, &str)] = &[
    (
        |_| (),
        |spec| spec["storage"]["container"] = json!("other"),
        "spec.storage.container is immutable: create another",
    ),
    (
        |_| (),
        |spec| spec["storage"]["prefix"] = json!("a"),
        "spec.storage.prefix is immutable, also adding or removing it",
    ),
    (
        |spec| spec["storage"]["prefix"] = json!("a"),
        |_| (),
        "spec.storage.prefix is immutable, also adding or removing it",
    ),
    (
        |spec| spec["storage"]["prefix"] = json!("a"),
        |spec| spec["storage"]["prefix"] = json!("b"),
        "spec.storage.prefix is immutable",
    ),
    (
        |_| (),
        |spec| spec["twin"] = json!({"property": "a"}),
        "spec.twin.property is immutable, and configurationBlob where",
    ),
    (
        |spec| spec["twin"] = json!({"property": "a"}),
        |_| (),
        "spec.twin.property is immutable, and configurationBlob where",
    ),
    (
        |spec| spec["twin"] = json!({"property": "a"}),
        |spec| spec["twin"] = json!({"property": "b"}),
        "spec.twin.property is immutable",
    ),
];

fn remove(value: &mut Value, field: &str) {
    value.as_object_mut().unwrap().remove(field);
}

/// As many ids, all different.
fn ids(count: u32) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

fn changed(change: Change) -> Value {
    let mut spec = Case::spec("a");
    change(&mut spec);
    spec
}

/// The API server's words about a spec that it is to refuse.
async fn refusal(case: &Case, name: &str, spec: &Value) -> String {
    match case.try_apply(name, spec).await {
        Err(kube::Error::Api(status)) => status.message,
        other => panic!("{spec} was not refused: {other:?}"),
    }
}

/// The messages of all CEL rules in a schema.
fn rules(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            let found = fields.get("x-kubernetes-validations").and_then(Value::as_array);
            into.extend(found.into_iter().flatten().map(|rule| rule["message"].as_str().unwrap().to_owned()));
            fields.values().for_each(|value| rules(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| rules(value, into)),
        _ => (),
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_would_be_right() {
    let case = Case::new("admission").await;
    let mut said = String::new();
    for (change, want) in REFUSED {
        let message = refusal(&case, "refused", &changed(*change)).await;
        assert!(message.contains(want), "{message}\nlacks: {want}");
        said.push_str(&message);
    }
    for (number, (before, after, want)) in IMMUTABLE.iter().enumerate() {
        let name = format!("kept-{number}");
        case.apply(&name, &changed(*before)).await;
        let message = refusal(&case, &name, &changed(*after)).await;
        assert!(message.contains(want), "{message}\nlacks: {want}");
        said.push_str(&message);
    }
    let mut messages = BTreeSet::new();
    rules(&serde_json::to_value(blobrollout::api::crd()).unwrap(), &mut messages);
    assert!(messages.len() > 10, "the CRD has rules: {messages:?}");
    let untested: Vec<_> = messages.iter().filter(|message| !said.contains(*message)).collect();
    assert!(untested.is_empty(), "rules without a row above: {untested:#?}");
}

#[tokio::test]
async fn what_can_be_is_admitted() {
    let case = Case::new("admitted").await;
    let admitted: &[Change] = &[
        |_| (),
        |spec| spec["source"]["inline"]["text"] = json!("a".repeat(128 * 1024)),
        |spec| spec["source"] = json!({"inline": {"base64": "YQ=="}}),
        |spec| spec["source"] = json!({"secretKeyRef": {"name": "a", "key": "b.c"}}),
        |spec| spec["storage"]["prefix"] = json!("plant-a/line_1"),
        |spec| spec["sas"] = json!({"lifetime": "8760h", "renewBefore": "4380h"}),
        |spec| spec["sas"] = json!({"lifetime": "1h30m", "renewBefore": "0.5h"}),
        |spec| spec["sas"] = json!({"lifetime": "5s"}),
        |spec| spec["sas"] = json!({"renewBefore": "84h"}),
        |spec| spec["hub"]["sku"] = json!({"name": "F1"}),
        |spec| spec["hub"]["sku"] = json!({"name": "S2", "units": 200}),
        |spec| spec["hub"]["sku"] = json!({"name": "S3", "units": 10}),
        |spec| spec["target"] = json!({"deviceIds": ["a-:.+%_#*?!(),=@$'1"], "maxDevices": 1}),
        |spec| spec["target"] = json!({"deviceIds": ids(1000)}),
        |spec| spec["target"] = json!({"query": "SELECT * FROM devices"}),
        |spec| spec["twin"] = json!({"property": "_a-1", "reportedProperty": "a".repeat(64)}),
    ];
    for (number, change) in admitted.iter().enumerate() {
        case.apply(&format!("admitted-{number}"), &changed(*change)).await;
    }
    // What may change does.
    let other: Change = |spec| {
        spec["target"] = json!({"deviceIds": ["a"]});
        spec["source"] = json!({"configMapKeyRef": {"name": "a", "key": "b"}});
        spec["hub"]["share"] = json!("100%");
    };
    case.apply("admitted-0", &changed(other)).await;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let examples = examples.to_str().unwrap();
    let arguments =
        ["apply", "--server-side", "--dry-run=server", "--namespace", &case.namespace, "-f", examples];
    let applied = case.kubectl(&arguments).await;
    assert!(applied.matches("blobrollout.blobrollout.dev/").count() >= 5, "{applied}");
}
