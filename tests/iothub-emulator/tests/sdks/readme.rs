//! The first lines with each SDK, as the README has them: taken from there, and run.

use std::path::Path;

use iothub_emulator::{Emulator, Settings};
use serde_json::{Value, json};

use crate::scripts::{node_sdks, python_sdks};

/// The SDK of a piece of code, and what it says in front of it.
const NODE_SERVICE: &str = "Node, service";
const NODE_DEVICE: &str = "Node, device";
const PYTHON_SERVICE: &str = "Python, service";
const PYTHON_DEVICE: &str = "Python, device";

/// The code below a line that starts with the name of an SDK.
fn code(name: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let start = readme.find(&format!("\n{name}")).unwrap_or_else(|| panic!("no {name} in the README"));
    let (_, block) = readme[start..].split_once("\n```").unwrap();
    let (code, _) = block.split_once("\n```").unwrap();
    let code = code.split_once('\n').unwrap().1;
    assert!(code.lines().count() <= 6, "{name} has more than a few lines:\n{code}");
    code.to_owned()
}

/// On the ports that the SDKs dial, where they are ours to take; tells if 443 is.
async fn start(folder: &Path) -> (Emulator, bool) {
    let settings = || Settings {
        ca_directory: Some(folder.to_owned()),
        ..Settings::on_usual_ports(standins::own_loopback_address().into())
    };
    match Emulator::start(settings()).await {
        Ok(emulator) => (emulator, true),
        Err(error) => {
            standins::say(&format!("The README: {error}: the lines for Node's service SDK are left out"));
            (Emulator::start(Settings { https_port: 0, ..settings() }).await.unwrap(), false)
        }
    }
}

#[tokio::test]
async fn the_first_lines_with_each_sdk_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let (emulator, port_443) = start(folder.path()).await;
    let device = emulator.create_device("device-00001", &Value::Null).unwrap();
    let (service, ca) = (emulator.service_connection_string(), emulator.ca_file().unwrap().to_str().unwrap());
    let environment = [
        ("SERVICE", &*service),
        ("DEVICE", &device),
        ("CA", ca),
        ("NODE_EXTRA_CA_CERTS", ca),
        ("REQUESTS_CA_BUNDLE", ca),
    ];
    // Only messages to devices go by AMQP, and there is no wheel of this for every machine.
    let amqp = "import sys\nfrom unittest.mock import MagicMock\nsys.modules[__name__] = MagicMock()\n";
    std::fs::write(folder.path().join("uamqp.py"), amqp).unwrap();
    let twin = || emulator.twin("device-00001").unwrap();
    let script = |name: &str| {
        let file = folder.path().join(name.replace(", ", "-"));
        std::fs::write(&file, code(name)).unwrap();
        file
    };

    if port_443 {
        let output = node_sdks().await.run(&script(NODE_SERVICE), &[], &environment).await.unwrap();
        assert_eq!(output.success(NODE_SERVICE).unwrap().trim(), "3");
        assert_eq!(twin()["properties"]["desired"]["interval"], 5);
    }
    let output = python_sdks().await.run(&script(PYTHON_SERVICE), &[], &environment).await.unwrap();
    let version = twin()["version"].to_string();
    assert_eq!(output.success(PYTHON_SERVICE).unwrap().trim(), version);
    assert_eq!(twin()["properties"]["desired"]["interval"], 10);
    for (name, output) in [
        (NODE_DEVICE, node_sdks().await.run(&script(NODE_DEVICE), &[], &environment).await),
        (PYTHON_DEVICE, python_sdks().await.run(&script(PYTHON_DEVICE), &[], &environment).await),
    ] {
        output.unwrap().success(name).unwrap();
    }
    let reported = &twin()["properties"]["reported"];
    assert_eq!((&reported["node"], &reported["python"]), (&json!(true), &json!(true)));
    assert_eq!(emulator.counts().connects, 2);
    emulator.shutdown().await;
}
