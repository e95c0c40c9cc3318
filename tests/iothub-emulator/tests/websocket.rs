//! Devices inside a WebSocket on the service's port.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::certificate::certificate;
use common::{HOUR, Hub, wait_for};
use futures::{SinkExt, StreamExt};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet, PingReq, Publish};
use rustls::ClientConfig;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A hub with device `d1`, and a module of it.
async fn hub() -> Hub {
    let hub = Hub::start().await;
    for id in ["d1", "d1/m1"] {
        hub.emulator.create_device(id, &Value::Null).unwrap();
    }
    hub
}

async fn open(hub: &Hub, path: &str, subprotocol: &'static str) -> Result<Socket, Error> {
    open_with(hub, path, subprotocol, common::device_tls(&hub.emulator)).await
}

async fn open_with(
    hub: &Hub,
    path: &str,
    subprotocol: &'static str,
    tls: Arc<ClientConfig>,
) -> Result<Socket, Error> {
    let stream = TcpStream::connect(("127.0.0.1", hub.emulator.https_port())).await.unwrap();
    let connector = TlsConnector::from(tls);
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let mut request = format!("wss://localhost{path}").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
    client_async(request, stream).await.map(|(socket, _)| socket)
}

fn connect(hub: &Hub, id: &str) -> Bytes {
    connect_by(hub, id, &hub.emulator.device_token(id, HOUR).unwrap())
}

fn connect_by(hub: &Hub, id: &str, token: &str) -> Bytes {
    let mut packet = Connect::new(id);
    packet.set_login(format!("{}/{id}/?api-version=2021-04-12", hub.emulator.host_name()), token);
    written(|bytes| packet.write(bytes))
}

fn written<E: std::fmt::Debug>(write: impl FnOnce(&mut BytesMut) -> Result<usize, E>) -> Bytes {
    let mut bytes = BytesMut::new();
    write(&mut bytes).unwrap();
    bytes.freeze()
}

/// Packets as they come, until as many as wanted are there.
async fn packets(socket: &mut Socket, count: usize) -> Vec<Packet> {
    let (mut bytes, mut packets) = (BytesMut::new(), Vec::new());
    while packets.len() < count {
        match timeout(Duration::from_secs(30), socket.next()).await.expect("nothing came") {
            Some(Ok(Message::Binary(message))) => bytes.extend_from_slice(&message),
            other => assert!(matches!(other, Some(Ok(Message::Pong(_)))), "{other:?}"),
        }
        while let Ok(packet) = Packet::read(&mut bytes, 64 * 1024) {
            packets.push(packet);
        }
    }
    packets
}

#[tokio::test]
async fn a_device_connects_and_reads_its_twin_and_so_does_a_module() {
    let hub = hub().await;
    for (path, id) in [
        ("/$iothub/websocket", "d1"),
        ("/%24iothub/websocket?iothub-no-client-cert=true", "d1"),
        ("/$iothub/websocket", "d1/m1"),
    ] {
        let mut socket = open(&hub, path, "mqtt").await.unwrap();
        // A packet in two messages, and two packets in one.
        let connect = connect(&hub, id);
        let mut second = BytesMut::from(&connect[10..]);
        Publish::new("$iothub/twin/GET/?$rid=1", QoS::AtMostOnce, " ").write(&mut second).unwrap();
        for bytes in [connect.slice(..10), second.freeze(), written(|bytes| PingReq.write(bytes))] {
            socket.send(Message::Binary(bytes)).await.unwrap();
        }
        socket.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
        let answers = packets(&mut socket, 3).await;
        assert_eq!(answers[0], Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)));
        assert!(answers.contains(&Packet::PingResp));
        let twin = answers.iter().find_map(|packet| match packet {
            Packet::Publish(publish) => Some((publish.topic.as_str(), publish.payload.as_ref())),
            _ => None,
        });
        let expected: &[u8] = br#"{"desired":{"$version":1},"reported":{"$version":1}}"#;
        assert_eq!(twin, Some(("$iothub/twin/res/200/?$rid=1", expected)));
        assert_eq!(hub.emulator.twin(id).unwrap()["connectionState"], "Connected");
        socket.close(None).await.unwrap();
        wait_for(|| hub.emulator.twin(id).unwrap()["connectionState"] == "Disconnected").await;
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_certificate_is_known_in_a_websocket_too() {
    let hub = hub().await;
    let ((tls, thumbprint), (stranger, _)) = (certificate(&hub), certificate(&hub));
    let thumbprints = json!({"primaryThumbprint": thumbprint});
    let body = json!({"authentication": {"type": "selfSigned", "x509Thumbprint": thumbprints}});
    assert_eq!(hub.call("PUT", "/devices/x1", &[], Some(body)).await.status, 200);
    let none = common::device_tls(&hub.emulator);
    let refused = ConnectReturnCode::NotAuthorized;
    for (tls, code) in [(tls, ConnectReturnCode::Success), (stranger, refused), (none, refused)] {
        let mut socket = open_with(&hub, "/$iothub/websocket", "mqtt", tls).await.unwrap();
        socket.send(Message::Binary(connect_by(&hub, "x1", ""))).await.unwrap();
        assert_eq!(packets(&mut socket, 1).await, [Packet::ConnAck(ConnAck::new(code, false))]);
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn what_is_no_mqtt_ends_and_other_handshakes_are_refused() {
    let hub = hub().await;
    let wrong = [
        Message::Text("hello".into()),
        Message::Binary(Bytes::from_static(&[0xff; 64])),
        Message::Binary(Bytes::from(vec![0; 512 * 1024])),
    ];
    for message in wrong {
        let mut socket = open(&hub, "/$iothub/websocket", "mqtt").await.unwrap();
        // The hub may close it in the middle.
        let _ = socket.send(message).await;
        let end = timeout(Duration::from_secs(30), socket.next()).await.expect("the hub must close");
        assert!(!matches!(end, Some(Ok(Message::Binary(_)))), "{end:?}");
    }
    for (path, subprotocol) in [("/$iothub/websocket", "amqp"), ("/$iothub", "mqtt"), ("/twins/d1", "mqtt")] {
        let refused = open(&hub, path, subprotocol).await;
        assert!(matches!(refused, Err(Error::Http(_))), "{path} {subprotocol}");
    }
    // A hub that stops ends these connections too.
    let mut socket = open(&hub, "/$iothub/websocket", "mqtt").await.unwrap();
    socket.send(Message::Binary(connect(&hub, "d1"))).await.unwrap();
    packets(&mut socket, 1).await;
    hub.emulator.shutdown().await;
    assert!(!matches!(socket.next().await, Some(Ok(_))));
}
