//! The MQTT session of a device or a module: what it subscribed to, and the connection it has now.

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, Publish};
use tokio::sync::mpsc;

use super::topic::Filter;

/// Kept with the device, also while it is away: both SDKs connect with CleanSession=0 and do not subscribe
/// again.
#[derive(Debug, Default)]
pub(crate) struct Session {
    filters: Vec<Filter>,
    live: Option<Live>,
}

#[derive(Debug)]
struct Live {
    connection: u64,
    clean: bool,
    outbox: mpsc::Sender<Packet>,
}

impl Session {
    /// Starts a connection, and with that ends the one before: the hub allows one for each identity. Tells
    /// whether there was a session to go on with.
    pub fn connect(&mut self, connection: u64, clean: bool, outbox: mpsc::Sender<Packet>) -> bool {
        let was_clean = self.live.take().is_some_and(|live| live.clean);
        if clean || was_clean {
            self.filters.clear();
        }
        let present = !self.filters.is_empty();
        self.live = Some(Live { connection, clean, outbox });
        present
    }

    /// Ends a connection, unless another one has taken its place.
    pub fn disconnect(&mut self, connection: u64) {
        if self.is(connection)
            && let Some(live) = self.live.take()
            && live.clean
        {
            self.filters.clear();
        }
    }

    /// A session of a device that is away, with these subscriptions.
    pub fn kept(filters: Vec<Filter>) -> Self {
        Self { filters, live: None }
    }

    /// The subscriptions that outlive the connection.
    pub fn to_keep(&self) -> &[Filter] {
        let is_clean = self.live.as_ref().is_some_and(|live| live.clean);
        if is_clean { &[] } else { &self.filters }
    }

    /// Ends whatever connection there is.
    pub fn close(&mut self) {
        self.live = None;
    }

    /// A session that is live if this one is, and that nothing can be sent to.
    pub fn appearance(&self) -> Self {
        let live = self.live.as_ref().map(|live| {
            let (outbox, _) = mpsc::channel(1);
            Live { connection: live.connection, clean: live.clean, outbox }
        });
        Self { filters: Vec::new(), live }
    }

    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Whether `connection` is the one in force.
    pub fn is(&self, connection: u64) -> bool {
        self.live.as_ref().is_some_and(|live| live.connection == connection)
    }

    pub fn subscribe(&mut self, filter: Filter) {
        if !self.filters.contains(&filter) {
            self.filters.push(filter);
        }
    }

    pub fn unsubscribe(&mut self, filter: Filter) {
        self.filters.retain(|known| *known != filter);
    }

    /// Whether a desired notification would reach the device. None is queued for one that is away: it reads
    /// its twin when it is back ("Understand and use device twins", Device reconnection flow).
    pub fn wants_desired(&self) -> bool {
        self.live.is_some() && self.filters.contains(&Filter::DesiredPatches)
    }

    /// Hands a publish to the connection. One that lets too many pile up is closed, and reads its twin when
    /// it is back.
    pub fn send(&mut self, topic: String, payload: Vec<u8>) -> bool {
        let packet = Packet::Publish(Publish::new(topic, QoS::AtMostOnce, payload));
        let sent = self.live.as_ref().is_some_and(|live| live.outbox.try_send(packet).is_ok());
        if !sent {
            self.close();
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_keep_subscriptions_unless_they_are_clean() {
        let (outbox, _inbox) = mpsc::channel(1);
        let mut session = Session::default();
        assert!(!session.connect(1, false, outbox.clone()));
        session.subscribe(Filter::DesiredPatches);
        session.disconnect(1);
        assert!(!session.is_live() && !session.wants_desired());
        assert!(session.connect(2, false, outbox.clone()));
        assert!(session.wants_desired());
        // The connection that was taken over ends later and must not end its successor.
        session.disconnect(1);
        assert!(session.is(2));
        assert!(!session.connect(3, true, outbox.clone()));
        session.subscribe(Filter::DesiredPatches);
        session.disconnect(3);
        assert!(!session.connect(4, false, outbox));
    }

    #[test]
    fn a_device_that_does_not_read_is_closed() {
        let (outbox, mut inbox) = mpsc::channel(1);
        let mut session = Session::default();
        session.connect(1, false, outbox);
        assert!(session.send("a".to_owned(), Vec::new()));
        assert!(!session.send("b".to_owned(), Vec::new()));
        assert!(!session.is_live());
        assert!(matches!(inbox.try_recv(), Ok(Packet::Publish(publish)) if publish.topic == "a"));
        assert!(matches!(inbox.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
    }
}
