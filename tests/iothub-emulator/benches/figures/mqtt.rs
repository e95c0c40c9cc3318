//! A fleet of connected devices: how fast they connect, and how fast they are told.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Packet, Subscribe};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fleet;
use crate::http::{self, Connection};
use crate::process::Hub;
use crate::report::{Report, plain};

const DEVICES: u32 = 5000;
/// Connections that patch, when each device gets a PATCH of its own.
const PATCHERS: u32 = 64;
const MAX_PACKET: usize = 64 * 1024;

pub async fn figures(report: &mut Report) {
    let hub = Hub::start();
    hub.admin("/devices", &fleet::seed(DEVICES, &fleet::link("shared", 6))).await;
    let (tls, token) = (http::tls(&hub.ca), Arc::new(hub.token.clone()));
    let (ready, mut all_ready) = mpsc::unbounded_channel();
    let (notified, mut all_notified) = mpsc::unbounded_channel();
    let start = Instant::now();
    for number in 1..=DEVICES {
        let (tls, token, port) = (tls.clone(), token.clone(), hub.process.port("mqttPort"));
        let (ready, notified) = (ready.clone(), notified.clone());
        tokio::spawn(async move {
            let mut device = Device::connect(&tls, port, &format!("device-{number:07}"), &token).await;
            ready.send(()).unwrap();
            device.subscribe().await;
            ready.send(()).unwrap();
            // Until the end, when the hub goes away.
            while let Some(packet) = device.next().await {
                if matches!(packet, Packet::Publish(_)) && notified.send(()).is_err() {
                    return;
                }
            }
        });
    }
    wait_for(&mut all_ready, DEVICES).await;
    report.at_most("5,000 MQTT devices connected", start.elapsed().as_secs_f64(), 5.0, "s");
    wait_for(&mut all_ready, DEVICES).await;

    let start = Instant::now();
    let patch = json!({"properties": {"desired": fleet::desired(&fleet::link("second", 6))}});
    hub.admin("/twins", &patch).await;
    wait_for(&mut all_notified, DEVICES).await;
    report.at_most("all of them notified of one broadcast", start.elapsed().as_secs_f64(), 0.5, "s");

    let mut patchers = Vec::new();
    for _ in 0..PATCHERS {
        patchers.push(Connection::open(&tls, hub.process.port("httpsPort")).await);
    }
    let start = Instant::now();
    for (first, mut connection) in (1..).zip(patchers) {
        let token = token.clone();
        tokio::spawn(async move {
            for number in (first..=DEVICES).step_by(PATCHERS as usize) {
                let link = fleet::link(&format!("{number:07}"), 7);
                let body = json!({"properties": {"desired": fleet::desired(&link)}}).to_string();
                let twin = format!("/twins/device-{number:07}");
                let answer = connection.call(&http::request("PATCH", &twin, &token, "", &body)).await;
                assert_eq!(answer.status, 200);
            }
        });
    }
    wait_for(&mut all_notified, DEVICES).await;
    report.at_most("all of them notified of a PATCH of their own", start.elapsed().as_secs_f64(), 1.5, "s");
    plain("resident memory with 5,000 connections", hub.process.resident(), "MiB");
}

async fn wait_for(signals: &mut mpsc::UnboundedReceiver<()>, count: u32) {
    for _ in 0..count {
        signals.recv().await.unwrap();
    }
}

struct Device {
    stream: TlsStream<TcpStream>,
    buffer: BytesMut,
}

impl Device {
    async fn connect(tls: &TlsConnector, port: u16, id: &str, token: &str) -> Self {
        let mut device = Self { stream: http::open(tls, port).await, buffer: BytesMut::new() };
        let mut connect = Connect::new(id);
        connect.set_login(format!("localhost/{id}/?api-version=2021-04-12"), token);
        let mut bytes = BytesMut::new();
        connect.write(&mut bytes).unwrap();
        device.stream.write_all(&bytes).await.unwrap();
        assert!(matches!(device.next().await, Some(Packet::ConnAck(_))));
        device
    }

    async fn subscribe(&mut self) {
        let mut bytes = BytesMut::new();
        Subscribe::new("$iothub/twin/PATCH/properties/desired/#", QoS::AtMostOnce).write(&mut bytes).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
        assert!(matches!(self.next().await, Some(Packet::SubAck(_))));
    }

    /// The next packet; none when the hub closed the connection.
    async fn next(&mut self) -> Option<Packet> {
        loop {
            if let Ok(packet) = Packet::read(&mut self.buffer, MAX_PACKET) {
                return Some(packet);
            }
            if !self.stream.read_buf(&mut self.buffer).await.is_ok_and(|count| count > 0) {
                return None;
            }
        }
    }
}
