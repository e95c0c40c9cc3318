//! A storage service that answers every reading through a link with one status.

use std::sync::{
    Arc,
    atomic::{AtomicU16, AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

pub struct Storage {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    status: AtomicU16,
    readings: AtomicU64,
}

impl Storage {
    /// One byte is read through every link.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { status: AtomicU16::new(206), readings: AtomicU64::new(0) });
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&served)));
            }
        });
        Self { port, shared }
    }

    /// From now on it answers with this status.
    pub fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::Relaxed);
    }

    /// How often it was asked.
    pub fn readings(&self) -> u64 {
        self.shared.readings.load(Ordering::Relaxed)
    }

    pub fn connection_string(&self) -> String {
        let port = self.port;
        format!("AccountName=account;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:{port}/account")
    }
}

async fn answer(stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    shared.readings.fetch_add(1, Ordering::Relaxed);
    let status = shared.status.load(Ordering::Relaxed);
    let head = format!("HTTP/1.1 {status} -\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx");
    stream.write_all(head.as_bytes()).await
}
