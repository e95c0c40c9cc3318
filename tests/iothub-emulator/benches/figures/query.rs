//! Queries over a million twins, while patches go on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fleet;
use crate::http::{self, Connection};
use crate::memory::DEVICES;
use crate::process::Hub;
use crate::report::{Report, plain};

/// Patches in flight meanwhile.
const PATCHES: usize = 2;
const COUNTS: usize = 5;
const COUNT: &str = "SELECT COUNT() AS n FROM devices WHERE \
    STARTSWITH(properties.reported.configurationBlob.acknowledged, 'https://account.blob.core.windows.net/assets/shared')";

pub async fn figures(hub: &Hub, report: &mut Report) {
    let (tls, port) = (http::tls(&hub.ca), hub.process.port("httpsPort"));
    let mut connection = Connection::open(&tls, port).await;
    let before = hub.process.cpu();
    for _ in 0..COUNTS {
        connection.call(&page(&hub.token, COUNT, "")).await;
    }
    #[allow(clippy::cast_precision_loss)]
    let each = (hub.process.cpu() - before) / COUNTS as f64;
    plain("processor time of COUNT() with STARTSWITH, without patches", each, "s");

    let patches = {
        let (tls, token) = (tls.clone(), hub.token.clone());
        let body = json!({"properties": {"desired": fleet::desired(&fleet::link("shared", 6))}}).to_string();
        let patch = move |number: u64| {
            let id = number * 7919 % u64::from(DEVICES) + 1;
            http::request("PATCH", &format!("/twins/device-{id:07}"), &token, "", &body)
        };
        tokio::spawn(async move { http::load(&tls, port, PATCHES, Duration::from_secs(4), patch).await })
    };
    let mut times = Vec::new();
    for _ in 0..COUNTS {
        let start = Instant::now();
        let answer = connection.call(&page(&hub.token, COUNT, "")).await;
        times.push(start.elapsed().as_secs_f64());
        assert_eq!(answer.body, format!("[{{\"n\":{DEVICES}}}]").into_bytes());
    }
    times.sort_by(f64::total_cmp);
    let load = patches.await.unwrap();
    report.at_most(
        "COUNT() with STARTSWITH over 1,000,000 twins, median of five",
        times[COUNTS / 2],
        0.25,
        "s",
    );
    plain("slowest PATCH meanwhile", load.slowest * 1e3, "ms");

    let (mut rows, mut headers) = (0, String::new());
    let mut tenths = [0.0f64; 10];
    loop {
        let start = Instant::now();
        let answer = connection.call(&page(&hub.token, "SELECT deviceId FROM devices", &headers)).await;
        let count = serde_json::from_slice::<Value>(&answer.body).unwrap().as_array().unwrap().len();
        tenths[rows * 10 / DEVICES as usize] += start.elapsed().as_secs_f64();
        rows += count;
        match http::header(&answer.head, "x-ms-continuation") {
            Some(token) => headers = format!("x-ms-continuation: {token}\r\n"),
            None => break,
        }
    }
    assert_eq!(rows, DEVICES as usize);
    plain("all 1,000,000 ids, by pages of 100", tenths.iter().sum(), "s");
    report.at_most("last tenth of the pages to the first tenth", tenths[9] / tenths[0], 2.0, "");
}

fn page(token: &str, query: &str, headers: &str) -> Vec<u8> {
    http::request("POST", "/devices/query", token, headers, &json!({"query": query}).to_string())
}
