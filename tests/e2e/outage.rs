//! Services that are away and come back, and ones that are suddenly others: nobody restarts the operator.

use blobrollout::api::{
    BlobRolloutStatus,
    conditions::{ACKNOWLEDGED, READY, RECONCILING, STALLED},
};
use serde_json::{Value, json};

use crate::case::{Case, said};

/// A spec in a property of its own, so that rollouts of one test do not stand in each other's way, with Secrets of its own.
fn spec(text: &str, property: &str, storage: &str, hub: &str) -> Value {
    let mut spec = Case::spec(text);
    spec["twin"] = json!({"property": property});
    spec["storage"]["connectionStringSecretRef"]["name"] = json!(storage);
    spec["hub"]["connectionStringSecretRef"]["name"] = json!(hub);
    spec
}

/// Whether a service is away, and nobody is called. The condition has the name of the reason.
fn is_away(status: &BlobRolloutStatus, reason: &str) -> bool {
    said(status, reason) == format!("True {reason}") && said(status, STALLED).is_empty()
}

fn message<'a>(status: &'a BlobRolloutStatus, kind: &str) -> &'a str {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or("", |found| &found.message)
}

#[tokio::test]
async fn what_is_held_up_by_a_service_goes_on_when_that_is_back() {
    let case = Case::new("outage").await;
    let devices = case.devices(2);
    let (storage, hub) = (case.storage_door().await, case.hub_door().await);
    let rollouts = [
        ("storage", "storage-door", "blobrollout-hub", "StorageUnavailable", "storage cannot be reached"),
        ("hub", "blobrollout-storage", "hub-door", "HubUnavailable", "the IoT Hub cannot be reached"),
    ];
    let apply = async |text: &str| {
        for (name, storage, hub, ..) in rollouts {
            case.apply(name, &spec(text, name, storage, hub)).await;
        }
        case.apply("beside", &Case::spec(text)).await;
    };
    let operator = case.operator().await;
    apply("first").await;
    for (name, ..) in rollouts {
        case.until_said(name, READY, "True Delivered").await;
    }
    // What is delivered stays so while a service is away.
    storage.set(false);
    let status = case.until("storage", |status| is_away(status, "StorageUnavailable")).await;
    assert_eq!(said(&status, READY), "True Delivered", "{status:#?}");
    assert_eq!(said(&status, RECONCILING), "", "{status:#?}");
    // What is new is not: devices hold the revision before.
    hub.set(false);
    apply("second").await;
    for (name, _, _, reason, words) in rollouts {
        let status = case
            .until(name, |status| {
                status.observed_generation == Some(2)
                    && is_away(status, reason)
                    && said(status, RECONCILING) == format!("True {reason}")
            })
            .await;
        assert!(message(&status, RECONCILING).contains(words), "{status:#?}");
        assert_eq!(said(&status, READY), format!("False {reason}"), "{status:#?}");
        assert_eq!(said(&status, ACKNOWLEDGED), "False Pending", "{status:#?}");
    }
    // The one beside them has its own way to the services, and goes on.
    case.until("beside", |status| {
        status.observed_generation == Some(2) && said(status, READY) == "True Delivered"
    })
    .await;
    storage.set(true);
    hub.set(true);
    for (name, _, _, reason, _) in rollouts {
        let status = case.until_said(name, READY, "True Delivered").await;
        assert_eq!(status.observed_generation, Some(2), "nobody has changed it");
        assert_eq!((said(&status, reason), said(&status, RECONCILING)), (String::new(), String::new()));
        for device in &devices {
            let link = case.hub.twin(device).unwrap()["properties"]["desired"][name]["uri"].clone();
            assert_eq!(case.download(link.as_str().unwrap()).await.0, "second");
        }
    }
    assert_eq!(operator.stop().await, 0);
}

#[tokio::test]
async fn another_account_or_hub_in_the_secret_is_refused_until_the_former_is_back() {
    let case = Case::new("moved").await;
    case.devices(2);
    let (storage, hub) =
        (case.account.connection_string(), case.hub.policy_connection_string("service").unwrap());
    case.secret("storage", &storage).await;
    case.secret("hub", &hub).await;
    let operator = case.operator().await;
    // The same services by other names, which is what others would look like.
    let elsewhere = case.account.endpoint.replace("127.0.0.1", "localhost");
    let moved = [
        ("storage", "StorageChanged", &storage, storage.replace(&case.account.endpoint, &elsewhere)),
        ("hub", "HubChanged", &hub, hub.replace("localhost", "127.0.0.1")),
    ];
    case.apply("storage", &spec("asset", "storage", "storage", "blobrollout-hub")).await;
    case.apply("hub", &spec("asset", "hub", "blobrollout-storage", "hub")).await;
    for (name, ..) in &moved {
        case.until_said(name, READY, "True Delivered").await;
    }
    let writes = case.hub.desired_writes();
    for (name, reason, _, other) in &moved {
        case.secret(name, other).await;
        let status = case.until_said(name, STALLED, &format!("True {reason}")).await;
        assert_eq!(said(&status, READY), format!("False {reason}"));
        let message = message(&status, READY);
        assert!(
            message.contains("this rollout began with") && message.contains("put the former"),
            "{message}"
        );
    }
    for (name, _, former, _) in &moved {
        case.secret(name, former).await;
        let status = case.until_said(name, READY, "True Delivered").await;
        assert_eq!(said(&status, STALLED), "");
    }
    assert_eq!(case.hub.desired_writes(), writes, "the links are as they were");
    assert_eq!(operator.stop().await, 0);
}
