//! The device side: MQTT 3.1.1 over TLS, or in a WebSocket over TLS ("Communicate with an IoT hub using the MQTT protocol").

mod connect;
mod connection;
mod session;
mod topic;
mod twin;
pub(crate) mod websocket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::hub::Hub;
pub(crate) use session::Session;
pub(crate) use topic::Filter;

/// Largest message ("Communicate with an IoT hub using the MQTT protocol").
const MAX_MESSAGE: usize = 256 * 1024;
/// Largest packet: a message with its topic.
pub(crate) const MAX_PACKET: usize = MAX_MESSAGE + 64 * 1024;

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

/// What the hub says to a device that sends these bytes and then ends the connection.
pub(crate) async fn answers_to(hub: &Hub, bytes: &[u8]) -> Vec<u8> {
    let (client, server) = tokio::io::duplex(MAX_PACKET);
    let (mut reader, mut writer) = tokio::io::split(client);
    let mut said = Vec::new();
    let write = async {
        // The hub may have had enough before.
        let _ = writer.write_all(bytes).await;
        let _ = writer.shutdown().await;
    };
    let ((), (), _) =
        tokio::join!(connection::serve(hub, server, None, 0), write, reader.read_to_end(&mut said));
    said
}
