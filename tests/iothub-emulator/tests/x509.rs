//! Devices and modules that prove who they are by a self-signed certificate.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

mod common;

use common::certificate::certificate;
use common::device::Device;
use common::{HOUR, Hub};
use rumqttc::ConnectReturnCode;
use serde_json::json;

#[tokio::test]
async fn a_certificate_is_as_good_as_a_key_where_it_is_known() {
    let hub = Hub::start().await;
    let ((first, first_print), (second, second_print)) = (certificate(&hub), certificate(&hub));
    let (stranger, _) = certificate(&hub);
    let thumbprints = json!({"primaryThumbprint": first_print, "secondaryThumbprint": second_print});
    let body =
        json!({"deviceId": "x1", "authentication": {"type": "selfSigned", "x509Thumbprint": &thumbprints}});
    let created = hub.call("PUT", "/devices/x1", &[], Some(body)).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let authentication = &created.body["authentication"];
    assert_eq!(authentication["type"], "selfSigned");
    assert_eq!(authentication["x509Thumbprint"]["primaryThumbprint"], first_print.to_uppercase().as_str());
    assert_eq!(authentication["symmetricKey"]["primaryKey"], json!(null));
    let twin = hub.emulator.twin("x1").unwrap();
    assert_eq!(
        (&twin["authenticationType"], &twin["x509Thumbprint"]),
        (&json!("selfSigned"), &authentication["x509Thumbprint"])
    );
    let query = json!({"query": "SELECT deviceId FROM devices WHERE authenticationType = 'selfSigned'"});
    assert_eq!(hub.call("POST", "/devices/query", &[], Some(query)).await.body, json!([{"deviceId": "x1"}]));

    hub.emulator.create_device("d1", &json!(null)).unwrap();
    let body = json!({"authentication": {"type": "selfSigned", "x509Thumbprint": thumbprints}});
    assert_eq!(hub.call("PUT", "/devices/d1/modules/x", &[], Some(body)).await.status, 200);
    let none = common::device_tls(&hub.emulator);
    let refused = Err(ConnectReturnCode::NotAuthorized);
    let table = [
        ("x1", first.clone(), Ok(false)),
        ("x1", second, Ok(false)),
        ("x1", stranger.clone(), refused),
        ("x1", none.clone(), refused),
        ("d1/x", first.clone(), Ok(false)),
        ("d1/x", stranger, refused),
        ("d1/x", none, refused),
        // A device with keys needs a token, whatever certificate it shows.
        ("d1", first, refused),
    ];
    for (place, (id, tls, expected)) in table.into_iter().enumerate() {
        assert_eq!(Device::with_tls(&hub, id, "", tls).connect().await, expected, "{place}");
    }
    // It has no key to sign a token with.
    let wrong = hub.emulator.device_token("x1", HOUR).unwrap();
    assert_eq!(Device::new(&hub, "x1", &wrong).connect().await, refused);
    let body = json!({"deviceId": "x2", "authentication": {"type": "selfSigned"}});
    assert_eq!(hub.call("PUT", "/devices/x2", &[], Some(body)).await.status, 400);

    // Keys instead of certificates, by an update.
    let body = json!({"deviceId": "x1", "authentication": {"type": "sas"}});
    assert_eq!(hub.call("PUT", "/devices/x1", &[("if-match", "*")], Some(body)).await.status, 200);
    let token = hub.emulator.device_token("x1", HOUR).unwrap();
    assert_eq!(Device::new(&hub, "x1", &token).connect().await, Ok(false));
    hub.emulator.shutdown().await;
}
