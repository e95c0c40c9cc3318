//! Twins patched over HTTPS, beside a constant answer to the same client.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::constant;
use crate::fleet;
use crate::http::{self, Load};
use crate::process::{Hub, Process};
use crate::report::{Report, plain};

const CONNECTIONS: usize = 64;
const DEVICES: u32 = 10_000;
const WARM_UP: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(5);

pub async fn figures(report: &mut Report) {
    let hub = Hub::start();
    hub.admin("/devices", &fleet::seed(DEVICES, &fleet::link("shared", 6))).await;
    let tls = http::tls(&hub.ca);
    let patch = |token: &str| {
        let token = token.to_owned();
        move |number: u64| {
            let id = number % u64::from(DEVICES) + 1;
            let body = json!({"properties": {"desired": fleet::desired(&fleet::link(&format!("{number:010}"), 10))}});
            http::request("PATCH", &format!("/twins/device-{id:07}"), &token, "", &body.to_string())
        }
    };
    let port = hub.process.port("httpsPort");
    http::load(&tls, port, CONNECTIONS, WARM_UP, patch(&hub.token)).await;
    let before = hub.process.cpu();
    let patched = http::load(&tls, port, CONNECTIONS, TIME, patch(&hub.token)).await;
    let cpu = hub.process.cpu() - before;

    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(constant::MODE).arg(patched.body_bytes.to_string());
    let constant = Process::start(command);
    let tls = http::tls(constant.ready["ca"].as_str().unwrap());
    http::load(&tls, constant.port("port"), CONNECTIONS, WARM_UP, patch(&hub.token)).await;
    let peer = http::load(&tls, constant.port("port"), CONNECTIONS, TIME, patch(&hub.token)).await;

    plain("length of an answer", precise(patched.body_bytes as u64), "bytes");
    report.at_least("PATCH of a twin, 64 in flight", rate(&patched), 15_000.0, "/s");
    report.at_most("processor time of the emulator for each", cpu / precise(patched.calls) * 1e6, 80.0, "us");
    plain("slowest of them", patched.slowest * 1e3, "ms");
    plain("constant answer of the same length, 64 in flight", rate(&peer), "/s");
    report.at_least("PATCH to constant answer", rate(&patched) / rate(&peer), 0.35, "");
}

fn rate(load: &Load) -> f64 {
    precise(load.calls) / load.seconds
}

/// Counts of a few seconds are far from where the two kinds of number part.
#[allow(clippy::cast_precision_loss)]
fn precise(count: u64) -> f64 {
    count as f64
}
