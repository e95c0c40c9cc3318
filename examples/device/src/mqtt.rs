//! A connection to the hub: twin requests, their answers, and the patches of desired properties.
//!
//! Topics and properties are those of "Understand and use device twins" and "Communicate with an IoT hub using the MQTT
//! protocol".

use std::time::{Duration, SystemTime};

use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, MqttOptions, Packet, QoS, TlsConfiguration,
    Transport,
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::{connection_string::ConnectionString, shared::Shared, token::token};

const API_VERSION: &str = "2021-04-12";
const ANSWERS: &str = "$iothub/twin/res/";
const PATCHES: &str = "$iothub/twin/PATCH/properties/desired/";
/// A twin has up to 32 KB of desired and as many of reported properties, and their metadata.
const LARGEST_PACKET: usize = 512 * 1024;
/// How long the hub may take to answer a request.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An open connection. Dropping it closes it; the hub keeps the session with its subscriptions.
pub(crate) struct Connection {
    client: AsyncClient,
    messages: mpsc::Receiver<Result<Message, Broken>>,
    requests: u32,
    _pump: AbortOnDropHandle<()>,
}

/// What the hub sends.
pub(crate) enum Message {
    /// The answer to the request of this number.
    Answer { request: u32, status: u16, body: Value },
    /// A patch of the desired properties.
    Desired(Value),
}

/// The connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// It could not be made, or ended.
    #[error("MQTT: {0}")]
    Connection(#[from] Box<ConnectionError>),
    /// The hub refuses the subscriptions.
    #[error("the hub refuses the subscriptions")]
    Subscriptions,
    /// It ended while something was to be sent.
    #[error("the connection has ended")]
    Ended,
    /// The hub does not answer in time.
    #[error("the hub has not answered for {} s", PATIENCE.as_secs())]
    Silent,
    /// The twin cannot be had now.
    #[error("the hub answers the request for the twin with status {0}")]
    NoTwin(u16),
}

impl From<ClientError> for Broken {
    fn from(_: ClientError) -> Self {
        Self::Ended
    }
}

impl Connection {
    /// Connects and subscribes.
    pub async fn open(connection: &ConnectionString, shared: &Shared) -> Result<Self, Broken> {
        let id = connection.device_id();
        let (host, port) = connection.mqtt_address();
        let mut options = MqttOptions::new(id, host, port);
        let user = format!("{}/{id}/?api-version={API_VERSION}", connection.host_name());
        options
            .set_credentials(user, token(connection, SystemTime::now()))
            // The hub keeps the subscriptions, so that no patch falls between a connect and a subscribe.
            .set_clean_session(false)
            .set_keep_alive(Duration::from_mins(4))
            .set_max_packet_size(LARGEST_PACKET, LARGEST_PACKET)
            .set_transport(Transport::Tls(TlsConfiguration::Rustls(shared.tls())));
        let (client, mut events) = AsyncClient::new(options, 8);
        until(&mut events, |packet| matches!(packet, Packet::ConnAck(_))).await?;
        for topic in [ANSWERS, PATCHES] {
            client.subscribe(format!("{topic}#"), QoS::AtMostOnce).await?;
            let answer = until(&mut events, |packet| matches!(packet, Packet::SubAck(_))).await?;
            let Packet::SubAck(answer) = answer else { return Err(Broken::Subscriptions) };
            if answer.return_codes.contains(&rumqttc::SubscribeReasonCode::Failure) {
                return Err(Broken::Subscriptions);
            }
        }
        let (sender, messages) = mpsc::channel(16);
        // The client's event loop must not be dropped in the middle of a packet, so it has a task of its own.
        let pump = AbortOnDropHandle::new(tokio::spawn(pump(events, sender)));
        Ok(Self { client, messages, requests: 0, _pump: pump })
    }

    /// Asks for the twin; its answer is a message like others.
    pub async fn ask_for_twin(&mut self) -> Result<u32, Broken> {
        self.request("$iothub/twin/GET/", String::new()).await
    }

    /// Patches the reported properties; the answer is a message like others.
    pub async fn report(&mut self, patch: &Value) -> Result<u32, Broken> {
        self.request("$iothub/twin/PATCH/properties/reported/", patch.to_string()).await
    }

    async fn request(&mut self, topic: &str, payload: String) -> Result<u32, Broken> {
        self.requests += 1;
        let topic = format!("{topic}?$rid={}", self.requests);
        self.client.publish(topic, QoS::AtMostOnce, false, payload).await?;
        Ok(self.requests)
    }

    /// The next message. May be dropped and called again without loss.
    pub async fn next(&mut self) -> Result<Message, Broken> {
        self.messages.recv().await.unwrap_or(Err(Broken::Ended))
    }
}

async fn until(events: &mut EventLoop, wanted: impl Fn(&Packet) -> bool) -> Result<Packet, Broken> {
    let arrives = async {
        loop {
            match events.poll().await.map_err(Box::new)? {
                Event::Incoming(packet) if wanted(&packet) => return Ok(packet),
                // A patch for a subscription of an earlier connection: the twin that is asked for next has it.
                _ => (),
            }
        }
    };
    tokio::time::timeout(PATIENCE, arrives).await.map_err(|_| Broken::Silent)?
}

async fn pump(mut events: EventLoop, messages: mpsc::Sender<Result<Message, Broken>>) {
    loop {
        let message = match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                match message(&publish.topic, &publish.payload) {
                    Some(message) => Ok(message),
                    None => continue,
                }
            }
            Ok(_) => continue,
            Err(error) => Err(Broken::Connection(Box::new(error))),
        };
        let last = message.is_err();
        if messages.send(message).await.is_err() || last {
            return;
        }
    }
}

fn message(topic: &str, payload: &[u8]) -> Option<Message> {
    let body = serde_json::from_slice(payload).unwrap_or_default();
    if topic.starts_with(PATCHES) {
        return Some(Message::Desired(body));
    }
    let (status, properties) = topic.strip_prefix(ANSWERS)?.split_once("/?")?;
    let request = properties.split('&').find_map(|property| property.strip_prefix("$rid="))?;
    Some(Message::Answer { request: request.parse().ok()?, status: status.parse().ok()?, body })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Message, message};

    #[test]
    fn topics_tell_answers_from_patches() {
        let answer = message("$iothub/twin/res/204/?$rid=7&$version=3", b"");
        assert!(matches!(answer, Some(Message::Answer { request: 7, status: 204, .. })));
        let patch = message("$iothub/twin/PATCH/properties/desired/?$version=3", br#"{"a": 1}"#);
        assert!(matches!(patch, Some(Message::Desired(body)) if body == json!({"a": 1})));
        for other in ["$iothub/twin/res/204", "$iothub/twin/res/x/?$rid=1", "$iothub/methods/POST/m/?$rid=1"]
        {
            assert!(message(other, b"").is_none(), "{other}");
        }
    }
}
