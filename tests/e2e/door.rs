//! A way to a service that can be shut.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::case::Case;

/// A port that leads to another one while it is open; closed, it ends every connection.
pub struct Door {
    pub port: u16,
    open: watch::Sender<bool>,
}

impl Door {
    /// An open one that leads to the port `to`.
    pub async fn to(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, seen) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((inside, _)) = listener.accept().await {
                tokio::spawn(pass(inside, to, seen.clone()));
            }
        });
        Self { port, open }
    }

    pub fn set(&self, open: bool) {
        self.open.send_replace(open);
    }
}

impl Case {
    /// A door in front of the storage account, and the Secret `storage-door` that leads through it.
    pub async fn storage_door(&self) -> Door {
        let port = self.shared.azurite.endpoint().rsplit_once(':').unwrap().1.parse().unwrap();
        self.door("storage-door", &self.account.connection_string(), port).await
    }

    /// A door in front of the hub, and the Secret `hub-door` that leads through it.
    pub async fn hub_door(&self) -> Door {
        let connection = self.hub.policy_connection_string("service").unwrap();
        self.door("hub-door", &connection, self.hub.https_port()).await
    }

    async fn door(&self, secret: &str, connection: &str, port: u16) -> Door {
        let door = Door::to(port).await;
        self.secret(secret, &connection.replace(&format!(":{port}"), &format!(":{}", door.port))).await;
        door
    }
}

/// Passes on what comes until the door closes.
async fn pass(mut inside: TcpStream, to: u16, mut open: watch::Receiver<bool>) {
    if !*open.borrow_and_update() {
        return;
    }
    let mut outside = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
    tokio::select! {
        _ = copy_bidirectional(&mut inside, &mut outside) => (),
        _ = open.wait_for(|open| !open) => (),
    }
}
