//! The admin API: plain HTTP and JSON on a port of its own, on loopback, for tests in any language.

mod counters;

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::error::HubError;
use crate::faults::Fault;
use crate::hub::Hub;
use crate::seed::{self, Existing, Seed};
use crate::simulation::SimulatedAcks;

/// Largest body: a seed's templates.
const MAX_BODY: usize = 1024 * 1024;

/// What `POST /clock` can do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Move {
    #[serde(default)]
    advance_ms: u64,
    skew_seconds: Option<i64>,
}

/// Serves one connection until its client closes it.
pub(crate) async fn serve(hub: Arc<Hub>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let hub = hub.clone();
        async move { Ok::<_, std::convert::Infallible>(answer(hub, request).await) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    let connection = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

async fn answer(hub: Arc<Hub>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let (status, body) = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => perform(hub, &parts.method, parts.uri.path(), body.to_bytes()).await,
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error.to_string()})),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn perform(hub: Arc<Hub>, method: &Method, path: &str, body: Bytes) -> (StatusCode, Value) {
    let done = match (method.as_str(), path) {
        ("GET", "/counters") => Ok(counters::document(&hub)),
        ("POST", "/faults") => read(&body).map(|fault: Fault| {
            hub.faults.add(fault);
            json!({})
        }),
        ("DELETE", "/faults") => {
            hub.faults.clear();
            Ok(json!({}))
        }
        ("POST", "/devices") => match read::<Seed>(&body) {
            Ok(wanted) => {
                in_thread(move || {
                    seed::seed(&hub, &wanted, Existing::Refused).map(|()| json!({"created": wanted.count}))
                })
                .await
            }
            Err(error) => Err(error),
        },
        ("POST", "/twins") => match read::<Value>(&body) {
            Ok(change) => {
                in_thread(move || hub.patch_all(&change).map(|count| json!({"patched": count}))).await
            }
            Err(error) => Err(error),
        },
        ("PUT", "/acks") => read(&body).and_then(|acks: SimulatedAcks| {
            if !acks.is_possible() {
                return Err("the shares are more than 100 together".to_owned());
            }
            hub.simulation.set(Some(acks));
            Ok(json!({}))
        }),
        ("DELETE", "/acks") => {
            hub.simulation.set(None);
            Ok(json!({}))
        }
        ("GET", "/clock") => Ok(json!({"now": hub.clock.now().to_string()})),
        ("POST", "/clock") => read(&body).map(|wanted: Move| {
            if let Some(seconds) = wanted.skew_seconds {
                hub.clock.skew(seconds);
            }
            hub.clock.advance(std::time::Duration::from_millis(wanted.advance_ms));
            json!({"now": hub.clock.now().to_string()})
        }),
        _ => return (StatusCode::NOT_FOUND, json!({"error": format!("there is no {method} {path}")})),
    };
    match done {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error})),
    }
}

/// A thread of its own: a million devices take seconds.
async fn in_thread(work: impl FnOnce() -> Result<Value, HubError> + Send + 'static) -> Result<Value, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| error.text),
        Err(error) => Err(error.to_string()),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
