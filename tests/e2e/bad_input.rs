//! What a user got wrong is told on that object alone, by a condition and an Event, and mended without a restart.

use blobrollout::api::{
    BlobRolloutStatus,
    conditions::{READY, STALLED},
};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use crate::case::{Case, said};

/// Something bad, and how it is mended.
struct Bad {
    name: &'static str,
    /// Where the spec differs from a good one, and by what.
    change: (&'static str, Value),
    /// The reason of Ready, and what its message says.
    told: (&'static str, &'static str),
    mend: Mend,
}

enum Mend {
    /// The Secret gets this connection string.
    Secret(&'static str, String),
    /// The ConfigMap is written.
    ConfigMap(&'static str),
    /// The field gets another value.
    Field(Value),
}

fn bads(case: &Case) -> Vec<Bad> {
    let (storage, hub) =
        (case.account.connection_string(), case.hub.policy_connection_string("service").unwrap());
    let (storage_ref, hub_ref) =
        ("/storage/connectionStringSecretRef/name", "/hub/connectionStringSecretRef/name");
    let map = |name: &str, key: &str| json!({"configMapKeyRef": {"name": name, "key": key}});
    let secret = |pointer, name: &'static str, reason, message, good: &str| Bad {
        name,
        change: (pointer, json!(name)),
        told: (reason, message),
        mend: Mend::Secret(name, good.to_owned()),
    };
    let field = |name, change: (&'static str, Value), reason, message, good| Bad {
        name,
        change,
        told: (reason, message),
        mend: Mend::Field(good),
    };
    vec![
        Bad {
            name: "no-map",
            change: ("/source", map("no-map", "asset")),
            told: ("SourceUnavailable", r#"there is no ConfigMap "no-map" in this namespace: create it"#),
            mend: Mend::ConfigMap("no-map"),
        },
        field(
            "no-map-key",
            ("/source", map("there", "other")),
            "SourceUnavailable",
            r#"has no key "other": add it, or name one that is there (asset)"#,
            map("there", "asset"),
        ),
        field(
            "no-secret-key",
            ("/source", json!({"secretKeyRef": {"name": "blobrollout-hub", "key": "other"}})),
            "SourceUnavailable",
            r#"has no key "other": add it, or name one that is there (connectionString)"#,
            map("there", "asset"),
        ),
        field(
            "no-base64",
            ("/source", json!({"inline": {"base64": "not base64!"}})),
            "InvalidSpec",
            "spec.source.inline.base64",
            json!({"inline": {"base64": "YQ=="}}),
        ),
        field(
            "refused-query",
            ("/target/query", json!("tags.site = = 'plant-a'")),
            "QueryRefused",
            "Expected a value at input '='",
            json!("tags.site = 'plant-a'"),
        ),
        field("too-many", ("/target/maxDevices", json!(1)), "TooManyDevices", "2 devices", json!(2)),
        secret(storage_ref, "no-storage", "CredentialUnavailable", r#"no Secret "no-storage""#, &storage),
        secret(hub_ref, "no-hub", "CredentialUnavailable", r#"no Secret "no-hub""#, &hub),
        secret(storage_ref, "cut-storage", "CredentialUnavailable", "has no AccountKey", &storage),
        secret(hub_ref, "cut-hub", "CredentialUnavailable", "SharedAccessKey", &hub),
        secret(storage_ref, "wrong-storage", "StorageRefused", "does not accept the account key", &storage),
        secret(hub_ref, "wrong-hub", "HubRefused", "refuse", &hub),
        secret(storage_ref, "far-storage", "StorageUnavailable", "storage cannot be reached", &storage),
        secret(hub_ref, "far-hub", "HubUnavailable", "cannot be reached", &hub),
    ]
}

/// The Secrets that are wrong from the start.
async fn plant(case: &Case) {
    let (storage, hub) =
        (case.account.connection_string(), case.hub.policy_connection_string("service").unwrap());
    let other = |text: &str, name: &str, value: &str| {
        let parts = text.split(';').filter(|part| !part.is_empty());
        let kept: Vec<&str> = parts.filter(|part| !part.starts_with(&format!("{name}="))).collect();
        format!("{};{name}={value}", kept.join(";"))
    };
    case.config_map("there", "an asset").await;
    case.secret("cut-storage", "AccountName=devices;EndpointSuffix=core.windows.net").await;
    case.secret("cut-hub", "HostName=h.azure-devices.net;SharedAccessKeyName=service").await;
    case.secret("wrong-storage", &other(&storage, "AccountKey", "d3Jvbmc=")).await;
    case.secret("wrong-hub", &other(&hub, "SharedAccessKey", "d3Jvbmc=")).await;
    case.secret("far-storage", &other(&storage, "BlobEndpoint", "https://127.0.0.1:1/devices")).await;
    case.secret("far-hub", &other(&hub, "HostName", "127.0.0.1:1")).await;
}

/// A spec of its own property, so that rollouts do not stand in each other's way.
fn spec_of(name: &str, pointer: &str, value: &Value) -> Value {
    let mut spec = Case::spec("an asset");
    spec["twin"] = json!({"property": name.replace('-', "_")});
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    spec.pointer_mut(parent).unwrap()[field] = value.clone();
    spec
}

#[tokio::test]
async fn bad_input_is_told_where_its_author_looks_and_mended_without_a_restart() {
    let case = Case::new("bad-input").await;
    case.devices(2);
    plant(&case).await;
    let operator = case.operator().await;
    let bads = bads(&case);
    for bad in &bads {
        case.apply(bad.name, &spec_of(bad.name, bad.change.0, &bad.change.1)).await;
    }
    for bad in &bads {
        let passes = bad.told.0.ends_with("Unavailable") && bad.name.starts_with("far");
        // While a service cannot be reached, nobody may know what a new rollout's devices hold.
        let holds: &[&str] = if passes { &["Unknown", "False"] } else { &["False"] };
        let told = |status: &BlobRolloutStatus| {
            holds.iter().any(|holds| said(status, READY) == format!("{holds} {}", bad.told.0))
        };
        let status = case.until(bad.name, told).await;
        let message = &status.conditions.iter().find(|told| told.type_ == READY).unwrap().message;
        assert!(message.contains(bad.told.1), "{}: {message:?} lacks {:?}", bad.name, bad.told.1);
        // What passes by itself is tried again; what does not is for the user.
        assert_eq!(said(&status, STALLED).is_empty(), passes, "{}: {:?}", bad.name, status.conditions);
    }
    assert!(case.hub.desired_writes().is_empty(), "a twin was written: {:?}", case.hub.desired_writes());

    // Nobody else is disturbed.
    case.apply("good", &Case::spec("good")).await;
    case.until_said("good", READY, "True Delivered").await;

    let events: Api<Event> = Api::namespaced(case.client.clone(), &case.namespace);
    for bad in &bads {
        case.until_true(&format!("the event of {}", bad.name), async || {
            let events = events.list(&ListParams::default()).await.unwrap().items;
            events.iter().any(|event| {
                event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(bad.name)
                    && event.reason.as_deref() == Some(bad.told.0)
                    && event.type_.as_deref() == Some("Warning")
                    && event.note.as_ref().is_some_and(|note| note.contains(bad.told.1))
            })
        })
        .await;
    }

    for bad in &bads {
        match &bad.mend {
            Mend::Secret(name, text) => case.secret(name, text).await,
            Mend::ConfigMap(name) => case.config_map(name, "an asset").await,
            Mend::Field(value) => case.apply(bad.name, &spec_of(bad.name, bad.change.0, value)).await,
        }
    }
    for bad in &bads {
        let status = case.until_said(bad.name, READY, "True Delivered").await;
        assert!(said(&status, STALLED).is_empty(), "{}: {:?}", bad.name, status.conditions);
    }
    assert_eq!(operator.stop().await, 0);
}
