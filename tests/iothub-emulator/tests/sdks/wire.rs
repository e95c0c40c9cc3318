//! A wire between a device and the hub that a test can cut.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{MutexGuard, watch};
use tokio::task::JoinSet;

/// The near end of a wire.
pub struct End {
    pub listener: TcpListener,
    /// Held for as long as the port is taken, where others wait for it.
    pub alone: Option<MutexGuard<'static, ()>>,
}

impl From<TcpListener> for End {
    fn from(listener: TcpListener) -> Self {
        Self { listener, alone: None }
    }
}

/// Passes connections on; dropping it cuts them all and takes no more.
pub struct Wire {
    pub address: SocketAddr,
    cuts: watch::Sender<u64>,
    _tasks: JoinSet<()>,
}

impl Wire {
    /// From its near end to the hub's port.
    pub fn lay(near: End, hub: SocketAddr) -> Self {
        let address = near.listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // The last to go.
            let _alone = near.alone;
            let listener = near.listener;
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                connections.spawn(async move {
                    tokio::select! {
                        _ = pass_on(near, hub) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { address, cuts, _tasks: tasks }
    }

    /// Cuts what is connected now: both ends see their socket close in the middle.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// Passes one connection on, also of a client that takes the wire for a proxy: it begins with CONNECT, which TLS does not.
async fn pass_on(mut near: TcpStream, hub: SocketAddr) -> io::Result<()> {
    let mut first = [0];
    near.peek(&mut first).await?;
    if first == *b"C" {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(near.read_u8().await?);
        }
        near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    }
    let mut far = TcpStream::connect(hub).await?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
