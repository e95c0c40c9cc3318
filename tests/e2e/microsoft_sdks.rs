//! Microsoft's own Node SDKs on both sides of the operator: the service's creates the device, reads its twin and asks the fleet,
//! the device's gets the link, downloads and answers. They are unmodified, so the wire between all three is IoT Hub's.

use std::path::{Path, PathBuf};

use blobrollout::api::conditions::{ACKNOWLEDGED, READY};
use iothub_emulator::{Emulator, Settings};
use serde_json::{Value, json};
use standins::{Guarded, NodeSdks};

use crate::{
    case::{Case, said},
    shared::shared,
};

const DEVICE: &str = "sensor-1";

/// A hub where the SDKs look for one: the service's dials port 443 only. Where that port is not ours to take, the SDK is handed
/// an agent, and the device a gateway's name.
async fn hub() -> Emulator {
    let address = standins::own_loopback_address();
    let (hub, how) = match Emulator::start(Settings::on_usual_ports(address.into())).await {
        Ok(hub) => (hub, format!("bound ports 443 and 8883 of {address}")),
        Err(error) => {
            let hub = Emulator::start(Settings::default()).await.unwrap();
            (hub, format!("{error}: handed the service SDK an agent, and the device SDK a GatewayHostName"))
        }
    };
    standins::say(&format!("Microsoft's SDKs, end to end: {how}"));
    hub
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/sdk").join(name)
}

/// Runs a script of the service SDK to its end, and returns the line that it prints.
async fn service(case: &Case, sdks: &NodeSdks, name: &str, arguments: &[&str]) -> Value {
    let connection = case.hub.service_connection_string();
    let ca = case.ca_file();
    // Where there is a port in the host name, it is for the agent.
    let (connection, port) = match case.hub.host_name().split_once(':') {
        None => (connection, String::new()),
        Some((host, port)) => (connection.replace(case.hub.host_name(), host), port.to_owned()),
    };
    let environment = [
        ("NODE_EXTRA_CA_CERTS", ca.to_str().unwrap()),
        ("SERVICE_CONNECTION_STRING", &connection),
        ("HTTPS_PORT", &port),
    ];
    let output = sdks.run(&script(name), arguments, &environment).await.unwrap();
    serde_json::from_str(&output.success(name).unwrap()).unwrap()
}

/// The steps that the device has printed so far.
fn steps(device: &Guarded, log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    assert!(device.exited().is_none_or(|code| code == 0), "the device failed: {text}");
    // A line may be half written, and Node's warnings are no JSON.
    let whole = text.split_inclusive('\n').filter(|line| line.starts_with('{') && line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn microsofts_sdks_create_receive_and_answer() {
    let sdks = shared().await.toolchain.node_sdks().await.unwrap();
    let case = Case::on("microsoft", hub().await).await;
    let created = service(&case, &sdks, "create.cjs", &[DEVICE, "plant-a"]).await;
    assert_eq!(created["tags"], json!({"site": "plant-a"}));
    let connection = case.hub.device_connection_string(DEVICE).unwrap();
    let key = format!("SharedAccessKey={}", created["key"].as_str().unwrap());
    assert!(connection.split(';').any(|part| part == key), "the hub gave the SDK another key");

    let log = case.folder.path().join("device.log");
    let mut command = sdks.command(&script("device.cjs"));
    command.arg("2").env("NODE_EXTRA_CA_CERTS", case.ca_file()).env("DEVICE_CONNECTION_STRING", connection);
    let device = Guarded::spawn(&command, &log, None).unwrap();
    case.until_true("a listening device", || async {
        steps(&device, &log) == [json!({"step": "listening"})]
    })
    .await;

    let operator = case.operator().await;
    for (number, text) in ["first", "second"].into_iter().enumerate() {
        let size = i64::try_from(text.len()).unwrap();
        let mut spec = Case::spec(text);
        spec["twin"] = json!({"extraFields": ["sha256", "size"]});
        case.apply("recipes", &spec).await;
        case.until_true("an answer", || async { steps(&device, &log).len() == number + 2 }).await;
        let status = case
            .until("recipes", |status| {
                status.devices.as_ref().is_some_and(|devices| devices.received == 1)
                    && status.asset.as_ref().is_some_and(|asset| asset.size == size)
                    && said(status, READY) == "True Delivered"
                    && said(status, ACKNOWLEDGED) == "True AllReceived"
            })
            .await;
        assert_eq!(status.devices.unwrap().summary, "1/1");
        let asset = status.asset.unwrap();
        let received =
            json!({"step": "received", "blob": asset.uri, "text": text, "contentType": "application/json"});
        assert_eq!(steps(&device, &log)[number + 1], received);

        let seen = service(&case, &sdks, "look.cjs", &[DEVICE]).await;
        let link = case.link(DEVICE);
        assert!(link["uri"].as_str().unwrap().starts_with(&format!("{}?se=", asset.uri)));
        assert_eq!(seen["desired"]["configurationBlob"], link);
        assert_eq!(seen["links"], json!([{"deviceId": DEVICE, "link": link}]));
        assert_eq!(seen["answers"], json!([{"status": "received", "devices": 1}]));
    }
    case.until_true("the device's end", || async { device.exited() == Some(0) }).await;
    // Each link came by notification to the connection that was there from the start.
    let counts = case.hub.counts();
    assert_eq!((counts.connects, counts.notifications, counts.reports), (1, 2, 2));
    assert_eq!(case.hub.desired_writes()[DEVICE], 2);
    assert_eq!(operator.stop().await, 0);
}
