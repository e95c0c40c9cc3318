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
pub(crate) use session::Session;
pub(crate) use topic::Filter;

/// Largest packet: a message of 256 KB ("Communicate with an IoT hub using the MQTT protocol") with its
/// topic.
pub(crate) const MAX_PACKET: usize = 256 * 1024 + 64 * 1024;

/// Serves one device connection over TLS to its end.
pub(crate) async fn serve_tls(hub: Arc<Hub>, stream: TlsStream<TcpStream>) {
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let certificate = shown.map(|certificate| certificate.to_vec());
    serve(hub, stream, certificate).await;
}

/// Serves one device connection to its end; `certificate` is the device's own, in DER, if it has shown one.
async fn serve(hub: Arc<Hub>, stream: impl AsyncRead + AsyncWrite + Unpin, certificate: Option<Vec<u8>>) {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
    connection::serve(&hub, stream, certificate.as_deref(), CONNECTIONS.fetch_add(1, Ordering::Relaxed))
        .await;
}

/// Looks at a topic as a publish and as a subscription of a device would have it.
pub(crate) fn judge_topic(text: &str) {
    let _ = topic::Request::parse(text, "d1");
    let _ = topic::Filter::parse(text, "d1");
}
