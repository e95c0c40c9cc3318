//! The service API over HTTPS, api-version 2021-04-12.

mod answer;
mod body;
mod bulk;
mod configurations;
mod devices;
mod jobs;
mod precondition;
mod query;
mod request;
mod statistics;
mod twins;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
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
use crate::mqtt::{self, websocket};
use crate::physics::Operation;
use crate::route::{self, Route};
use answer::Answer;
use body::{AnswerBody, Cut};
use request::Request;

/// The version that the Node, Python and C# service SDKs send; older ones have other limits, which are not
/// served.
const API_VERSION: &str = "2021-04-12";

/// Serves one connection until its client closes it.
pub(crate) async fn serve(hub: Arc<Hub>, stream: TlsStream<TcpStream>) {
    let certificate = mqtt::shown_certificate(&stream);
    let upgrade = Mutex::new(None);
    let service = service_fn(|mut request| {
        let (hub, upgrade) = (hub.clone(), &upgrade);
        async move {
            let Some(headers) = websocket::handshake(&request) else {
                return answer_counted(&hub, request).await;
            };
            *upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(hyper::upgrade::on(&mut request));
            let mut response = Response::new(AnswerBody::from(Bytes::new()));
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().extend(headers);
            Ok(response)
        }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    // The timer ends connections that never send their headers.
    let connection =
        server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a service connection ended early");
    }
    let upgrade = upgrade.lock().unwrap_or_else(PoisonError::into_inner).take();
    // In this task, which ends with the hub.
    if let Some(upgrade) = upgrade
        && let Ok(stream) = upgrade.await
    {
        websocket::serve(hub, stream, certificate).await;
    }
}

async fn answer_counted(
    hub: &Arc<Hub>,
    request: http::Request<Incoming>,
) -> Result<Response<AnswerBody>, Cut> {
    let resolved = route::resolve(request.method().as_str(), request.uri().path());
    let route = resolved.as_ref().map_or(Route::Unknown, |(route, _)| *route);
    let result = answer_or_fault(hub, route, resolved, request).await;
    let outcome =
        result.as_ref().map_or(Outcome::Reset, |response| Outcome::Status(response.status().as_u16()));
    hub.counters.count_request(route, outcome);
    result
}

async fn answer_or_fault(
    hub: &Arc<Hub>,
    route: Route,
    resolved: Result<(Route, String), HubError>,
    request: http::Request<Incoming>,
) -> Result<Response<AnswerBody>, Cut> {
    let path = request.uri().path().to_owned();
    let request = Request::read(request).await.ok_or(Cut)?;
    let effect = match hub.faults.meet(route) {
        None => Effect::None,
        Some(fault) => {
            hub.clock.sleep(fault.delay).await;
            fault.effect
        }
    };
    let answered = async {
        let (route, id) = resolved?;
        perform(hub, route, &id, &path, &request?).await
    };
    let respond = |answered: Result<Answer, HubError>| match answered {
        Ok(answer) => answer.into_response(),
        Err(error) => answer::failure(&error, hub.clock.now()),
    };
    match effect {
        Effect::ResetBefore => Err(Cut),
        Effect::Status { status, retry_after } => {
            Ok(answer::fault(status, retry_after.as_deref(), hub.clock.now()))
        }
        Effect::ResetAfter => {
            // Done as asked; only the answer is lost.
            let _ = answered.await;
            Err(Cut)
        }
        Effect::None => Ok(respond(answered.await)),
        Effect::Truncate => {
            let mut response = respond(answered.await);
            response.body_mut().truncate();
            Ok(response)
        }
        Effect::ContentType(text) => {
            let mut response = respond(answered.await);
            answer::set(&mut response, CONTENT_TYPE, &text);
            Ok(response)
        }
        Effect::Body(text) => {
            let mut response = respond(answered.await);
            *response.body_mut() = AnswerBody::from(Bytes::from(text));
            Ok(response)
        }
    }
}

async fn perform(
    hub: &Arc<Hub>,
    route: Route,
    id: &str,
    path: &str,
    request: &Request,
) -> Result<Answer, HubError> {
    if request.parameter("api-version").as_deref() != Some(API_VERSION) {
        let text = format!("The api-version must be {API_VERSION}");
        return Err(HubError::new(ErrorCode::InvalidProtocolVersion, text));
    }
    for permission in needed(route) {
        hub.authority.authorize_service(request.authorization(), &decoded(path), *permission, &hub.clock)?;
    }
    hub.catch_up();
    let metered = limited(hub, route, request).await?;
    let answer = match route {
        Route::ListDevices => devices::list(hub, request),
        Route::ListModules => devices::list_modules(hub, id),
        Route::GetDevice | Route::GetModule => devices::get(hub, id),
        Route::PutDevice | Route::PutModule => devices::put(hub, id, request),
        Route::DeleteDevice | Route::DeleteModule => devices::delete(hub, id, request),
        Route::BulkDevices => bulk::run(hub, request),
        Route::DeviceStatistics => Ok(statistics::devices(hub)),
        Route::ServiceStatistics => Ok(statistics::service(hub)),
        Route::GetTwin | Route::GetModuleTwin => twins::get(hub, id),
        Route::PatchTwin | Route::PatchModuleTwin => twins::write(hub, id, request, false),
        Route::PutTwin | Route::PutModuleTwin => twins::write(hub, id, request, true),
        Route::Query => query::run(hub, request).await,
        Route::ListJobs => jobs::list(hub, request),
        Route::GetJob => jobs::get(hub, id),
        Route::PutJob => jobs::put(hub, id, request),
        Route::CancelJob => jobs::cancel(hub, id),
        Route::ListConfigurations => configurations::list(hub, request),
        Route::GetConfiguration => configurations::get(hub, id),
        Route::PutConfiguration => configurations::put(hub, id, request),
        Route::DeleteConfiguration => configurations::delete(hub, id, request),
        Route::TestConfigurationQueries => configurations::test(hub, request),
        Route::ApplyConfigurationContent => configurations::apply(hub, id, request),
        Route::Unknown => Err(HubError::new(ErrorCode::NotFound, "This emulator serves no such path")),
    }?;
    match metered {
        Metered::Nothing => {}
        Metered::Request => hub.physics.charge(request.body_len(), &hub.clock),
        Metered::Answer if answer.free => {}
        Metered::Answer => hub.physics.charge(answer.body_len(), &hub.clock),
    }
    Ok(answer)
}

/// What counts against the messages of the day ("Azure IoT Hub billing information").
enum Metered {
    Nothing,
    Request,
    Answer,
}

/// Waits for its share of what the hub takes, or is refused.
async fn limited(hub: &Hub, route: Route, request: &Request) -> Result<Metered, HubError> {
    let (operation, metered) = match route {
        Route::ListDevices
        | Route::GetDevice
        | Route::PutDevice
        | Route::DeleteDevice
        | Route::ListModules
        | Route::GetModule
        | Route::PutModule
        | Route::DeleteModule
        | Route::DeviceStatistics
        | Route::ServiceStatistics => (Operation::Registry, Metered::Nothing),
        Route::ListJobs | Route::GetJob | Route::PutJob | Route::CancelJob => {
            (Operation::Jobs, Metered::Nothing)
        }
        Route::ListConfigurations
        | Route::GetConfiguration
        | Route::PutConfiguration
        | Route::DeleteConfiguration
        | Route::TestConfigurationQueries => (Operation::Configurations, Metered::Nothing),
        Route::ApplyConfigurationContent => (Operation::Configurations, Metered::Request),
        Route::GetTwin | Route::GetModuleTwin => (Operation::TwinReads, Metered::Answer),
        Route::PatchTwin | Route::PutTwin | Route::PatchModuleTwin | Route::PutModuleTwin => {
            (Operation::TwinUpdates, Metered::Request)
        }
        Route::Query => (Operation::Queries, Metered::Answer),
        Route::BulkDevices => {
            bulk::admit(hub, request).await?;
            return Ok(Metered::Nothing);
        }
        Route::Unknown => return Ok(Metered::Nothing),
    };
    if !matches!(metered, Metered::Nothing) {
        hub.physics.check_quota(&hub.clock)?;
    }
    hub.admit(operation, 1).await?;
    Ok(metered)
}

/// All that a policy must allow for a route. The documents do not say it for jobs and configurations: two SDKs ask for these rights
/// (`discovery.py`, `job_client.js`).
fn needed(route: Route) -> &'static [Permission] {
    match route {
        Route::ListDevices
        | Route::GetDevice
        | Route::ListModules
        | Route::GetModule
        | Route::DeviceStatistics => &[Permission::RegistryRead],
        Route::PutDevice
        | Route::DeleteDevice
        | Route::PutModule
        | Route::DeleteModule
        | Route::BulkDevices => &[Permission::RegistryWrite],
        Route::GetTwin
        | Route::PatchTwin
        | Route::PutTwin
        | Route::GetModuleTwin
        | Route::PatchModuleTwin
        | Route::PutModuleTwin
        | Route::ServiceStatistics
        | Route::Query
        | Route::Unknown => &[Permission::ServiceConnect],
        Route::GetJob
        | Route::PutJob
        | Route::CancelJob
        | Route::ListJobs
        | Route::ListConfigurations
        | Route::GetConfiguration
        | Route::PutConfiguration
        | Route::DeleteConfiguration
        | Route::TestConfigurationQueries
        | Route::ApplyConfigurationContent => &[Permission::RegistryWrite, Permission::ServiceConnect],
    }
}

fn decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}
