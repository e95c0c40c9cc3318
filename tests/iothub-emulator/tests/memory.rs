//! What garbage leaves behind: nothing. A process of its own, so that its memory and its open files are those of this test.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;

use common::{Hub, device_tls};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Resident memory in KiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Sends bytes on a connection of their own, and goes away.
async fn send(hub: &Hub, port: u16, bytes: &[u8]) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let connector = TlsConnector::from(device_tls(&hub.emulator));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// One of everything that could be kept: bodies, texts, paths, tokens, packets, sessions that do not come about.
async fn round(hub: &Hub, n: usize) {
    let large = "x".repeat(200_000);
    let text = format!("{n:04}").repeat(1000);
    let calls = [
        (
            "PATCH",
            "/twins/d1".to_owned(),
            json!({"tags": {"t": text}, "properties": {"desired": {"d": text}}}),
            200,
        ),
        ("PATCH", "/twins/d1".to_owned(), json!({"tags": {format!("k{n}"): large}}), 400),
        ("PATCH", format!("/twins/{text}"), json!({}), 404),
        ("POST", "/devices/query".to_owned(), json!({"query": large}), 400),
        (
            "POST",
            "/devices/query".to_owned(),
            json!({"query": format!("SELECT * FROM devices WHERE a = '{text}'")}),
            200,
        ),
        (
            "POST",
            "/devices".to_owned(),
            json!([{"id": text, "importMode": "create", "tags": {"t": large}}]),
            400,
        ),
        ("PUT", format!("/jobs/v2/{n}"), json!({"type": text, "queryCondition": large}), 400),
        ("PUT", format!("/configurations/{n}"), json!({"targetCondition": large}), 400),
        ("GET", format!("/{text}"), json!(null), 404),
    ];
    for (method, path, body, status) in calls {
        let body = (!body.is_null()).then_some(body);
        assert_eq!(
            hub.call(method, &path, &[], body).await.status,
            status,
            "{method} {}",
            &path[..path.len().min(40)]
        );
    }
    let refused = hub.call("GET", "/twins/d1", &[("authorization", &text)], None).await;
    assert_eq!(refused.status, 401);
    let head = "PATCH /twins/d1 HTTP/1.1\r\nhost: h\r\ncontent-length: 900000\r\n\r\n";
    send(hub, hub.emulator.https_port(), [head.as_bytes(), large.as_bytes()].concat().as_slice()).await;
    // A packet of 262,144 bytes that does not come to its end.
    let packet = [b"\x10\x80\x80\x10\x00\x04MQTT".as_slice(), large.as_bytes()].concat();
    send(hub, hub.emulator.mqtt_port(), &packet).await;
    send(hub, hub.emulator.mqtt_port(), &[0xff; 512]).await;
}

#[tokio::test]
async fn garbage_leaves_nothing_behind() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    for n in 0..10 {
        round(&hub, n).await;
    }
    let (memory, files) = (resident(), open_files());
    for n in 10..60 {
        round(&hub, n).await;
    }
    // 50 rounds of more than a megabyte each; the allocator may hold back some.
    let grown = resident().saturating_sub(memory);
    assert!(grown < 24 * 1024, "{grown} KiB more than {memory}");
    common::wait_for(|| open_files() <= files).await;
    assert_eq!(hub.emulator.device_count(), 1);
    assert_eq!(hub.call("GET", "/twins/d1", &[], None).await.status, 200);
    hub.emulator.shutdown().await;
}
