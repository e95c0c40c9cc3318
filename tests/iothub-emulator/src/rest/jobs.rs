//! Jobs: `/jobs/v2/{id}`, its `/cancel`, and the list `/jobs/v2/query`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::answer::Answer;
use super::query::{CONTINUATION, ITEM_TYPE, max_rows};
use super::request::Request;
use crate::error::HubError;
use crate::hub::Hub;

pub(super) fn get(hub: &Hub, id: &str) -> Result<Answer, HubError> {
    hub.jobs.get(id, hub.clock.now()).map(|job| Answer::json(&job))
}

pub(super) fn put(hub: &Hub, id: &str, request: &Request) -> Result<Answer, HubError> {
    let receipt = hub.jobs.schedule(hub, id, &request.json()?)?;
    // A job that starts now knows its devices when it is answered.
    hub.catch_up();
    Ok(Answer::json(&receipt))
}

pub(super) fn cancel(hub: &Hub, id: &str) -> Result<Answer, HubError> {
    hub.jobs.cancel(id, hub.clock.now()).map(|job| Answer::json(&job))
}

/// An array with its continuation in a header, which is what Node reads; Python's `query_scheduled_jobs` expects an
/// object and fails here as on a hub.
pub(super) fn list(hub: &Hub, request: &Request) -> Result<Answer, HubError> {
    let after = request.header(CONTINUATION.as_str()).map(|token| {
        let id = URL_SAFE_NO_PAD.decode(&*token).ok().and_then(|id| String::from_utf8(id).ok());
        id.ok_or_else(|| HubError::invalid("The continuation token is none"))
    });
    let after = after.transpose()?;
    let wanted = |name: &str| request.parameter(name).filter(|value| !value.is_empty());
    let (kind, status) = (wanted("jobType"), wanted("jobStatus"));
    let limit = max_rows(request)?.min(hub.queries.page_rows);
    let now = hub.clock.now();
    let (jobs, last) = hub.jobs.list(kind.as_deref(), status.as_deref(), after.as_deref(), limit, now);
    let mut headers = vec![(ITEM_TYPE, "JobResponse".to_owned())];
    headers.extend(last.map(|last| (CONTINUATION, URL_SAFE_NO_PAD.encode(last))));
    Ok(Answer { headers, ..Answer::json(&jobs) })
}
