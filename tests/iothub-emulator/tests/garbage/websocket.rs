//! MQTT in a WebSocket that is opened, or used, wrongly.

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::common::Hub;
use crate::raw::{Answer, ask, ends_well, exchange};

/// A handshake; each field can be another one, or left out by an empty text.
fn handshake(line: &str, upgrade: &str, version: &str, key: &str, protocol: &str) -> Vec<u8> {
    let fields = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", upgrade),
        ("sec-websocket-version", version),
        ("sec-websocket-key", key),
        ("sec-websocket-protocol", protocol),
    ];
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let fields: Vec<_> = fields.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nhost: h\r\n{}\r\n", fields.concat()).into_bytes()
}

const LINE: &str = "GET /$iothub/websocket";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

#[tokio::test]
async fn handshakes_that_lack_something_are_requests_for_a_path_that_there_is_not() {
    let hub = Hub::start().await;
    let table = [
        handshake("POST /$iothub/websocket", "websocket", "13", KEY, "mqtt"),
        handshake("GET /$iothub/websocket/", "websocket", "13", KEY, "mqtt"),
        handshake("GET /%ff", "websocket", "13", KEY, "mqtt"),
        handshake(LINE, "", "13", KEY, "mqtt"),
        handshake(LINE, "h2c", "13", KEY, "mqtt"),
        handshake(LINE, "websocket", "", KEY, "mqtt"),
        handshake(LINE, "websocket", "8", KEY, "mqtt"),
        handshake(LINE, "websocket", "13", "", "mqtt"),
        handshake(LINE, "websocket", "13", "short", "mqtt"),
        handshake(LINE, "websocket", "13", "AAAA", "mqtt"),
        handshake(LINE, "websocket", "13", &"A".repeat(60_000), "mqtt"),
        handshake(LINE, "websocket", "13", KEY, ""),
        handshake(LINE, "websocket", "13", KEY, "amqp, mqttv5"),
    ];
    for bytes in table {
        let bytes = String::from_utf8(bytes).unwrap().replace("keep-alive, Upgrade", "close, Upgrade");
        let answer = ask(&hub, bytes.as_bytes()).await;
        let start = &bytes[..bytes.len().min(200)];
        assert_eq!((answer.status, answer.error().as_str()), (404, "NotFound"), "{start}");
    }
    ends_well(hub).await;
}

#[tokio::test]
async fn frames_that_are_none_end_the_connection() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let opened = handshake(LINE, "websocket", "13", KEY, "amqp, mqtt");
    let table: [&[u8]; 8] = [
        // Not masked, of a kind that is none, with bits that are reserved, a ping of 126 bytes, a continuation of nothing.
        &[0x82, 0x02, 0xc0, 0x00],
        &[0x83, 0x80, 0, 0, 0, 0],
        &[0xf2, 0x80, 0, 0, 0, 0],
        &[0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0],
        &[0x80, 0x80, 0, 0, 0, 0],
        // A message that is longer than any may be, one of 2^63 bytes, and a close.
        &[0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x88, 0x80, 0, 0, 0, 0],
    ];
    for frame in table {
        let said = exchange(&hub, hub.emulator.https_port(), &[opened.as_slice(), frame].concat()).await;
        let answer = Answer::read(&said);
        assert_eq!(answer.status, 101, "{frame:?}: {}", answer.head);
        // At most a close frame; MQTT it is not.
        assert!(answer.body.len() < 64 && !answer.body.contains('\u{20}'), "{frame:?}: {:?}", answer.body);
    }
    // One that is opened and left is no task for ever: the hub ends it when it stops.
    let mut left = crate::raw::open(&hub, hub.emulator.https_port()).await;
    left.write_all(&opened).await.unwrap();
    ends_well(hub).await;
}
