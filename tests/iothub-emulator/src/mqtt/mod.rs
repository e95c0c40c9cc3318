//! The device side: MQTT 3.1.1 over TLS, or in a WebSocket over TLS ("Communicate with an IoT hub using the MQTT protocol").

mod connect;
mod connection;
mod session;
mod topic;
mod twin;
pub(crate) mod websocket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::hub::Hub;
use crate::identity::DeviceId;
pub(crate) use session::Session;
pub(crate) use topic::Filter;

/// Largest packet: a message of 256 KB ("Communicate with an IoT hub using the MQTT protocol") with its
/// topic.
pub(crate) const MAX_PACKET: usize = 256 * 1024 + 64 * 1024;

/// Serves one device connection over TLS to its end.
pub(crate) async fn serve_tls(hub: Arc<Hub>, stream: TlsStream<TcpStream>) {
    let certificate = shown_certificate(&stream);
    serve(hub, stream, certificate).await;
}

/// The client's own certificate, in DER, if it has shown one.
pub(crate) fn shown_certificate(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    shown.map(|certificate| certificate.to_vec())
}

/// Serves one device connection to its end; `certificate` is the one that it has shown.
async fn serve(hub: Arc<Hub>, stream: impl AsyncRead + AsyncWrite + Unpin, certificate: Option<Vec<u8>>) {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
    connection::serve(&hub, stream, certificate.as_deref(), CONNECTIONS.fetch_add(1, Ordering::Relaxed))
        .await;
}

/// Looks at a topic as a publish and as a subscription of a device and of a module would have it.
pub(crate) fn judge_topic(text: &str) {
    for id in ["d1", "d1/m1"].iter().filter_map(|id| DeviceId::parse_any(id).ok()) {
        let _ = topic::Request::parse(text, &id);
        let _ = topic::Filter::parse(text, &id);
    }
}
