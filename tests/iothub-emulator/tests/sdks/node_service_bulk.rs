//! `azure-iothub` for Node: many identities by one call, and their number.

use iothub_emulator::Route;
use serde_json::{Value, json};

use crate::hub::{Hub, OWN_KEY};
use crate::scripts::Steps;

/// What a call says that failed for some of its entries: the SDK knows no message in it, and puts the whole body there.
fn entries(steps: &Steps, step: &str) -> Vec<(String, String)> {
    steps.fails(step, "ArgumentError", 400, "Error: {");
    let (_, _, message) = steps.error(step);
    let body: Value = serde_json::from_str(message.strip_prefix("Error: ").unwrap()).unwrap();
    assert_eq!((&body["isSuccessful"], &body["warnings"]), (&json!(false), &json!([])), "{step}");
    let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
    let errors = body["errors"].as_array().unwrap();
    errors.iter().map(|error| (text(error, "deviceId"), text(error, "errorCode"))).collect()
}

#[tokio::test]
async fn bulk() {
    let hub = Hub::on_usual_ports().await;
    let steps = hub.node_service("node/service_bulk.cjs", &[OWN_KEY]).await;
    let done = json!({"isSuccessful": true, "errors": [], "warnings": []});
    for step in ["add", "update", "update etag", "remove"] {
        assert_eq!(steps.ok(step), &done, "{step}");
    }
    let added = steps.ok("added");
    let [made, own] =
        [0, 1].map(|n| added[n]["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap());
    assert_eq!((made.len(), own), (44, OWN_KEY));
    assert_eq!((&added[0]["status"], &added[1]["status"]), (&json!("enabled"), &json!("disabled")));
    let updated = steps.ok("updated");
    for (n, id) in ["b-1", "b-3"].into_iter().enumerate() {
        let is = [&updated[n]["deviceId"], &updated[n]["status"], &updated[n]["statusReason"]];
        assert_eq!(is, [id, "disabled", "repair"]);
    }

    let named = |failed: [(&str, &str); 2]| failed.map(|(id, code)| (id.to_owned(), code.to_owned()));
    for (step, failed) in [
        ("add some", [("b-1", "DeviceAlreadyExists"), ("no spaces", "ArgumentInvalid")]),
        ("update some", [("b-1", "PreconditionFailed"), ("nobody", "DeviceNotFound")]),
        ("remove some", [("b-1", "PreconditionFailed"), ("nobody", "DeviceNotFound")]),
    ] {
        assert_eq!(entries(&steps, step), named(failed), "{step}");
    }
    // What a call is refused for as a whole does nothing at all.
    steps.fails("add twice", "ArgumentError", 400, "Device b-5 is named more than once");
    assert_eq!(hub.emulator.devices(), ["b-3", "b-4"]);
    for id in ["b-3", "b-4"] {
        assert_eq!(hub.emulator.twin(id).unwrap()["status"], "disabled", "{id}");
    }
    for (step, total, enabled, disabled) in [("counts", 4, 3, 1), ("counts then", 2, 0, 2)] {
        let counts = json!({"totalDeviceCount": total, "enabledDeviceCount": enabled, "disabledDeviceCount": disabled});
        assert_eq!(steps.ok(step), &counts, "{step}");
    }
    let seen = hub.emulator.counts();
    assert_eq!(
        (seen.with_status(Route::BulkDevices, 200), seen.with_status(Route::BulkDevices, 400)),
        (4, 4)
    );
    assert_eq!(seen.with_status(Route::DeviceStatistics, 200), 2);
}
