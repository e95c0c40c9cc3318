//! An asset reaches every device, is acknowledged, changes, and is kept alive.

use blobrollout::api::conditions::{ACKNOWLEDGED, READY, RECONCILING, STALLED};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::case::{Case, said};

fn digest(text: &str) -> String {
    format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(text)))
}

#[tokio::test]
async fn an_asset_is_delivered_and_its_change_too() {
    let case = Case::new("delivered").await;
    let devices = case.devices(5);
    case.config_map("recipes", "first").await;
    let mut spec = Case::spec("");
    spec["source"] = json!({"configMapKeyRef": {"name": "recipes", "key": "asset"}});
    spec["storage"]["prefix"] = json!("plant");
    spec["twin"] = json!({"extraFields": ["sha256", "size"]});
    let operator = case.operator().await;
    case.apply("recipes", &spec).await;
    let mut before = None;
    for text in ["first", "second"] {
        case.config_map("recipes", text).await;
        let sha256 = digest(text);
        let status = case
            .until("recipes", |status| {
                status.asset.as_ref().is_some_and(|asset| asset.sha256 == sha256)
                    && said(status, READY) == "True Delivered"
            })
            .await;
        assert_eq!(said(&status, ACKNOWLEDGED), "False Pending");
        assert_eq!((said(&status, RECONCILING), said(&status, STALLED)), (String::new(), String::new()));
        let asset = status.asset.unwrap();
        let want = format!("{}/rollouts/plant/delivered/recipes/{sha256}", case.account.endpoint);
        assert_eq!((asset.uri.as_str(), asset.size), (want.as_str(), i64::try_from(text.len()).unwrap()));
        for device in &devices {
            let link = case.link(device);
            let uri = link["uri"].as_str().unwrap();
            assert!(
                uri.starts_with(&format!("{want}?se=")) && uri.contains("&sp=r&sr=b&spr=https&"),
                "{uri}"
            );
            assert_eq!((&link["ts"], &link["contentType"]), (&json!(asset.ts), &json!("application/json")));
            assert_eq!((&link["sha256"], &link["size"]), (&json!(sha256), &json!(asset.size)));
            assert_eq!(case.download(uri).await, (text.to_owned(), "application/json".to_owned()));
        }
        assert_ne!(before.replace(asset.ts.clone()), Some(asset.ts));
        case.acknowledge(&devices, "received");
        let status = case.until_said("recipes", ACKNOWLEDGED, "True AllReceived").await;
        assert_eq!(status.devices.unwrap().summary, "5/5");
    }
    assert!(case.hub.desired_writes().values().all(|writes| *writes == 2), "one write for each revision");
    assert_eq!(operator.stop().await, 0);
}
