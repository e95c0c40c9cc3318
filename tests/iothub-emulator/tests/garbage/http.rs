//! Requests that are malformed, too large, or cut.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::Hub;
use crate::raw::{Answer, Stream, ask, ends_well, exchange, open, request, rest};

const TWIN: &str = "/twins/d1?api-version=2021-04-12";
const QUERY: &str = "/devices/query?api-version=2021-04-12";

async fn hub() -> Hub {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &json!(null)).unwrap();
    hub
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let hub = hub().await;
    let many = "x: y\r\n".repeat(200);
    let long = format!("x: {}\r\n", "y".repeat(1024 * 1024));
    let table: [(&[u8], u16); 14] = [
        (b"\x00\x01\x02\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /twins/\xff HTTP/1.1\r\nhost: h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost : h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: \x00\r\n\r\n", 400),
        (b"PATCH /twins/d1 HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (b"PATCH /twins/d1 HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"PATCH /twins/d1 HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}", 400),
        (b"PATCH /twins/d1 HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n{}", 400),
        (b"PATCH /twins/d1 HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n{}", 400),
        (&request(&hub, "GET", TWIN, &many, b""), 431),
        (&request(&hub, "GET", TWIN, &long, b""), 431),
        (&request(&hub, "GET", &format!("/twins/{}", "x".repeat(128 * 1024)), "", b""), 414),
    ];
    for (bytes, status) in table {
        let answer = ask(&hub, bytes).await;
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
        assert_eq!(answer.status, status, "{start:?}: {}", answer.head);
    }
    // Cut in the middle, chunks that are none, and no TLS: no answer, as there is nobody to hear it, or no telling what
    // of it is a request.
    let chunked = |chunks: &str| {
        let head = format!("PATCH {TWIN} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");
        [head.as_bytes(), chunks.as_bytes()].concat()
    };
    for chunks in ["zz\r\n{}\r\n0\r\n\r\n", "-2\r\n{}\r\n", "fffffffffffffffff\r\n{}\r\n", "2\r\n{}0\r\n\r\n"]
    {
        let said = exchange(&hub, hub.emulator.https_port(), &chunked(chunks)).await;
        assert_eq!(String::from_utf8_lossy(&said), "", "{chunks:?}");
    }
    for cut in
        [chunked("5\r\n{}"), b"PATCH /twins/d1 HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n{".to_vec()]
    {
        let mut stream = open(&hub, hub.emulator.https_port()).await;
        stream.write_all(&cut).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut stream).await, b"");
    }
    let mut plain = TcpStream::connect(("127.0.0.1", hub.emulator.https_port())).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP"));
    ends_well(hub).await;
}

#[tokio::test]
async fn methods_and_targets_that_there_are_not() {
    let hub = hub().await;
    let version = "?api-version=2021-04-12";
    let table = [
        ("HEAD", TWIN.to_owned(), 405, ""),
        ("OPTIONS", TWIN.to_owned(), 405, "MethodNotAllowed"),
        ("TRACE", TWIN.to_owned(), 405, "MethodNotAllowed"),
        ("get", TWIN.to_owned(), 405, "MethodNotAllowed"),
        ("ANYTHING", TWIN.to_owned(), 405, "MethodNotAllowed"),
        ("POST", TWIN.to_owned(), 405, "MethodNotAllowed"),
        ("DELETE", QUERY.to_owned(), 404, "DeviceNotFound"),
        ("PATCH", format!("/devices{version}"), 405, "MethodNotAllowed"),
        ("OPTIONS", "*".to_owned(), 404, "NotFound"),
        ("CONNECT", "localhost:443".to_owned(), 404, "NotFound"),
        ("GET", format!("/{version}"), 404, "NotFound"),
        ("GET", format!("//twins//d1{version}"), 404, "NotFound"),
        ("GET", format!("/Twins/d1{version}"), 404, "NotFound"),
        ("GET", format!("/twins/d1/{version}"), 200, ""),
        ("GET", format!("https://elsewhere/twins/d1{version}"), 200, ""),
        // Percent-encoding that is none, or of no text.
        ("GET", format!("/twins/%ff{version}"), 400, "ArgumentInvalid"),
        ("GET", format!("/twins/%{version}"), 404, "DeviceNotFound"),
        ("GET", format!("/twins/%zz{version}"), 404, "DeviceNotFound"),
        ("GET", format!("/twins/%00{version}"), 404, "DeviceNotFound"),
        ("PUT", format!("/devices/%00{version}"), 400, "ArgumentInvalid"),
        ("GET", format!("/twins/d1%2Fm{version}"), 400, "ArgumentInvalid"),
        ("GET", "/twins/d1".to_owned(), 400, "InvalidProtocolVersion"),
        ("GET", "/twins/d1?api-version".to_owned(), 400, "InvalidProtocolVersion"),
        ("GET", "/twins/d1?api-version=".to_owned(), 400, "InvalidProtocolVersion"),
        ("GET", "/twins/d1?api-version=%zz".to_owned(), 400, "InvalidProtocolVersion"),
        ("GET", "/twins/d1?api-version=%ff".to_owned(), 400, "InvalidProtocolVersion"),
        ("GET", "/twins/d1?api-version=2021-04-12%20".to_owned(), 400, "InvalidProtocolVersion"),
        ("GET", "/twins/d1?&&=&api-version=%32021-04-12&x".to_owned(), 200, ""),
        ("GET", format!("/devices{version}&top=%ff"), 400, "ArgumentInvalid"),
        ("GET", format!("/devices{version}&top=99999999999999999999"), 400, "ArgumentInvalid"),
    ];
    for (method, target, status, error) in table {
        let body: &[u8] = if method == "PUT" { b"{}" } else { b"" };
        let answer = ask(&hub, &request(&hub, method, &target, "", body)).await;
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
        if method == "HEAD" {
            // As for GET, but for the body.
            assert!(answer.head.contains("iothub-errorcode: methodnotallowed") && answer.body.is_empty());
        } else {
            assert_eq!(answer.error(), error, "{method} {target}");
        }
    }
    ends_well(hub).await;
}

#[tokio::test]
async fn headers_that_are_no_text() {
    let hub = hub().await;
    let table: [(&[u8], u16, &str); 6] = [
        (b"authorization: \xff", 401, "IotHubUnauthorizedAccess"),
        // Not to be taken for a question without a token, whose answer would be the first page for ever.
        (b"x-ms-continuation: \xff", 400, "ArgumentInvalid"),
        (b"x-ms-continuation: e30", 400, "ArgumentInvalid"),
        (b"x-ms-max-item-count: \xff", 400, "ArgumentInvalid"),
        (b"x-ms-max-item-count: 99999999999999999999", 400, "ArgumentInvalid"),
        (b"x-ms-max-item-count: 18446744073709551615", 200, ""),
    ];
    for (header, status, error) in table {
        let mut bytes = request(
            &hub,
            "POST",
            QUERY,
            "x-marker: authorization:\r\n",
            br#"{"query": "SELECT * FROM devices"}"#,
        );
        let place = bytes.windows(8).position(|window| window == b"x-marker").unwrap();
        let end = place + "x-marker: authorization:".len();
        let token = format!("\r\nauthorization: {}", hub.token);
        let own = header.starts_with(b"authorization");
        bytes.splice(place..end, [header, if own { b"" } else { token.as_bytes() }].concat());
        let answer = ask(&hub, &bytes).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (status, error),
            "{}",
            String::from_utf8_lossy(header)
        );
    }
    ends_well(hub).await;
}

#[tokio::test]
async fn bodies_that_are_no_json() {
    let hub = hub().await;
    let deep = [br#"{"tags": "#.as_slice(), &b"[".repeat(100_000)].concat();
    let nested = format!(r#"{{"tags": {}1{}}}"#, r#"{"a":"#.repeat(120), "}".repeat(120));
    let table: [(&[u8], &str, &str); 16] = [
        (b"", "ArgumentNull", "BadRequest"),
        (b" ", "ArgumentInvalid", "not valid JSON"),
        (b"{", "ArgumentInvalid", "not valid JSON"),
        (b"{}{}", "ArgumentInvalid", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "ArgumentInvalid", "not valid JSON"),
        (b"{\"tags\": {\"a\": \"\xff\"}}", "ArgumentInvalid", "not valid JSON"),
        (b"{\"tags\": {\"\xff\": 1}}", "ArgumentInvalid", "not valid JSON"),
        (br#"{"tags": {"a": "\ud800"}}"#, "ArgumentInvalid", "not valid JSON"),
        (br#"{"tags": {"a": 1e999}}"#, "ArgumentInvalid", "not valid JSON"),
        (br#"{"tags": {"a": NaN}}"#, "ArgumentInvalid", "not valid JSON"),
        (br#"{"tags": {"a": 4503599627370496}}"#, "ArgumentInvalid", "a"),
        (&deep, "ArgumentInvalid", "recursion limit exceeded"),
        (nested.as_bytes(), "ArgumentInvalid", ""),
        (b"null", "ArgumentInvalid", "not a JSON object"),
        (br#"{"tags": 1}"#, "ArgumentInvalid", "'tags' must be an object"),
        (b"\x00", "ArgumentInvalid", "not valid JSON"),
    ];
    for (body, error, text) in table {
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]);
        let answer = ask(&hub, &request(&hub, "PATCH", TWIN, "", body)).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{start}: {}", answer.body);
        assert!(answer.body.contains(text), "{start}: {}", answer.body);
    }
    // Of a key that is there twice the last one counts.
    let twice = br#"{"tags": {"a": 1}, "tags": {"b": 1, "b": 2}}"#;
    assert_eq!(ask(&hub, &request(&hub, "PATCH", TWIN, "", twice)).await.status, 200);
    assert_eq!(hub.emulator.twin("d1").unwrap()["tags"], json!({"b": 2}));

    let long = format!(r#"{{"query": "SELECT * FROM devices WHERE {}"}}"#, "x".repeat(900_000));
    let table = [
        ("[]", "ArgumentNull", "BadRequest"),
        (r#"{"query": 5}"#, "ArgumentNull", "BadRequest"),
        (r#"{"query": ""}"#, "ArgumentInvalid", "Line 1:1 Expected SELECT"),
        (r#"{"query": "\u0000"}"#, "ArgumentInvalid", "Line 1:1 Unexpected character '\\\\0'"),
        (long.as_str(), "ArgumentInvalid", "Line 1:8193 The query is longer than 8192 characters"),
    ];
    for (body, error, text) in table {
        let answer = ask(&hub, &request(&hub, "POST", QUERY, "", body.as_bytes())).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{}", answer.body);
        assert!(answer.body.contains(text), "{}", answer.body);
    }
    ends_well(hub).await;
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let hub = hub().await;
    let large = vec![b'x'; 3 * 1024 * 1024];
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let chunks = [chunk.repeat(48).as_slice(), b"0\r\n\r\n"].concat();
    let chunked = request(&hub, "PATCH", TWIN, "transfer-encoding: chunked\r\n", b"");
    let patient = request(&hub, "PATCH", TWIN, "expect: 100-continue\r\ncontent-length: 3000000\r\n", b"");
    for bytes in [request(&hub, "PATCH", TWIN, "", &large), [chunked, chunks].concat(), patient] {
        let answer = ask(&hub, &bytes).await;
        assert_eq!((answer.status, answer.error().as_str()), (413, "MessageTooLarge"), "{}", answer.head);
    }
    // Of the largest size there may be, it is looked at; it has no text of 4 KB at most.
    let limit = 1024 * 1024;
    for (size, status) in [(limit, 400), (limit + 1, 413)] {
        let frame = r#"{"tags": {"a": ""}}"#.len();
        let body = json!({"tags": {"a": "x".repeat(size - frame + 2)}}).to_string();
        assert_eq!(body.len(), size);
        assert_eq!(
            ask(&hub, &request(&hub, "PATCH", TWIN, "", body.as_bytes())).await.status,
            status,
            "{size}"
        );
    }
    ends_well(hub).await;
}

/// Reads one answer with a body from a connection that goes on.
async fn answer(stream: &mut Stream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        bytes.push(stream.read_u8().await.unwrap());
        let answer = Answer::read(&bytes);
        let length = answer.head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if bytes.ends_with(b"\r\n\r\n") && length.is_none() {
            return answer;
        }
        if length.is_some_and(|length| length.parse() == Ok(answer.body.len()) && !answer.body.is_empty()) {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_also_after_refusals() {
    let hub = hub().await;
    let kept = |method: &str, headers: &str, body: &str| {
        let bytes = request(&hub, method, TWIN, headers, body.as_bytes());
        String::from_utf8(bytes).unwrap().replace("connection: close\r\n", "")
    };
    let mut stream = open(&hub, hub.emulator.https_port()).await;
    // Four at once, answered in their order.
    let patch = r#"{"tags": {"n": 1}}"#;
    let four =
        [kept("GET", "", ""), kept("PATCH", "", "{"), kept("PATCH", "", patch), kept("GET", "", "")].concat();
    stream.write_all(four.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = answer(&mut stream).await;
        seen.push((answer.status, answer.body.contains(r#""tags":{"n":1}"#)));
    }
    assert_eq!(seen, [(200, false), (400, false), (200, true), (200, true)]);
    // A client that waits to be told to go on is told so.
    let whole = kept("PATCH", "expect: 100-continue\r\n", patch);
    let (head, body) = whole.split_at(whole.len() - patch.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.head.trim(), "http/1.1 100 continue");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.status, 200);
    drop(stream);
    ends_well(hub).await;
}
