//! The client against a server that answers by script, byte by byte.

use std::sync::Mutex;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::hub::{sku::Rates, transport::http_client};

const TWIN: &str =
    r#"{"deviceId":"d","etag":"AAAAAAAAAAE=","properties":{"desired":{"a":1},"reported":{"b":2}}}"#;

/// A hub that gives these answers, one a connection, and keeps what it was asked.
struct Script {
    client: HubClient,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    async fn new(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                log.lock().unwrap().push(request);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let text = format!("HostName={host};SharedAccessKeyName=service;SharedAccessKey=QUFBQUFBQUE=");
        let rates = Rates { twin_writes: 1000.0, twin_reads: 1000.0, queries: 1000.0 };
        let client = HubClient {
            inner: Arc::new(Inner {
                http: http_client().unwrap(),
                base: format!("http://{host}"),
                tokens: TokenSource::new(HubConnection::parse(&text).unwrap()),
                governor: Arc::new(Governor::new(rates)),
            }),
        };
        Self { client, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if read == 0 || body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return request;
        }
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

fn json_answer(body: &str) -> String {
    answer(200, "content-type: application/json; charset=utf-8\r\n", body)
}

#[tokio::test]
async fn a_throttled_call_is_tried_again() {
    let script = Script::new(vec![answer(429, "", ""), json_answer(TWIN)]).await;
    let twin = script.client.twin("dev 1/x").await.unwrap().unwrap();
    assert_eq!(twin.etag, "AAAAAAAAAAE=");
    assert_eq!((twin.desired, twin.reported), (json!({"a": 1}), json!({"b": 2})));
    assert_eq!(script.client.throttled(), 1);
    let asked = script.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].starts_with("GET /twins/dev%201%2Fx?api-version=2021-04-12 "), "{}", asked[1]);
    assert!(asked[1].contains("authorization: SharedAccessSignature sr=127.0.0.1%3A"), "{}", asked[1]);
}

#[tokio::test]
async fn a_long_wait_is_handed_to_the_caller() {
    let script = Script::new(vec![answer(429, "retry-after: 86400\r\n", "")]).await;
    let error = script.client.twin("d").await.unwrap_err();
    assert_eq!(error, HubError::Throttled { after: Some(Duration::from_mins(5)) });
}

#[tokio::test]
async fn a_broken_answer_is_a_broken_connection() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\ncontent-type: application/json\r\n\r\n{\"etag\""
        .to_owned();
    let script = Script::new(vec![broken, json_answer(TWIN)]).await;
    assert!(script.client.twin("d").await.unwrap().is_some());
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test]
async fn it_gives_up_after_five_times() {
    let script = Script::new(vec![answer(503, "", "busy"); 6]).await;
    assert_eq!(script.client.twin("d").await, Err(HubError::Server { status: 503 }));
    assert_eq!(script.asked().len(), 5);
}

#[test]
fn a_silent_hub_is_not_asked_again_and_again() {
    let seconds = Duration::from_secs;
    let silent = HubError::Unreachable("no answer in time".into());
    for (error, wait, attempt, spent, want) in [
        (silent.clone(), 1, 0, 0, true),
        // A refused connection costs no time; an answer that does not come costs a minute.
        (silent.clone(), 1, 1, 19, true),
        (silent.clone(), 1, 0, 60, false),
        (silent, 1, 4, 0, false),
        (HubError::Server { status: 503 }, 1, 3, 90, true),
        (HubError::Throttled { after: None }, 30, 3, 90, true),
        (HubError::Throttled { after: None }, 31, 0, 0, false),
    ] {
        let got = is_worth_it(&error, seconds(wait), attempt, seconds(spent));
        assert_eq!(got, want, "{error} {wait} {attempt} {spent}");
    }
}

#[tokio::test]
async fn what_would_fail_again_is_not_tried_again() {
    let no_device = answer(404, "iothub-errorcode: DeviceNotFound\r\n", "{}");
    for (reply, want) in [
        (no_device, HubError::NotFound),
        (answer(412, "", ""), HubError::PreconditionFailed),
        (answer(401, "", "who"), HubError::Unauthorized("who".into())),
        (
            answer(200, "content-type: text/html\r\n", TWIN),
            HubError::Malformed("its content type is not JSON".into()),
        ),
        (answer(302, "location: http://127.0.0.1:1/\r\n", ""), HubError::Malformed("status 302".into())),
        (json_answer("{}"), HubError::Malformed("a twin has no etag".into())),
    ] {
        let script = Script::new(vec![reply]).await;
        let result = script.client.patch_twin("d", &json!({"x": 1}), "AAA=", Urgency::Urgent).await;
        assert_eq!(result, Err(want));
        let asked = script.asked().concat();
        assert!(asked.starts_with("PATCH /twins/d?"), "{asked}");
        assert!(asked.contains("if-match: \"AAA=\"\r\n") && asked.ends_with("\r\n\r\n{\"x\":1}"), "{asked}");
    }
}

#[tokio::test]
async fn a_missing_device_is_no_error_when_read() {
    let script = Script::new(vec![answer(404, "iothub-errorcode: DeviceNotFound\r\n", "")]).await;
    assert_eq!(script.client.twin("d").await, Ok(None));
    for device in ["", ".", ".."] {
        assert!(matches!(script.client.twin(device).await, Err(HubError::BadRequest { .. })), "{device}");
    }
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn a_query_follows_the_token_and_not_the_rows() {
    let page = |rows: &str, token: &str| {
        answer(200, &format!("content-type: application/json\r\nx-ms-continuation: {token}\r\n"), rows)
    };
    let script = Script::new(vec![page("[1]", "t1"), page("[]", "t2"), page("[2]", "")]).await;
    assert_eq!(script.client.query_all("SELECT 1").await, Ok(vec![json!(1), json!(2)]));
    let asked = script.asked();
    assert!(!asked[0].contains("x-ms-continuation"));
    assert!(
        asked[2].contains("x-ms-continuation: t2\r\n") && asked[2].contains("x-ms-max-item-count: 100\r\n")
    );
    assert!(asked.iter().all(|asked| asked.ends_with("{\"query\":\"SELECT 1\"}")));
}

#[tokio::test]
async fn a_query_without_end_is_refused() {
    let endless = answer(200, "content-type: application/json\r\nx-ms-continuation: t\r\n", "[1]");
    let script = Script::new(vec![endless; 21]).await;
    assert!(matches!(script.client.query_all("SELECT 1").await, Err(HubError::Malformed(_))));
    assert_eq!(script.asked().len(), 20);
}

#[tokio::test]
async fn an_unreachable_hub_is_told_without_the_address_of_the_call() {
    let script = Script::new(vec![]).await;
    let HubError::Unreachable(text) = script.client.twin("secret-device").await.unwrap_err() else {
        panic!("reached");
    };
    assert!(!text.contains("secret-device") && text.contains("connect"), "{text}");
}

#[test]
fn retries_take_longer_each_time() {
    for (attempt, low, high) in [(0, 375, 625), (1, 750, 1250), (3, 3000, 5000)] {
        let wait = backoff(attempt).as_millis();
        assert!((low..=high).contains(&wait), "{attempt}: {wait}");
    }
}
