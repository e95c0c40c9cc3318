//! The load generator: HTTP/1.1 over TLS with keep-alive, one request in flight on each connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How a client trusts what a CA signed.
pub fn tls(ca: &str) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into()
}

pub async fn open(tls: &TlsConnector, port: u16) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    tls.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

/// A connection to a service.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

/// An answer: its status, its head as text, and the length of its body.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Connection {
    pub async fn open(tls: &TlsConnector, port: u16) -> Self {
        Self { stream: open(tls, port).await, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// Sends a request, and reads its answer whole.
    pub async fn call(&mut self, request: &[u8]) -> Answer {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        let mut head = None;
        loop {
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the connection was closed");
            if head.is_none() {
                head = self.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            }
            let Some(end) = head else { continue };
            let text = std::str::from_utf8(&self.buffer[..end]).unwrap();
            let length = header(text, "content-length").map_or(0, |length| length.parse().unwrap());
            if self.buffer.len() >= end + 4 + length {
                let status = text[9..12].parse().unwrap();
                return Answer { status, head: text.to_owned(), body: self.buffer[end + 4..].to_vec() };
            }
        }
    }
}

/// A header of an answer.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

pub fn request(method: &str, path: &str, token: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path}?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

/// What a load was like.
pub struct Load {
    pub calls: u64,
    pub seconds: f64,
    /// The longest that a call took, in seconds.
    pub slowest: f64,
    pub body_bytes: usize,
}

/// Sends requests on so many connections for so long; `request` makes the one with a number.
pub async fn load(
    tls: &TlsConnector,
    port: u16,
    connections: usize,
    time: Duration,
    request: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> Load {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(tls, port).await);
    }
    let (request, number) = (Arc::new(request), Arc::new(AtomicU64::new(0)));
    let start = Instant::now();
    let tasks: Vec<_> = open
        .into_iter()
        .map(|mut connection| {
            let (request, number) = (request.clone(), number.clone());
            tokio::spawn(async move {
                let (mut calls, mut slowest, mut body_bytes) = (0, 0.0f64, 0);
                while start.elapsed() < time {
                    let request = request(number.fetch_add(1, Ordering::Relaxed));
                    let sent = Instant::now();
                    let answer = connection.call(&request).await;
                    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                    slowest = slowest.max(sent.elapsed().as_secs_f64());
                    body_bytes = answer.body.len();
                    calls += 1;
                }
                (calls, slowest, body_bytes)
            })
        })
        .collect();
    let mut load = Load { calls: 0, seconds: 0.0, slowest: 0.0, body_bytes: 0 };
    for task in tasks {
        let (calls, slowest, body_bytes) = task.await.unwrap();
        load.calls += calls;
        load.slowest = load.slowest.max(slowest);
        load.body_bytes = body_bytes;
    }
    load.seconds = start.elapsed().as_secs_f64();
    load
}
