//! What becomes of objects that users apply: nulls, several field managers, and the status before anybody has looked.

use blobrollout::{api::BlobRollout, rollout::validate::Validated};
use serde_json::{Value, json};

use crate::case::Case;

/// Writes the rollout into a file that kubectl can apply.
fn file(case: &Case, name: &str, spec: &Value) -> String {
    let object = json!({
        "apiVersion": "blobrollout.dev/v1alpha1", "kind": "BlobRollout",
        "metadata": {"name": name, "namespace": case.namespace}, "spec": spec,
    });
    let path = case.folder.path().join(format!("{name}.json"));
    std::fs::write(&path, object.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The object as the API server gives it, and as the operator reads it.
async fn stored(case: &Case, name: &str) -> (Value, BlobRollout) {
    let text =
        case.kubectl(&["get", "blobrollout", name, "--namespace", &case.namespace, "-o", "json"]).await;
    (serde_json::from_str(&text).unwrap(), serde_json::from_str(&text).unwrap())
}

/// The value without fields that are null.
fn given(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !value.is_null());
            given.map(|(name, value)| (name.clone(), self::given(value))).collect()
        }
        other => other.clone(),
    }
}

/// The same rollout twice: with null for every field that has none, and with null for those that such a field has.
fn nulls() -> [Value; 2] {
    let secret = json!({"name": "a", "key": "b"});
    let mut outer = json!({
        "suspend": null,
        "interval": null,
        "source": {"inline": {"text": "a", "base64": null}, "configMapKeyRef": null, "secretKeyRef": null},
        "contentType": null,
        "storage": {"container": "rollouts", "prefix": null, "connectionStringSecretRef": secret},
        "sas": null,
        "hub": {"connectionStringSecretRef": secret, "sku": null, "share": null},
        "target": {"query": "a = 1", "deviceIds": null, "maxDevices": null},
        "twin": null,
    });
    let first = outer.clone();
    outer["sas"] = json!({"lifetime": null, "renewBefore": null});
    outer["hub"]["sku"] = json!({"name": null, "units": null});
    outer["twin"] = json!({"property": null, "reportedProperty": null, "extraFields": null});
    [first, outer]
}

#[tokio::test]
async fn null_is_not_given() {
    let case = Case::new("nulls").await;
    let defaults = json!({
        "suspend": false,
        "interval": "5m",
        "source": {"inline": {"text": "a"}},
        "contentType": "application/octet-stream",
        "storage": {"container": "rollouts", "connectionStringSecretRef": {"name": "a", "key": "b"}},
        "sas": {},
        "hub": {
            "connectionStringSecretRef": {"name": "a", "key": "b"},
            "sku": {"name": "S1", "units": 1},
            "share": "80%",
        },
        "target": {"query": "a = 1"},
        "twin": {"property": "configurationBlob"},
    });
    for (number, spec) in nulls().iter().enumerate() {
        for (how, arguments) in [("client", &[][..]), ("server", &["--server-side"])] {
            let name = format!("{how}-{number}");
            let file = file(&case, &name, spec);
            let apply = [&["apply", "-f", &file], arguments].concat();
            case.kubectl(&apply).await;
            // The second apply on the server's side writes the status that the first reads back by default, with or without nulls.
            case.kubectl(&apply).await;
            let (before, object) = stored(&case, &name).await;
            assert_eq!(before["metadata"]["generation"], 1, "{before}");
            assert_eq!(given(&before["spec"]), defaults, "{name}");
            assert_eq!(Validated::parse(&object.spec, "ns", &name).errors, []);
            // Nothing changes when it is applied again, nor do rules see a change from nothing to null.
            let said = case.kubectl(&apply).await;
            let (after, _) = stored(&case, &name).await;
            assert_eq!(
                before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"],
                "{said}{after}"
            );
        }
    }
    // Absent and null are the same to the rules that forbid a change, in both directions.
    let mut null = Case::spec("a");
    null["storage"]["prefix"] = json!(null);
    null["twin"] = json!({"property": null});
    for spec in [&Case::spec("a"), &null, &Case::spec("a")] {
        case.apply("absent", spec).await;
    }
    null["storage"]["prefix"] = json!("a");
    let refused = case.try_apply("absent", &null).await.unwrap_err().to_string();
    assert!(refused.contains("spec.storage.prefix is immutable"), "{refused}");
    // A null takes back what was given.
    let [mut other, _] = nulls();
    other["source"] =
        json!({"inline": null, "configMapKeyRef": {"name": "a", "key": "b"}, "secretKeyRef": null});
    let file = file(&case, "client-0", &other);
    case.kubectl(&["apply", "-f", &file]).await;
    let (object, _) = stored(&case, "client-0").await;
    assert_eq!(given(&object["spec"]["source"]), json!({"configMapKeyRef": {"name": "a", "key": "b"}}));
}

#[tokio::test]
async fn the_choice_of_a_second_field_manager_replaces_the_first() {
    let case = Case::new("managers").await;
    let one = Case::spec("a");
    let mut two = one.clone();
    two["source"] = json!({"configMapKeyRef": {"name": "a", "key": "b"}});
    two["target"] = json!({"deviceIds": ["a"]});
    let apply = ["apply", "--server-side", "--field-manager"];
    let first = file(&case, "both", &one);
    case.kubectl(&[&apply[..], &["one", "-f", &first]].concat()).await;
    let second = file(&case, "both", &two);
    let refused = [&apply[..], &["two", "-f", &second]].concat();
    let refused = case.shared.control_plane.kubectl(&refused).await.unwrap().success("two").unwrap_err();
    let said = refused.to_string();
    assert!(said.contains(r#"conflicts with "one""#) && said.contains(".spec.source"), "{said}");
    case.kubectl(&[&apply[..], &["two", "--force-conflicts", "-f", &second]].concat()).await;
    let (object, _) = stored(&case, "both").await;
    assert_eq!(object["spec"]["source"], two["source"]);
    assert_eq!(object["spec"]["target"], two["target"]);
}

#[tokio::test]
async fn what_nobody_has_looked_at_says_so() {
    let case = Case::new("unobserved").await;
    case.apply("new", &Case::spec("a")).await;
    let (object, read) = stored(&case, "new").await;
    assert_eq!(object["status"], json!({"observedGeneration": -1}));
    let status = read.status.unwrap();
    assert_eq!((status.observed_generation, status.conditions.len()), (Some(-1), 0));
}
