//! Inputs of people who do this job, each kept as a file under its number: what they were told, and what they are told now.
//! Beside those here, `02` is in kstatus.rs, and `14` and `24` are in admission/applied.rs.

use std::time::{Duration, Instant};

use blobrollout::api::{
    BlobRolloutStatus, RECONCILE_REQUESTED_AT,
    conditions::{READY, STALLED},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::case::{Case, said};

/// The object in the file `name`.
fn input(name: &str) -> Value {
    let path = format!("{}/tests/e2e/cases/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Applies a whole object.
async fn apply(case: &Case, object: &Value) {
    let name = object["metadata"]["name"].as_str().unwrap();
    let params = PatchParams::apply("case").force();
    case.rollouts().patch(name, &params, &Patch::Apply(object)).await.unwrap();
}

/// The rollout with the first so many of its thousand ids, and a device for each.
fn with_ids(case: &Case, count: usize) -> (Value, Vec<String>) {
    let mut object = input("01-thousand-long-ids");
    let ids = object["spec"]["target"]["deviceIds"].as_array_mut().unwrap();
    assert_eq!(ids.len(), 1000);
    ids.truncate(count);
    let ids: Vec<String> = ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    for id in &ids {
        case.hub.create_device(id, &json!({})).unwrap();
    }
    (object, ids)
}

#[tokio::test]
async fn a_thousand_long_ids_are_counted_part_by_part_and_a_change_is_acted_on_at_once() {
    let case = Case::new("long-ids").await;
    let (mut object, ids) = with_ids(&case, 1000);
    let _operator = case.operator().await;
    apply(&case, &object).await;
    let parts = |status: &BlobRolloutStatus| {
        let ready = status.conditions.iter().find(|condition| condition.type_ == READY);
        let words = ready.map(|ready| ready.message.clone()).unwrap_or_default();
        let (_, rest) = words.split_once("are being counted: ")?;
        rest.split(' ').next()?.parse::<usize>().ok().filter(|_| words.contains("at this hub's rates"))
    };
    // The count takes minutes at the rates of the smallest hub, and tells how far it is and how long it takes.
    case.until("longids", |status| parts(status).is_some_and(|parts| parts > 0)).await;
    // Meanwhile the user changes his mind.
    object["spec"]["target"]["deviceIds"] = json!(ids[..5]);
    let begun = Instant::now();
    apply(&case, &object).await;
    case.until("longids", |status| status.observed_generation == Some(2)).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    case.until_true("links for the five", async || {
        let desired =
            |id: &String| case.hub.twin(id).unwrap()["properties"]["desired"]["longids"]["uri"].clone();
        ids[..5].iter().all(|id| desired(id).is_string())
    })
    .await;
    let status = case.until_said("longids", READY, "True Delivered").await;
    assert_eq!(status.devices.unwrap().targeted, 5);
}

#[tokio::test]
async fn long_ids_are_counted_linked_and_ready() {
    let case = Case::new("fewer-long-ids").await;
    let (mut object, ids) = with_ids(&case, 150);
    // A hub of ten units: the same work in a fifth of a minute.
    object["spec"]["hub"]["sku"]["units"] = json!(10);
    let _operator = case.operator().await;
    apply(&case, &object).await;
    let status = case.until_said("longids", READY, "True Delivered").await;
    let numbers = status.devices.unwrap();
    assert_eq!((numbers.targeted, numbers.linked, numbers.remaining), (150, 150, 0));
    let writes = case.hub.desired_writes();
    assert!(ids.iter().all(|id| writes.get(id) == Some(&1)), "{writes:?}");
}

#[tokio::test]
#[ignore = "takes as long as the smallest hub's query budget makes it"]
async fn a_thousand_long_ids_on_the_smallest_hub_come_to_their_end() {
    let case = Case::new("thousand-long-ids").await;
    let (object, _ids) = with_ids(&case, 1000);
    let _operator = case.operator().await;
    apply(&case, &object).await;
    let begun = Instant::now();
    while said(&case.status("longids").await, READY) != "True Delivered" {
        assert!(
            begun.elapsed() < Duration::from_mins(30),
            "{:#?}\n{}",
            case.status("longids").await,
            case.logs()
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    println!("ready after {} s", begun.elapsed().as_secs());
    let numbers = case.status("longids").await.devices.unwrap();
    assert_eq!((numbers.targeted, numbers.linked), (1000, 1000));
}

#[tokio::test]
async fn a_deleted_rollout_that_somebody_holds_delivers_nothing_new_and_owns_nobody() {
    let case = Case::new("finalized").await;
    let property =
        |device: &str| case.hub.twin(device).unwrap()["properties"]["desired"]["finalized"].clone();
    for device in ["b-1", "b-2"] {
        case.hub.create_device(device, &json!({"site": "plant-b"})).unwrap();
    }
    let maps: Api<ConfigMap> = Api::namespaced(case.client.clone(), &case.namespace);
    let set = async |text: &str| {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "finalized"}, "data": {"a": text}});
        maps.patch("finalized", &PatchParams::apply("case").force(), &Patch::Apply(&map)).await.unwrap();
    };
    set("first").await;
    let _operator = case.operator().await;
    apply(&case, &input("22-foreign-finalizer")).await;
    case.until_said("finalized", READY, "True Delivered").await;
    let before = property("b-1");
    case.rollouts().delete("finalized", &DeleteParams::default()).await.unwrap();
    let status = case.until_said("finalized", READY, "False Terminating").await;
    assert_eq!(said(&status, STALLED), "");
    // All that would be a reason to deliver: new content, a late joiner, and a request to look again.
    set("second").await;
    case.hub.create_device("b-3", &json!({"site": "plant-b"})).unwrap();
    case.annotate("finalized", RECONCILE_REQUESTED_AT, "now").await;
    // Another one in another property comes and is delivered, so there was time for it.
    let mut beside = Case::spec("beside");
    beside["twin"] = json!({"property": "beside"});
    beside["target"] = json!({"query": "tags.site = 'plant-b'"});
    case.apply("beside", &beside).await;
    case.until_said("beside", READY, "True Delivered").await;
    assert_eq!((property("b-1"), property("b-2"), property("b-3")), (before.clone(), before, Value::Null));
    // Who wants its devices takes them over, though the object is still there.
    let mut heir = beside.clone();
    heir["source"] = json!({"inline": {"text": "heir"}});
    heir["twin"] = json!({"property": "finalized"});
    case.apply("heir", &heir).await;
    let status = case.until_said("heir", READY, "True Delivered").await;
    assert_eq!(status.devices.unwrap().linked, 3);
    for device in ["b-1", "b-2", "b-3"] {
        assert_eq!(case.download(property(device)["uri"].as_str().unwrap()).await.0, "heir");
    }
    assert!(case.rollouts().get("finalized").await.unwrap().metadata.deletion_timestamp.is_some());
}
