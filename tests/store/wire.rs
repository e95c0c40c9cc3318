//! What stands between the operator and storage in tests: a service that answers as it is told, and a line that damages.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a [`FakeService`] does with a request.
#[derive(Clone, Copy)]
pub enum Answer {
    /// Sends a status line, headers and a body.
    Send { status: &'static str, headers: &'static str, body: &'static str },
    /// Says nothing, and keeps the connection open.
    Silence,
    /// Closes the connection.
    HangUp,
}

/// Answers one request after the other as it was told, and from then on as the last time. Notes the line and the headers of each.
pub struct FakeService {
    pub address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FakeService {
    pub async fn answering(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        tokio::spawn(async move {
            let mut silent = Vec::new();
            for turn in 0.. {
                let mut stream = listener.accept().await.unwrap().0;
                let head = read_request(&mut stream).await;
                noted.lock().unwrap().push(head);
                match answers[turn.min(answers.len() - 1)] {
                    Answer::Send { status, headers, body } => {
                        let length = body.len();
                        let text = format!(
                            "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                        );
                        stream.write_all(text.as_bytes()).await.unwrap();
                    }
                    Answer::Silence => silent.push(stream),
                    Answer::HangUp => {}
                }
            }
        });
        Self { address, requests }
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads a request to its end and gives what stands before its body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        read.extend_from_slice(&buffer[..count]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if read.len() >= end + 4 + length.map_or(0, |length| length.parse().unwrap()) {
                return head;
            }
        }
        assert_ne!(count, 0, "the request ended early");
    }
}

/// The byte that [`damaging`] changes: nowhere else in a request to storage is there one that is not ASCII.
pub const FRAGILE: u8 = 0xff;

/// A line to `target` on which every [`FRAGILE`] byte arrives as another. Returns its address.
pub async fn damaging(target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut from, mut to) = listener.accept().await.unwrap().0.into_split();
            let (mut answers, mut service) = TcpStream::connect(&target).await.unwrap().into_split();
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut to).await });
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = from.read(&mut buffer).await {
                    for byte in buffer[..count].iter_mut().filter(|byte| **byte == FRAGILE) {
                        *byte = 0xfe;
                    }
                    if service.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}
