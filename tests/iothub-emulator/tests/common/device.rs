//! A device, or a module, over the wire.

// Each suite uses its part of this; a helper that fails is the test's failure.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish, QoS,
    TlsConfiguration, Transport,
};
use serde_json::Value;
use tokio::time::timeout;

use super::Hub;

pub const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
pub const RESPONSES: &str = "$iothub/twin/res/#";

/// A device with an MQTT client of its own.
pub struct Device {
    pub client: AsyncClient,
    events: EventLoop,
}

impl Device {
    /// A device, or a module by `{device}/{module}`, that has not connected yet; `password` is its SAS token.
    pub fn new(hub: &Hub, id: &str, password: &str) -> Self {
        Self::with_tls(hub, id, password, super::device_tls(&hub.emulator))
    }

    /// One that has its own view of TLS.
    pub fn with_tls(hub: &Hub, id: &str, password: &str, tls: Arc<rustls::ClientConfig>) -> Self {
        let mut options = MqttOptions::new(id, "localhost", hub.emulator.mqtt_port());
        let host = hub.emulator.host_name();
        options
            .set_credentials(format!("{host}/{id}/?api-version=2021-04-12&DeviceClientType=test"), password)
            .set_clean_session(false)
            .set_transport(Transport::Tls(TlsConfiguration::Rustls(tls)));
        let (client, events) = AsyncClient::new(options, 10);
        Self { client, events }
    }

    /// The next event; a test that waits for one that never comes fails.
    pub async fn next(&mut self) -> Result<Event, ConnectionError> {
        timeout(Duration::from_secs(30), self.events.poll()).await.expect("nothing came")
    }

    /// Connects; gives whether the hub knew the session.
    pub async fn connect(&mut self) -> Result<bool, ConnectReturnCode> {
        match self.next().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => Ok(ack.session_present),
            Err(ConnectionError::ConnectionRefused(code)) => Err(code),
            other => panic!("{other:?}"),
        }
    }

    pub async fn subscribe(&mut self, filter: &str) {
        self.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        while !matches!(self.next().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
    }

    pub async fn publish(&self, topic: &str, payload: &str) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
    }

    pub async fn message(&mut self) -> Publish {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = self.next().await.unwrap() {
                return publish;
            }
        }
    }

    /// Lets the client work, on what brings no message, until a condition is true.
    pub async fn work_until(&mut self, condition: impl Fn() -> bool) {
        let work = async {
            while self.next().await.is_ok() {}
            panic!("the connection ended");
        };
        tokio::select! {
            () = work => {}
            () = super::wait_for(condition) => {}
        }
    }

    /// Waits until the hub ends the connection.
    pub async fn closed(&mut self) {
        while self.next().await.is_ok() {}
    }
}

pub fn json_of(publish: &Publish) -> Value {
    serde_json::from_slice(&publish.payload).unwrap()
}
