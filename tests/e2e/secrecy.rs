//! No signature, key or token anywhere but in twins: secrets are planted, everything is said at every level, and then looked for.

use std::collections::BTreeSet;

use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event};
use kube::{Api, api::ListParams};
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::case::{Case, said};

/// The value of `name` in a connection string.
fn part(connection: &str, name: &str) -> String {
    let mut parts = connection.split(';').filter_map(|part| part.split_once('='));
    parts.find(|(key, _)| *key == name).unwrap().1.to_owned()
}

/// The signature of a link, as it stands there and decoded.
fn signatures(link: &str) -> [String; 2] {
    let sig = link.split("sig=").nth(1).unwrap().split('&').next().unwrap();
    [sig.to_owned(), percent_decode_str(sig).decode_utf8().unwrap().into_owned()]
}

/// Where `text` has one of the secrets, or a signature that nobody planted.
fn leaks(place: &str, text: &str, secrets: &BTreeSet<String>) -> Vec<String> {
    let planted = secrets.iter().filter(|secret| text.contains(secret.as_str())).filter_map(|secret| {
        text.lines().find(|line| line.contains(secret.as_str())).map(|line| format!("{place}: {line}"))
    });
    let marks = ["sig=", "sig%3D", "SharedAccessSignature sr", "AccountKey=", "SharedAccessKey=", "Bearer "];
    let others = text.lines().filter(|line| {
        marks.iter().any(|mark| {
            let mut after = line.split(mark).skip(1);
            after.any(|after| !after.starts_with("[redacted]"))
        })
    });
    planted.chain(others.map(|line| format!("{place}: {line}"))).collect()
}

#[tokio::test]
async fn no_secret_is_anywhere_but_in_twins() {
    let case = Case::new("secrecy").await;
    let devices = case.devices(3);
    let operator = case.operator_with(&["--clock-skew", "0s"], "trace").await;
    case.apply("good", &Case::spec("the asset")).await;
    case.until_said("good", "Ready", "True Delivered").await;
    let mut links: BTreeSet<String> = BTreeSet::new();
    let collect = |links: &mut BTreeSet<String>| {
        for device in &devices {
            links.insert(case.link(device)["uri"].as_str().unwrap().to_owned());
        }
    };
    collect(&mut links);
    // Devices answer with whole links, where they belong and where they do not.
    let link = case.link("sensor-1")["uri"].as_str().unwrap().to_owned();
    let failed = json!({"current": link, "acknowledged": link, "status": "failed", "why": link});
    case.hub.report("sensor-1", &json!({"configurationBlob": failed})).unwrap();
    let odd = json!({"acknowledged": link, "status": link});
    case.hub.report("sensor-2", &json!({"configurationBlob": odd})).unwrap();
    case.until("good", |status| !status.failures.is_empty()).await;
    // A renewal, a wrong key on either side, a query that is refused, and connection strings that are none.
    case.kubectl(&["annotate", "br/good", "-n", &case.namespace, "blobrollout.dev/renewRequestedAt=now"])
        .await;
    case.until_true("the renewal", async || case.link("sensor-3")["uri"].as_str() != Some(&link)).await;
    collect(&mut links);
    let (storage, hub) =
        (case.account.connection_string(), case.hub.policy_connection_string("service").unwrap());
    let (wrong_storage, wrong_hub) = ("d3Jvbmcgc3RvcmFnZSBrZXk=", "d3JvbmcgaHViIGtleQ==");
    let (account_key, hub_key) = (part(&storage, "AccountKey"), part(&hub, "SharedAccessKey"));
    case.secret("wrong-storage", &storage.replace(&account_key, wrong_storage)).await;
    case.secret("wrong-hub", &hub.replace(&hub_key, wrong_hub)).await;
    case.secret("cut-storage", &format!("AccountKey={account_key}")).await;
    case.secret("cut-hub", &format!("SharedAccessKey={hub_key};HostName")).await;
    for (name, pointer) in [
        ("wrong-storage", "/storage/connectionStringSecretRef/name"),
        ("wrong-hub", "/hub/connectionStringSecretRef/name"),
        ("cut-storage", "/storage/connectionStringSecretRef/name"),
        ("cut-hub", "/hub/connectionStringSecretRef/name"),
        ("refused", "/target/query"),
    ] {
        let mut spec = Case::spec("another asset");
        let text = if name == "refused" { format!("tags.site = = '{link}'") } else { name.to_owned() };
        *spec.pointer_mut(pointer).unwrap() = json!(text);
        case.apply(name, &spec).await;
        case.until(name, |status| said(status, "Ready").starts_with("False")).await;
    }

    let mut secrets: BTreeSet<String> = links.iter().flat_map(|link| signatures(link)).collect();
    secrets.extend([account_key, hub_key, wrong_storage.to_owned(), wrong_hub.to_owned(), operator.token()]);
    let mut found = leaks("log", &case.logs(), &secrets);
    // The user's own words come back in the spec and in managed fields; what the operator says is the status.
    for rollout in case.rollouts().list(&ListParams::default()).await.unwrap() {
        found.extend(leaks("status", &serde_json::to_string(&rollout.status).unwrap(), &secrets));
    }
    let events: Api<Event> = Api::namespaced(case.client.clone(), &case.namespace);
    let events = events.list(&ListParams::default()).await.unwrap().items;
    assert!(events.len() > 4, "there are only {} events to look at", events.len());
    found.extend(leaks("events", &serde_json::to_string_pretty(&events).unwrap(), &secrets));
    let maps: Api<ConfigMap> = Api::namespaced(case.client.clone(), &case.namespace);
    for map in maps.list(&ListParams::default()).await.unwrap() {
        found.extend(leaks("config map", &serde_json::to_string(&map).unwrap(), &secrets));
    }
    found.extend(leaks("metrics", &operator.metrics().await, &secrets));
    found.extend(leaks("command line", &operator.command_line(), &secrets));
    assert!(found.is_empty(), "{} leaks, of which some: {:#?}", found.len(), &found[..found.len().min(12)]);
    assert!(case.logs().contains("TRACE"), "the log does not say everything");
    // The search itself finds what is there: the signature, and the mark before it.
    assert_eq!(leaks("twin", &link, &secrets).len(), 2);
    assert_eq!(operator.stop().await, 0);
}
