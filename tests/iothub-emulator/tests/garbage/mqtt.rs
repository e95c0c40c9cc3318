//! Input that no client should send: the connection ends, and the hub goes on.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use bytes::BytesMut;
use common::{HOUR, Hub};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Publish, Subscribe};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

async fn open(hub: &Hub, port: u16) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let connector = TlsConnector::from(common::device_tls(&hub.emulator));
    connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
}

/// Everything that the hub says until it closes the connection.
async fn rest(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset instead of an orderly end is an end as well.
    let _ =
        timeout(Duration::from_secs(30), stream.read_to_end(&mut said)).await.expect("the hub must close");
    said
}

fn connect(hub: &Hub, id: &str) -> Vec<u8> {
    let host = hub.emulator.host_name();
    let mut packet = Connect::new(id);
    let token = hub.emulator.policy_token("device", HOUR).unwrap();
    packet.set_login(format!("{host}/{id}/?api-version=2021-04-12"), token);
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes).unwrap();
    bytes.to_vec()
}

#[tokio::test]
async fn malformed_mqtt_ends_the_connection_and_nothing_else() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let admitted = connect(&hub, "d1");
    let truncated = admitted[..admitted.len() / 2].iter().copied().chain([0xff; 512]).collect::<Vec<_>>();
    let mut other_protocol = admitted.clone();
    let level = admitted.windows(4).position(|window| window == b"MQTT").unwrap() + 4;
    other_protocol[level] = 3;

    let before_connect: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nHost: a-web-client-that-mistook-the-port-for-another-one.example\r\n\r\n",
        &[0; 64],
        &[0xff; 64],
        &[0xc0, 0x00],
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 0x00],
        &truncated,
        &other_protocol,
    ];
    for bytes in before_connect {
        let mut stream = open(&hub, hub.emulator.mqtt_port()).await;
        stream.write_all(bytes).await.unwrap();
        assert_eq!(rest(&mut stream).await, b"", "{bytes:?}");
    }

    let mut topicless = BytesMut::new();
    Publish::new("", QoS::AtMostOnce, "x").write(&mut topicless).unwrap();
    let mut unasked = BytesMut::new();
    Subscribe::new("$iothub/twin/res/+", QoS::AtLeastOnce).write(&mut unasked).unwrap();
    let after_connect: [&[u8]; 10] = [
        &admitted,
        &topicless,
        &unasked,
        // A publish of QoS 3, one without a packet id, one whose topic is not UTF-8, a subscribe without filters, packets
        // that only a server sends, and one that announces more than the hub takes.
        &[0x36, 0x05, 0x00, 0x01, b'a', 0x00, 0x01],
        &[0x32, 0x05, 0x00, 0x01, b'a', 0x00, 0x00],
        &[0x30, 0x03, 0x00, 0x01, 0xff],
        &[0x82, 0x02, 0x00, 0x01],
        &[0x20, 0x02, 0x00, 0x00],
        &[0xd0, 0x00],
        &[0x30, 0xff, 0xff, 0xff, 0x7f],
    ];
    for bytes in after_connect {
        let mut stream = open(&hub, hub.emulator.mqtt_port()).await;
        stream.write_all(&admitted).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert_eq!(rest(&mut stream).await, [0x20, 0x02, 0x00, 0x00], "{bytes:?}");
    }
    assert_eq!(hub.call("GET", "/twins/d1", &[], None).await.body["connectionState"], "Disconnected");
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn malformed_http_is_refused_and_the_hub_goes_on() {
    let hub = Hub::start().await;
    for bytes in [
        &b"\x00\x01\x02\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"PATCH /twins/d1 HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        let mut stream = open(&hub, hub.emulator.https_port()).await;
        stream.write_all(bytes).await.unwrap();
        assert!(rest(&mut stream).await.starts_with(b"HTTP/1.1 400 "), "{bytes:?}");
    }
    // A client that goes away in the middle of its body.
    let mut stream = open(&hub, hub.emulator.https_port()).await;
    stream.write_all(b"PATCH /twins/d1 HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{").await.unwrap();
    drop(stream);
    // And one that speaks no TLS.
    let mut plain = TcpStream::connect(("127.0.0.1", hub.emulator.https_port())).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(hub.call("GET", "/devices", &[], None).await.status, 200);
    hub.emulator.shutdown().await;
}
