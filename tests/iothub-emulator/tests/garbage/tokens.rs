//! SAS tokens that are none, expire at no time that there is, or are for something else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::common::device::Device;
use crate::common::{HOUR, Hub};
use crate::raw::{ask, ends_well, request};

const TWIN: &str = "/twins/d1?api-version=2021-04-12";

/// A token of the policy `iothubowner`, correctly signed whatever its fields are.
fn signed(hub: &Hub, resource: &str, expires: &str) -> String {
    let connection = hub.emulator.service_connection_string();
    let key = STANDARD.decode(connection.split_once("SharedAccessKey=").unwrap().1).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{resource}\n{expires}").as_bytes());
    let signature: String =
        url::form_urlencoded::byte_serialize(STANDARD.encode(mac.finalize().into_bytes()).as_bytes())
            .collect();
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn=iothubowner")
}

#[tokio::test]
async fn tokens_are_judged_as_they_stand() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &json!(null)).unwrap();
    let good = signed(&hub, "localhost", "2000000000");
    let long = "9".repeat(10_000);
    let mut table = vec![
        // Any time that there is, however far; nothing else.
        (signed(&hub, "localhost", "18446744073709551615"), 200),
        (signed(&hub, "localhost", "18446744073709551616"), 401),
        (signed(&hub, "localhost", &long), 401),
        (signed(&hub, "localhost", "0"), 401),
        (signed(&hub, "localhost", "-1"), 401),
        (signed(&hub, "localhost", "+2000000000"), 401),
        (signed(&hub, "localhost", " 2000000000"), 401),
        (signed(&hub, "localhost", "2000000000.5"), 401),
        (signed(&hub, "localhost", "2e9"), 401),
        (signed(&hub, "localhost", "0x77359400"), 401),
        (signed(&hub, "localhost", ""), 401),
        // `sr` in any encoding that says this hub.
        (signed(&hub, "%6cOCALHOST%2Ftwins", "2000000000"), 200),
        (signed(&hub, "localhost%2ftwins%2fd1", "2000000000"), 200),
        (signed(&hub, "localhost/", "2000000000"), 200),
        (signed(&hub, "localhost%252Ftwins", "2000000000"), 401),
        (signed(&hub, "%zz", "2000000000"), 401),
        (signed(&hub, "%ff", "2000000000"), 401),
        (signed(&hub, "localhost%", "2000000000"), 401),
        (signed(&hub, "", "2000000000"), 401),
        (signed(&hub, "/", "2000000000"), 401),
        (signed(&hub, "localhost:99999", "2000000000"), 401),
        (signed(&hub, "localhost%00", "2000000000"), 401),
    ];
    for (field, other) in [
        ("iothubowner", "nobody"),
        ("iothubowner", "%ff"),
        ("iothubowner", ""),
        ("SharedAccessSignature ", "SharedAccessSignature"),
        ("SharedAccessSignature ", "Bearer "),
        ("&sig=", "&sig=%%%"),
        ("&sig=", "&sig=AAAA"),
        ("&sig=", "&nothing&sig="),
        ("&se=", "&se=1&se="),
        ("sr=localhost", "sr"),
    ] {
        let accepted = other == "&se=1&se=";
        table.push((good.replacen(field, other, 1), if accepted { 200 } else { 401 }));
    }
    table.push((String::new(), 401));
    table.push(("&".repeat(10_000), 401));
    for (token, status) in table {
        let bytes = request(&hub, "GET", TWIN, &format!("authorization: {token}\r\n"), b"");
        let answer = ask(&hub, &bytes).await;
        let start: String = token.chars().take(200).collect();
        assert_eq!(answer.status, status, "{start}");
        assert_eq!(answer.error(), if status == 200 { "" } else { "IotHubUnauthorizedAccess" }, "{start}");
    }
    ends_well(hub).await;
}

/// A connection that is to be ended at a time that no clock reaches goes on.
#[tokio::test]
async fn a_device_may_have_a_token_for_ever() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &json!(null)).unwrap();
    let mut device = Device::new(&hub, "d1", &signed(&hub, "localhost", "18446744073709551615"));
    assert_eq!(device.connect().await, Ok(false));
    hub.emulator.clock().advance(HOUR * 24 * 365 * 100);
    device.publish("$iothub/twin/GET/?$rid=1", "").await;
    assert_eq!(device.message().await.topic, "$iothub/twin/res/200/?$rid=1");
    drop(device);
    hub.emulator.shutdown().await;
}
