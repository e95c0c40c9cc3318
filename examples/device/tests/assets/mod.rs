//! A server of assets over plain HTTP/1.1 that can refuse and break off.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

pub struct Assets {
    port: u16,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Default)]
struct Shelf {
    assets: HashMap<String, Vec<u8>>,
    /// How many answers more are to break off.
    truncated: HashMap<String, u32>,
    refused: HashSet<String>,
    requests: HashMap<String, u32>,
}

impl Assets {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let served = shelf.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, served.clone()));
            }
        });
        Self { port, shelf }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap()
    }

    pub fn uri(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub fn put(&self, path: &str, bytes: &[u8]) {
        self.shelf().assets.insert(path.to_owned(), bytes.to_vec());
    }

    /// The next `times` answers break off before the last byte.
    pub fn truncate(&self, path: &str, times: u32) {
        self.shelf().truncated.insert(path.to_owned(), times);
    }

    /// Answers 403 to this path with this query.
    pub fn refuse(&self, target: &str) {
        self.shelf().refused.insert(target.to_owned());
    }

    pub fn requests(&self, path: &str) -> u32 {
        self.shelf().requests.get(path).copied().unwrap_or_default()
    }

    /// Waits until it has been asked for.
    pub async fn requested(&self, path: &str) {
        let asked = async {
            while self.requests(path) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), asked).await.unwrap();
    }
}

async fn serve(mut stream: TcpStream, shelf: Arc<Mutex<Shelf>>) {
    let mut lines = BufReader::new(&mut stream).lines();
    let Some(first) = lines.next_line().await.unwrap() else { return };
    while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
    let target = first.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let answer = shelf.lock().unwrap().answer(&target);
    stream.write_all(&answer).await.unwrap();
}

impl Shelf {
    fn answer(&mut self, target: &str) -> Vec<u8> {
        let path = target.split('?').next().unwrap();
        *self.requests.entry(path.to_owned()).or_default() += 1;
        let (status, body) = match self.assets.get(path) {
            _ if self.refused.contains(target) => ("403 Forbidden", &[][..]),
            Some(body) => ("200 OK", body.as_slice()),
            None => ("404 Not Found", &[][..]),
        };
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let mut answer = [head.as_bytes(), body].concat();
        if let Some(left) = self.truncated.get_mut(path).filter(|left| **left > 0) {
            *left -= 1;
            answer.pop();
        }
        answer
    }
}
