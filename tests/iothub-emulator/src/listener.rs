//! Accepts TLS connections and hands each to its protocol, in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::Hub;

/// How long a client may take for its TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);
/// Pause after a failed accept: out of files is not over at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What ends connections, and what waits for their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    pub stop: CancellationToken,
    pub tracker: TaskTracker,
}

/// Starts accepting on `listener` until the tasks are told to stop.
pub(crate) fn spawn<F>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    hub: Arc<Hub>,
    tasks: &Tasks,
    serve: fn(Arc<Hub>, TlsStream<TcpStream>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls);
    let with_tls = move |stream: TcpStream| {
        let (acceptor, hub) = (acceptor.clone(), hub.clone());
        async move {
            match timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve(hub, stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
    };
    spawn_plain(listener, tasks, with_tls);
}

/// As [`spawn`], without TLS.
pub(crate) fn spawn_plain<F>(
    listener: TcpListener,
    tasks: &Tasks,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let connections = tasks.clone();
    let accept = async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Small packets, each waited for.
                    let _ = stream.set_nodelay(true);
                    let connection = serve(stream);
                    connections.tracker.spawn(connections.stop.clone().run_until_cancelled_owned(connection));
                }
                Err(error) => {
                    tracing::error!(%error, "a connection cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tasks.tracker.spawn(tasks.stop.clone().run_until_cancelled_owned(accept));
}
