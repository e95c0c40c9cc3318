//! Several rollouts and the same devices: who owns whom.

use blobrollout::api::conditions::{READY, STALLED};
use kube::api::DeleteParams;
use serde_json::json;

use crate::{
    case::{Case, said},
    rules::delivered,
};

#[tokio::test]
async fn of_two_rollouts_on_one_device_the_first_keeps_it() {
    let case = Case::new("conflict").await;
    let devices = case.devices(3);
    let _operator = case.operator().await;
    let mut spec = Case::spec("a");
    spec["target"] = json!({"deviceIds": [devices[0]]});
    delivered(&case, &spec, &devices).await;
    let (link, writes) = (case.link(&devices[0]), case.hub.desired_writes());
    case.apply("other", &Case::spec("b")).await;
    let status = case.until_said("other", STALLED, "True Conflicted").await;
    let numbers = case
        .until("other", |status| status.devices.as_ref().is_some_and(|devices| devices.linked == 2))
        .await;
    assert_eq!(numbers.devices.unwrap().conflicted, 1);
    assert_eq!(said(&status, READY), "False Conflicted");
    assert!(status.conditions.iter().any(|said| said.message.contains("spec.twin.property")));
    // No ping-pong: the first one's device is as it was, and it is as ready as it was.
    assert_eq!(case.link(&devices[0]), link);
    assert_eq!(case.hub.desired_writes().get(&devices[0]), writes.get(&devices[0]));
    assert_eq!(said(&case.status("recipes").await, READY), "True Delivered");
    // Once the first one is deleted, the other one takes over.
    case.rollouts().delete("recipes", &DeleteParams::default()).await.unwrap();
    case.until_said("other", READY, "True Delivered").await;
    assert_eq!(case.download(case.link(&devices[0])["uri"].as_str().unwrap()).await.0, "b");
}

#[tokio::test]
async fn a_device_that_moves_to_another_target_gets_its_link_and_nobody_stays_stalled() {
    let case = Case::new("moving").await;
    for (number, site) in ["plant-a", "plant-a", "plant-b"].iter().enumerate() {
        case.hub.create_device(&format!("sensor-{number}"), &json!({"site": site})).unwrap();
    }
    let _operator = case.operator().await;
    for name in ["a", "b"] {
        let mut spec = Case::spec(name);
        spec["target"] = json!({"query": format!("tags.site = 'plant-{name}'")});
        case.apply(name, &spec).await;
        case.until_said(name, READY, "True Delivered").await;
    }
    let holds = |device: &str, name: &str| {
        let link = case.link(device)["uri"].as_str().unwrap().to_owned();
        link.contains(&format!("/moving/{name}/"))
    };
    assert!(holds("sensor-0", "a") && holds("sensor-1", "a") && holds("sensor-2", "b"));
    // There and back: the one that it leaves is alive all the time.
    for (site, name, counts) in [("plant-b", "b", [1, 2]), ("plant-a", "a", [2, 1])] {
        case.hub.patch_twin("sensor-1", &json!({"tags": {"site": site}})).unwrap();
        case.until_true("the new owner's link", || async { holds("sensor-1", name) }).await;
        for (name, count) in ["a", "b"].into_iter().zip(counts) {
            let status = case
                .until(name, |status| {
                    let numbers = status.devices.as_ref();
                    let all = numbers.is_some_and(|numbers| {
                        (numbers.targeted, numbers.linked, numbers.conflicted) == (count, count, 0)
                    });
                    all && said(status, READY) == "True Delivered"
                })
                .await;
            assert_eq!(said(&status, STALLED), "");
        }
    }
    let links = ["sensor-0", "sensor-1", "sensor-2"].map(|device| case.link(device)["uri"].clone());
    for (link, text) in links.iter().zip(["a", "a", "b"]) {
        assert_eq!(case.download(link.as_str().unwrap()).await.0, text);
    }
}
