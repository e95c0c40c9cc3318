//! One connection of a device or a module, from CONNECT to its end.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Codec, ConnAck, ConnectReturnCode, Packet, PubAck, Publish, SubAck, Subscribe, SubscribeReasonCode,
    UnsubAck, Unsubscribe,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::codec::Framed;

use super::connect::{Admission, admit};
use super::topic::{Filter, Request};
use super::{MAX_MESSAGE, MAX_PACKET, twin};
use crate::error::HubError;
use crate::hub::Hub;
use crate::physics::Operation;

/// How long a client may take from its connection to CONNECT.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// The hub gives a silent client 1.5 times its keep-alive, and no more than this (same page).
const MAX_SILENCE: Duration = Duration::from_secs(1767);
/// How long a client may take to accept what is written to it.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// Publishes that may wait for a slow device.
const OUTBOX: usize = 256;
/// Publishes of one device that the limits may delay, and their bytes; who sends more without waiting for answers is closed.
const MAX_WAITING: usize = 1024;
const MAX_WAITING_BYTES: usize = 1024 * 1024;
/// Read buffer to start with: most packets are small, and devices are many.
const BUFFER: usize = 1024;

/// Why a connection ends; the peer is told nothing, MQTT 3.1.1 has no word for it.
struct Closed;

/// Serves a connection until either side ends it.
pub(super) async fn serve(
    hub: &Hub,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    certificate: Option<&[u8]>,
    connection: u64,
) {
    let codec = Codec { max_incoming_size: MAX_PACKET, max_outgoing_size: MAX_PACKET };
    let mut wire = Framed::with_capacity(stream, codec, BUFFER);
    let Ok(Some(Ok(Packet::Connect(connect)))) = timeout(CONNECT_WITHIN, wire.next()).await else { return };
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    match limited(hub).await.and_then(|()| admit(hub, &connect, certificate, connection, outbox)) {
        Ok(admission) => {
            hub.counters.count_connect(true);
            // Also if this task is dropped in the middle, at shutdown.
            let _present = Presence { hub, id: admission.id.as_str(), connection };
            let silence = match connect.keep_alive {
                0 => MAX_SILENCE,
                seconds => (Duration::from_secs(seconds.into()) * 3 / 2).min(MAX_SILENCE),
            };
            let mut connection = Connection {
                hub,
                wire,
                inbox,
                admission: &admission,
                number: connection,
                silence,
                waiting: VecDeque::new(),
            };
            let Err(Closed) = connection.run().await;
        }
        Err(code) => {
            hub.counters.count_connect(false);
            let refusal = Packet::ConnAck(ConnAck::new(code, false));
            if wire.send(refusal).await.is_ok() {
                // Without the proper end of TLS some clients miss the refusal.
                let _ = wire.close().await;
            }
        }
    }
}

/// Waits for one of the new connections that the hub takes. Which code a hub refuses with is not known; the SDKs try
/// again after "server unavailable".
async fn limited(hub: &Hub) -> Result<(), ConnectReturnCode> {
    hub.admit(Operation::Connections, 1).await.map_err(|_| {
        hub.counters.count_throttled_device_operation();
        ConnectReturnCode::ServiceUnavailable
    })
}

/// Ends the session's connection when dropped.
struct Presence<'a> {
    hub: &'a Hub,
    id: &'a str,
    connection: u64,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        let now = self.hub.clock.now();
        // What was deleted meanwhile has no session to end.
        let _ = self.hub.write(self.id, |device| {
            if let Some(session) = &mut device.session
                && session.is(self.connection)
            {
                session.disconnect(self.connection);
                device.connection_changed = Some(now);
            }
            Ok(())
        });
    }
}

struct Connection<'a, S> {
    hub: &'a Hub,
    wire: Framed<S, Codec>,
    inbox: mpsc::Receiver<Packet>,
    admission: &'a Admission,
    number: u64,
    silence: Duration,
    /// Publishes that the hub's limits delay, in their order.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    /// When its turn comes, in [`crate::Clock::elapsed`].
    due: Duration,
    request: Request,
    publish: Publish,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn run(&mut self) -> Result<std::convert::Infallible, Closed> {
        self.send(Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, self.admission.session_present)))
            .await?;
        let clock = &self.hub.clock;
        // The silence is the network's, not the hub's time: a day that a test lets pass is not one without pings.
        let mut silent_until = Instant::now() + self.silence;
        loop {
            let due = self.waiting.front().map(|waiting| waiting.due);
            tokio::select! {
                packet = self.wire.next() => {
                    silent_until = Instant::now() + self.silence;
                    self.receive(packet.and_then(Result::ok).ok_or(Closed)?).await?;
                }
                packet = self.inbox.recv() => {
                    // The session let go of this connection: taken over, disabled, deleted or too slow.
                    let packet = packet.ok_or(Closed)?;
                    self.feed(packet).await?;
                    while let Ok(packet) = self.inbox.try_recv() {
                        self.feed(packet).await?;
                    }
                    written(self.wire.flush()).await?;
                }
                () = clock.sleep(due.unwrap_or_default().saturating_sub(clock.elapsed())), if due.is_some() => {
                    if let Some(Waiting { request, publish, .. }) = self.waiting.pop_front() {
                        self.carry_out(&request, &publish, Ok(()))?;
                    }
                }
                // The hub ends a connection whose token expires ("Troubleshoot Azure IoT Hub error codes").
                () = clock.reach(self.admission.expires) => return Err(Closed),
                () = sleep_until(silent_until) => return Err(Closed),
            }
        }
    }

    async fn receive(&mut self, packet: Packet) -> Result<(), Closed> {
        match packet {
            Packet::Publish(publish) => self.publish(&publish).await,
            Packet::Subscribe(subscribe) => self.subscribe(subscribe).await,
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(unsubscribe).await,
            Packet::PingReq => self.send(Packet::PingResp).await,
            // The hub publishes at QoS 0 only; an acknowledgement of nothing does no harm.
            Packet::PubAck(_) => Ok(()),
            // DISCONNECT, a second CONNECT, and packets that only a server sends.
            _ => Err(Closed),
        }
    }

    /// `QoS` 2 and unknown topics end the connection ("Communicate with an IoT hub using the MQTT protocol").
    /// The PUBACK goes first: Python waits for it before it waits for the answer.
    async fn publish(&mut self, publish: &Publish) -> Result<(), Closed> {
        let request = Request::parse(&publish.topic, &self.admission.id).ok_or(Closed)?;
        if publish.payload.len() > MAX_MESSAGE {
            return Err(Closed);
        }
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.send(Packet::PubAck(PubAck::new(publish.pkid))).await?,
            QoS::ExactlyOnce => return Err(Closed),
        }
        if self.hub.clock.now() >= self.admission.expires {
            return Err(Closed);
        }
        let clock = &self.hub.clock;
        let wait = match self.hub.physics.reserve(request.operation(), 1, clock) {
            Ok(wait) => wait,
            Err(error) => {
                self.hub.counters.count_throttled_device_operation();
                return self.carry_out(&request, publish, Err(error));
            }
        };
        if wait.is_zero() && self.waiting.is_empty() {
            return self.carry_out(&request, publish, Ok(()));
        }
        let bytes = self.waiting.iter().map(|waiting| waiting.publish.payload.len()).sum::<usize>();
        if self.waiting.len() >= MAX_WAITING || bytes + publish.payload.len() > MAX_WAITING_BYTES {
            return Err(Closed);
        }
        self.hub.counters.count_delayed();
        let due = clock.elapsed().saturating_add(wait);
        self.waiting.push_back(Waiting { due, request, publish: publish.clone() });
        Ok(())
    }

    fn carry_out(
        &self,
        request: &Request,
        publish: &Publish,
        admitted: Result<(), HubError>,
    ) -> Result<(), Closed> {
        let id = self.admission.id.as_str();
        let goes_on = twin::handle(self.hub, id, self.number, request, publish, admitted);
        if goes_on { Ok(()) } else { Err(Closed) }
    }

    async fn subscribe(&mut self, subscribe: Subscribe) -> Result<(), Closed> {
        let mut granted = Vec::new();
        let mut filters = Vec::new();
        for wanted in &subscribe.filters {
            filters.push(Filter::parse(&wanted.path, &self.admission.id).ok_or(Closed)?);
            // QoS 2 is granted as 1 (same page).
            let qos = if wanted.qos == QoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            granted.push(SubscribeReasonCode::Success(qos));
        }
        // Before the acknowledgement: what is patched after it must be notified.
        self.in_session(|session| filters.into_iter().for_each(|filter| session.subscribe(filter)))?;
        self.send(Packet::SubAck(SubAck::new(subscribe.pkid, granted))).await
    }

    async fn unsubscribe(&mut self, unsubscribe: Unsubscribe) -> Result<(), Closed> {
        // From nothing (MQTT 3.1.1, 3.10.3).
        if unsubscribe.topics.is_empty() {
            return Err(Closed);
        }
        let id = &self.admission.id;
        let known = unsubscribe.topics.iter().filter_map(|topic| Filter::parse(topic, id));
        self.in_session(|session| known.for_each(|filter| session.unsubscribe(filter)))?;
        self.send(Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid))).await
    }

    fn in_session(&self, change: impl FnOnce(&mut super::Session)) -> Result<(), Closed> {
        let changed = self.hub.write(self.admission.id.as_str(), |device| {
            let session = device.session.as_mut().filter(|session| session.is(self.number));
            Ok(session.map(|session| change(session)))
        });
        changed.ok().flatten().ok_or(Closed)
    }

    async fn feed(&mut self, packet: Packet) -> Result<(), Closed> {
        written(self.wire.feed(packet)).await
    }

    async fn send(&mut self, packet: Packet) -> Result<(), Closed> {
        written(self.wire.send(packet)).await
    }
}

async fn written<E>(write: impl Future<Output = Result<(), E>>) -> Result<(), Closed> {
    timeout(WRITE_WITHIN, write).await.ok().and_then(Result::ok).ok_or(Closed)
}
