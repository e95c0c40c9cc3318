//! The operator as a process: probes, metrics, logs, and how it ends.

use std::{process::Command, time::Duration};

use blobrollout::api::conditions::READY;
use serde_json::{Value, json};

use crate::case::Case;

async fn get(address: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn probes_metrics_and_logs_are_for_machines() {
    let case = Case::new("process").await;
    case.devices(1);
    let operator = case.operator_with(&["--clock-skew", "0s", "--log-format", "json"], "info").await;
    let address = operator.health_address().await;
    assert_eq!(get(&address, "/healthz").await.0, 200);
    case.until_true("readiness", async || get(&address, "/readyz").await.0 == 200).await;
    assert_eq!(get(&address, "/elsewhere").await.0, 404);
    case.apply("seen", &Case::spec("asset")).await;
    case.until_said("seen", READY, "True Delivered").await;
    let (status, metrics) = get(&address, "/metrics").await;
    assert_eq!(status, 200);
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("blobrollout_") && value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(
        metrics.contains("blobrollout_twin_writes_total 1\n") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    assert_eq!(operator.stop().await, 0);
    let logs = case.logs();
    assert!(logs.lines().count() > 2, "{logs}");
    for line in logs.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"].is_string()), "{line}");
    }
}

#[tokio::test]
async fn without_an_api_server_it_lives_and_is_not_ready() {
    let case = Case::new("lonely").await;
    let operator = case.operator_of("https://127.0.0.1:1").await;
    let address = operator.health_address().await;
    assert_eq!(get(&address, "/healthz").await.0, 200);
    assert_eq!(get(&address, "/readyz").await, (503, "BlobRollouts have not been listed yet\n".to_owned()));
    case.until_true("a word about it", async || {
        let logs = case.logs();
        logs.contains("the API server cannot be reached yet") && logs.contains("Connection refused")
    })
    .await;
    assert_eq!(operator.stop().await, 0);
}

#[test]
fn without_a_kubeconfig_it_ends_and_says_what_it_looked_for() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blobrollout"));
    command.args(["run", "--health-address", "127.0.0.1:0"]).env("KUBECONFIG", "/nowhere/kubeconfig");
    let ended = command.env_remove("KUBERNETES_SERVICE_HOST").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    for wanted in ["no way to a Kubernetes API server", "/nowhere/kubeconfig", "No such file"] {
        assert!(said.contains(wanted), "{said}");
    }
}

#[tokio::test]
async fn a_sweep_that_is_interrupted_ends_cleanly_and_is_gone_on_with() {
    let case = Case::new("interrupted").await;
    let devices = case.devices(200);
    let operator = case.operator().await;
    let mut spec = Case::spec("asset");
    // 40 twins a second: there is time to interrupt it.
    spec["hub"]["sku"] = json!({"name": "S1", "units": 1});
    spec["interval"] = json!("1m");
    case.apply("long", &spec).await;
    case.until_true("the first write", async || !case.hub.desired_writes().is_empty()).await;
    assert_eq!(operator.stop().await, 0);
    let written = case.hub.desired_writes().len();
    assert!(written < devices.len(), "it was not interrupted");
    let _operator = case.operator().await;
    case.until_said("long", READY, "True Delivered").await;
    let writes = case.hub.desired_writes();
    assert!(writes.len() == devices.len() && writes.values().all(|count| *count == 1), "{writes:?}");
}

#[tokio::test]
async fn it_ends_in_time_while_it_waits_for_a_hub_that_says_nothing() {
    let case = Case::new("silent").await;
    // Whoever connects waits for ever.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (from, to) = (case.hub.https_port(), silent.local_addr().unwrap().port());
    let hub = case.hub.policy_connection_string("service").unwrap();
    case.secret("silent", &hub.replace(&format!(":{from}"), &format!(":{to}"))).await;
    let operator = case.operator().await;
    let mut spec = Case::spec("asset");
    spec["hub"]["connectionStringSecretRef"]["name"] = json!("silent");
    case.apply("waits", &spec).await;
    // It says what it is at before that has come to an end.
    case.until_said("waits", READY, "False Progressing").await;
    // Far less than the 30 seconds that the chart gives it.
    let ended = tokio::time::timeout(Duration::from_secs(20), operator.stop()).await;
    assert_eq!(ended.ok(), Some(0), "{}", case.logs());
}

#[test]
fn a_definition_that_cannot_be_printed_is_no_panic() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_blobrollout")).arg("crd").stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("could not be printed"), "{said}");
}

#[test]
fn what_is_wrong_on_the_command_line_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, wanted) in [
        (&["run", "--clock-skew", "7d"][..], "168h"),
        (&["run", "--log-format", "xml"], "text, json"),
        (&["run", "--health-address", "nowhere"], "--health-address"),
        (&["run", "--health-address", &address], "--health-address"),
        (&[], "Usage"),
    ] {
        let ended = Command::new(env!("CARGO_BIN_EXE_blobrollout")).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && said.contains(wanted), "{arguments:?}: {said}");
    }
}
