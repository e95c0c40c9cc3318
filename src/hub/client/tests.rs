//! The client against a server that answers by script, byte by byte. The clock stands still, and jumps where everybody waits for it.

use std::sync::Mutex;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::hub::{registry::HubRegistry, sku::Rates, transport::patient_client};

const TWIN: &str =
    r#"{"deviceId":"d","etag":"AAAAAAAAAAE=","properties":{"desired":{"a":1},"reported":{"b":2}}}"#;

/// A hub that gives these answers, one a connection, and keeps what it was asked.
struct Script {
    client: HubClient,
    registry: HubRegistry,
    connection: HubConnection,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    async fn new(answers: Vec<String>) -> Self {
        Self::meanwhile(answers, || ()).await
    }

    /// Does `then` between having been asked and answering.
    async fn meanwhile(answers: Vec<String>, then: impl Fn() + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                log.lock().unwrap().push(request);
                then();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let text = format!("HostName={host};SharedAccessKeyName=service;SharedAccessKey=QUFBQUFBQUE=");
        let connection = HubConnection::parse(&text).unwrap();
        // Neither its timeouts nor its care for idle connections may move the clock.
        let http = patient_client().pool_max_idle_per_host(0).build().unwrap();
        let clock = Clock::new(|| "2026-11-24T12:00:00Z".parse().unwrap());
        let registry = HubRegistry::new(http.clone(), clock.clone());
        let (limiter, membership) = registry.members.join("u", &connection, rates(1000.0));
        let client = HubClient {
            inner: Arc::new(Inner {
                http,
                clock,
                base: format!("http://{host}"),
                tokens: TokenSource::new(connection.clone()),
                limiter,
                membership,
                never: CancellationToken::new(),
            }),
        };
        Self { client, registry, connection, asked }
    }

    /// The rates that hold after another rollout with the same credential asked for these.
    fn rates_beside(&self, asked: f64) -> Rates {
        let (limiter, membership) = self.registry.members.join("v", &self.connection, rates(asked));
        membership.accepted();
        limiter.rates()
    }

    async fn patch(&self, cancel: &CancellationToken) -> Result<(), HubError> {
        self.client.patch_twin("d", &json!({"x": 1}), "AAA=", Urgency::Urgent, cancel).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn rates(all: f64) -> Rates {
    Rates { twin_writes: all, twin_reads: all, queries: all }
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

#[tokio::test(start_paused = true)]
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

#[tokio::test(start_paused = true)]
async fn a_long_wait_is_handed_to_the_caller() {
    let script = Script::new(vec![answer(429, "retry-after: 86400\r\n", "")]).await;
    let error = script.client.twin("d").await.unwrap_err();
    assert_eq!(error, HubError::Throttled { after: Some(Duration::from_mins(5)) });
}

#[tokio::test(start_paused = true)]
async fn a_broken_answer_is_a_broken_connection() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\ncontent-type: application/json\r\n\r\n{\"etag\""
        .to_owned();
    let script = Script::new(vec![broken, json_answer(TWIN)]).await;
    assert!(script.client.twin("d").await.unwrap().is_some());
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_five_times() {
    let script = Script::new(vec![answer(503, "", "busy"); 6]).await;
    let begun = Instant::now();
    assert_eq!(script.client.twin("d").await, Err(HubError::Server { status: 503 }));
    assert_eq!(script.asked().len(), 5);
    // Half a second, one, two and four, a quarter more or less.
    let took = begun.elapsed().as_millis();
    assert!((5600..=9400).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn waits_are_told_by_the_clock() {
    let date = answer(429, "retry-after: Tue, 24 Nov 2026 12:00:25 GMT\r\n", "");
    let script = Script::new(vec![date, json_answer(TWIN)]).await;
    let begun = Instant::now();
    assert!(script.client.twin("d").await.unwrap().is_some());
    assert_eq!(begun.elapsed().as_secs(), 25);
    assert!(script.asked()[0].contains("&se=1795525200&"), "{}", script.asked()[0]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_patch_that_waits_for_its_turn_is_not_sent() {
    let script = Script::new(vec![json_answer(TWIN)]).await;
    script.client.inner.limiter.pause(Class::Write, Duration::from_mins(5));
    let (begun, cancel) = (Instant::now(), CancellationToken::new());
    let later = async {
        sleep(Duration::from_secs(7)).await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(script.patch(&cancel), later);
    assert_eq!((result, begun.elapsed().as_secs()), (Err(HubError::Cancelled), 7));
    sleep(Duration::from_mins(10)).await;
    assert_eq!(script.patch(&cancel).await, Err(HubError::Cancelled), "not even when its turn has come");
    assert!(script.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_patch_is_not_sent_again() {
    let script = Script::new(vec![answer(429, "retry-after: 20\r\n", ""), json_answer(TWIN)]).await;
    let (begun, cancel) = (Instant::now(), CancellationToken::new());
    let later = async {
        while script.client.throttled() == 0 {
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_secs(9)).await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(script.patch(&cancel), later);
    assert_eq!((result, begun.elapsed().as_secs()), (Err(HubError::Cancelled), 9));
    sleep(Duration::from_mins(10)).await;
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_under_way_is_finished() {
    for (reply, want) in [
        (json_answer(TWIN), Ok(())),
        (answer(412, "", ""), Err(HubError::PreconditionFailed)),
        (answer(503, "", ""), Err(HubError::Cancelled)),
    ] {
        let cancel = CancellationToken::new();
        let asked = cancel.clone();
        let script = Script::meanwhile(vec![reply; 2], move || asked.cancel()).await;
        assert_eq!(script.patch(&cancel).await, want);
        assert_eq!(script.asked().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn rates_count_once_the_hub_has_accepted_the_credential() {
    let no_device = answer(404, "iothub-errorcode: DeviceNotFound\r\n", "{}");
    for (reply, accepted) in [
        (json_answer(TWIN), true),
        (no_device, true),
        (answer(403, "", ""), true),
        (answer(401, "", "who"), false),
        (answer(302, "", ""), false),
        (answer(404, "", "<html>"), false),
    ] {
        let script = Script::new(vec![reply.clone()]).await;
        drop(script.client.twin("d").await);
        assert_eq!(script.rates_beside(5000.0) == rates(1000.0), accepted, "{reply}");
    }
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

#[tokio::test(start_paused = true)]
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
        assert_eq!(script.patch(&CancellationToken::new()).await, Err(want));
        let asked = script.asked().concat();
        assert!(asked.starts_with("PATCH /twins/d?"), "{asked}");
        assert!(asked.contains("if-match: \"AAA=\"\r\n") && asked.ends_with("\r\n\r\n{\"x\":1}"), "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_device_is_no_error_when_read() {
    let script = Script::new(vec![answer(404, "iothub-errorcode: DeviceNotFound\r\n", "")]).await;
    assert_eq!(script.client.twin("d").await, Ok(None));
    for device in ["", ".", ".."] {
        assert!(matches!(script.client.twin(device).await, Err(HubError::BadRequest { .. })), "{device}");
    }
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_query_follows_the_token_and_not_the_rows() {
    let page = |rows: &str, token: &str| {
        answer(200, &format!("content-type: application/json\r\nx-ms-continuation: {token}\r\n"), rows)
    };
    let script = Script::new(vec![page("[1]", "t1"), page("[]", "t2"), page("[2]", "")]).await;
    assert_eq!(script.client.query_all("SELECT 1", Urgency::Normal).await, Ok(vec![json!(1), json!(2)]));
    let asked = script.asked();
    assert!(!asked[0].contains("x-ms-continuation"));
    assert!(
        asked[2].contains("x-ms-continuation: t2\r\n") && asked[2].contains("x-ms-max-item-count: 100\r\n")
    );
    assert!(asked.iter().all(|asked| asked.ends_with("{\"query\":\"SELECT 1\"}")));
}

#[tokio::test(start_paused = true)]
async fn a_query_without_end_is_refused() {
    let endless = answer(200, "content-type: application/json\r\nx-ms-continuation: t\r\n", "[1]");
    let script = Script::new(vec![endless; 21]).await;
    assert!(matches!(
        script.client.query_all("SELECT 1", Urgency::Normal).await,
        Err(HubError::Malformed(_))
    ));
    assert_eq!(script.asked().len(), 20);
}

#[tokio::test(start_paused = true)]
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
