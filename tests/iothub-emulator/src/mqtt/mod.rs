//! The device side: MQTT 3.1.1 over TLS ("Communicate with an IoT hub using the MQTT protocol").

mod connect;
mod connection;
mod session;
mod topic;
mod twin;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::hub::Hub;
pub(crate) use session::Session;

/// Serves one device connection to its end.
pub(crate) async fn serve(hub: Arc<Hub>, stream: TlsStream<TcpStream>) {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
    connection::serve(&hub, stream, CONNECTIONS.fetch_add(1, Ordering::Relaxed)).await;
}
