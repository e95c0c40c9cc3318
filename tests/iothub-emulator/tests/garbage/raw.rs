//! Bytes to and from the hub, as no client library would send them.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::common::{self, Hub};

pub type Stream = TlsStream<TcpStream>;

pub async fn open(hub: &Hub, port: u16) -> Stream {
    over(hub, TcpStream::connect(("127.0.0.1", port)).await.unwrap()).await
}

/// TLS over a connection that is there.
pub async fn over(hub: &Hub, stream: TcpStream) -> Stream {
    let connector = TlsConnector::from(common::device_tls(&hub.emulator));
    connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
}

/// Everything that the hub says until it closes the connection.
pub async fn rest(stream: &mut Stream) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset instead of an orderly end is an end as well.
    let _ = timeout(Duration::from_mins(2), stream.read_to_end(&mut said)).await.expect("the hub must close");
    said
}

/// What the hub answers to these bytes on a connection of their own.
pub async fn exchange(hub: &Hub, port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = open(hub, port).await;
    // The hub may close it in the middle.
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// A request that is the last of its connection, with the owner's token and, where there is a body, its length.
pub fn request(hub: &Hub, method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let token = if headers.contains("authorization:") {
        String::new()
    } else {
        format!("authorization: {}\r\n", hub.token)
    };
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head =
        format!("{method} {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{token}{length}{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// An answer over HTTP.
pub struct Answer {
    pub status: u16,
    /// Lower case.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        Self { status: status.unwrap_or_default(), head: head.to_lowercase(), body: body.to_owned() }
    }

    /// The name of the hub's error; empty if it is none of the hub's.
    pub fn error(&self) -> String {
        let code = self.head.lines().find_map(|line| line.strip_prefix("iothub-errorcode: "));
        let message = serde_json::from_str::<Value>(&self.body).unwrap_or_default();
        let message = message["Message"].as_str().unwrap_or_default();
        let name = message.strip_prefix("ErrorCode:").and_then(|rest| rest.split(';').next());
        assert_eq!(code, name.map(str::to_lowercase).as_deref(), "{} {}", self.head, self.body);
        name.unwrap_or_default().to_owned()
    }
}

pub async fn ask(hub: &Hub, bytes: &[u8]) -> Answer {
    Answer::read(&exchange(hub, hub.emulator.https_port(), bytes).await)
}

/// The hub still answers, and ends all of its tasks when it is told to.
pub async fn ends_well(hub: Hub) {
    let answer = ask(&hub, &request(&hub, "GET", "/devices?api-version=2021-04-12", "", b"")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    timeout(Duration::from_mins(1), hub.emulator.shutdown()).await.expect("a task does not end");
}
