//! Two clusters that share a hub, a storage account and a path: one of them finds out and stands back.

use blobrollout::api::{
    RECONCILE_REQUESTED_AT,
    conditions::{READY, STALLED},
};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use crate::{
    case::{Case, said},
    shared::{another_cluster, shared},
};

#[tokio::test]
async fn of_two_clusters_on_one_path_the_earlier_object_stands_back() {
    let (first, cluster) =
        tokio::join!(Case::new("two-clusters"), async { another_cluster(shared().await).await });
    let second = first.in_cluster(cluster).await;
    let devices = first.devices(5);
    let (_one, _other) = tokio::join!(first.operator(), second.operator());
    // Once with other content in the second cluster, and once with the same.
    let rollouts = [("other", "b"), ("same", "a")];
    let spec = |name: &str, text: &str| {
        let mut spec = Case::spec(text);
        spec["twin"] = json!({"property": name});
        spec
    };
    for (name, _) in rollouts {
        first.apply(name, &spec(name, "a")).await;
    }
    let mut latest = Timestamp::UNIX_EPOCH;
    for (name, _) in rollouts {
        first.until_said(name, READY, "True Delivered").await;
        let created = first.rollouts().get(name).await.unwrap().metadata.creation_timestamp.unwrap();
        latest = latest.max(created.0);
    }
    // Objects are dated by the second.
    first.until_true("the next second", async || Timestamp::now().as_second() > latest.as_second()).await;
    for (name, text) in rollouts {
        second.apply(name, &spec(name, text)).await;
    }
    for (name, text) in rollouts {
        let status = first.until_said(name, STALLED, "True PathShared").await;
        assert_eq!(said(&status, READY), "False PathShared");
        assert!(status.conditions.iter().any(|condition| condition.message.contains("spec.storage.prefix")));
        second.until_said(name, READY, "True Delivered").await;
        for link in second.links(&devices, name) {
            assert_eq!(second.download(link.expose()).await.0, text);
        }
    }
    // Both look at everything again, and nobody writes.
    let writes = first.hub.desired_writes();
    for case in [&first, &second] {
        for (name, _) in rollouts {
            case.annotate(name, RECONCILE_REQUESTED_AT, "again").await;
        }
    }
    for (name, _) in rollouts {
        for (case, ready) in [(&first, "False PathShared"), (&second, "True Delivered")] {
            case.until(name, |status| {
                status.last_handled_reconcile_request.as_deref() == Some("again")
                    && said(status, READY) == ready
            })
            .await;
        }
    }
    assert_eq!(first.hub.desired_writes(), writes);
    assert!(writes.values().all(|writes| *writes <= 6), "twins went to and fro: {writes:?}");
}
