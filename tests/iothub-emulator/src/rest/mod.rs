//! The service API over HTTPS, api-version 2021-04-12.

mod answer;
mod devices;
mod precondition;
mod query;
mod request;
mod twins;

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::auth::Permission;
use crate::counters::Outcome;
use crate::error::{ErrorCode, HubError};
use crate::faults::Effect;
use crate::hub::Hub;
use crate::route::{self, Route};
use answer::Answer;
use request::Request;

/// The version that the Node, Python and C# service SDKs send; older ones have other limits, which are not
/// served.
const API_VERSION: &str = "2021-04-12";

/// Why a request gets no answer: a fault says so, or the client went away.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut without an answer")]
struct Cut;

/// Serves one connection until its client closes it.
pub(crate) async fn serve(hub: Arc<Hub>, stream: TlsStream<TcpStream>) {
    let service = service_fn(move |request| {
        let hub = hub.clone();
        async move { answer_counted(&hub, request).await }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    // The timer ends connections that never send their headers.
    let connection = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a service connection ended early");
    }
}

async fn answer_counted(hub: &Hub, request: http::Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    let resolved = route::resolve(request.method().as_str(), request.uri().path());
    let route = resolved.as_ref().map_or(Route::Unknown, |(route, _)| *route);
    let result = answer_or_fault(hub, route, resolved, request).await;
    let outcome =
        result.as_ref().map_or(Outcome::Reset, |response| Outcome::Status(response.status().as_u16()));
    hub.counters.count_request(route, outcome);
    result
}

async fn answer_or_fault(
    hub: &Hub,
    route: Route,
    resolved: Result<(Route, String), HubError>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let path = request.uri().path().to_owned();
    let request = Request::read(request).await.ok_or(Cut)?;
    let effect = match hub.faults.meet(route) {
        None => Effect::None,
        Some(fault) => {
            tokio::time::sleep(fault.delay).await;
            fault.effect
        }
    };
    let now = hub.clock.now();
    let answered = || {
        let (route, id) = resolved?;
        perform(hub, route, &id, &path, &request?)
    };
    match effect {
        Effect::ResetBefore => Err(Cut),
        Effect::Status { status, retry_after } => Ok(answer::fault(status, retry_after.as_deref(), now)),
        Effect::ResetAfter => {
            // Done as asked; only the answer is lost.
            let _ = answered();
            Err(Cut)
        }
        Effect::None => Ok(match answered() {
            Ok(answer) => answer.into_response(),
            Err(error) => answer::failure(&error, now),
        }),
    }
}

fn perform(hub: &Hub, route: Route, id: &str, path: &str, request: &Request) -> Result<Answer, HubError> {
    if request.parameter("api-version").as_deref() != Some(API_VERSION) {
        let text = format!("The api-version must be {API_VERSION}");
        return Err(HubError::new(ErrorCode::InvalidProtocolVersion, text));
    }
    let needed = match route {
        Route::ListDevices | Route::GetDevice => Permission::RegistryRead,
        Route::PutDevice | Route::DeleteDevice => Permission::RegistryWrite,
        Route::GetTwin | Route::PatchTwin | Route::PutTwin | Route::Query | Route::Unknown => {
            Permission::ServiceConnect
        }
    };
    hub.authority.authorize_service(request.authorization(), &decoded(path), needed, &hub.clock)?;
    match route {
        Route::ListDevices => devices::list(hub, request),
        Route::GetDevice => devices::get(hub, id),
        Route::PutDevice => devices::put(hub, id, request),
        Route::DeleteDevice => devices::delete(hub, id, request),
        Route::GetTwin => twins::get(hub, id),
        Route::PatchTwin => twins::write(hub, id, request, false),
        Route::PutTwin => twins::write(hub, id, request, true),
        Route::Query => query::run(hub, request),
        Route::Unknown => Err(HubError::new(ErrorCode::NotFound, "This emulator serves no such path")),
    }
}

fn decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}
