//! The calls to a hub: query, read a twin, patch a twin.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Method, RequestBuilder,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, IF_MATCH, RETRY_AFTER},
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    connection::HubConnection,
    error::{HubError, Refusal},
    limiter::{Class, Limiter, Urgency},
    members::Membership,
    token::TokenSource,
    transport::{encode, read_body, unreachable},
};
use crate::clock::Clock;

/// The newest stable version of the service API (IoT Hub REST reference).
const API_VERSION: &str = "2021-04-12";
/// The most rows a hub puts on a page (IoT Hub docs, "IoT Hub query language").
const PAGE: &str = "100";
const CONTINUATION: &str = "x-ms-continuation";
/// More than any query that groups or counts gives; what is longer is read page by page.
const MOST_PAGES: usize = 20;
const RETRIES: u32 = 4;
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// A wait beyond this is the caller's to plan with.
const LONGEST_WAIT_WITHIN_A_CALL: Duration = Duration::from_secs(30);
/// No further try is begun after this long without an answer: a hub that is silent takes a minute to be found out, and whoever
/// waits for it wants to be told.
const PATIENCE: Duration = Duration::from_secs(20);

/// Talks to one hub. Clones share everything.
#[derive(Clone)]
pub struct HubClient {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    clock: Clock,
    base: String,
    tokens: TokenSource,
    limiter: Arc<Limiter>,
    membership: Membership,
    /// For calls that nobody cancels.
    never: CancellationToken,
}

/// A page of a query's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The rows; possibly none, even where more pages follow.
    pub rows: Vec<Value>,
    /// What to ask for the next page with; `None` on the last.
    pub continuation: Option<String>,
}

/// A device twin.
#[derive(Clone, Debug, PartialEq)]
pub struct Twin {
    /// Changes with every write from the service side, and not with what the device reports.
    pub etag: String,
    /// The desired properties with `$metadata` and `$version`.
    pub desired: Value,
    /// The reported properties with `$metadata` and `$version`.
    pub reported: Value,
}

struct Answer {
    headers: HeaderMap,
    body: Value,
}

impl HubClient {
    /// A client that keeps within what `limiter` allows, and tells `membership` when the hub accepts its credential.
    pub(super) fn new(
        http: reqwest::Client,
        clock: Clock,
        connection: &HubConnection,
        limiter: Arc<Limiter>,
        membership: Membership,
    ) -> Self {
        let base = format!("https://{}", connection.host_name());
        let tokens = TokenSource::new(connection.clone());
        let never = CancellationToken::new();
        Self { inner: Arc::new(Inner { http, clock, base, tokens, limiter, membership, never }) }
    }

    /// One page of a query's rows. The same query has to go with the continuation that it gave.
    pub async fn query(
        &self,
        sql: &str,
        continuation: Option<&str>,
        urgency: Urgency,
    ) -> Result<Page, HubError> {
        let body = json!({ "query": sql });
        let answer = self
            .call(Class::Query, urgency, &self.inner.never, || {
                let request =
                    self.request(Method::POST, "/devices/query").header("x-ms-max-item-count", PAGE);
                match continuation {
                    Some(token) => request.header(CONTINUATION, token).json(&body),
                    None => request.json(&body),
                }
            })
            .await?;
        let Value::Array(rows) = answer.body else {
            return Err(HubError::Malformed("a query's answer is not a list".into()));
        };
        let continuation = text_header(&answer.headers, CONTINUATION).filter(|token| !token.is_empty());
        Ok(Page { rows, continuation: continuation.map(str::to_owned) })
    }

    /// All rows of a query that is known to give few: at most 20 pages.
    pub async fn query_all(&self, sql: &str, urgency: Urgency) -> Result<Vec<Value>, HubError> {
        let mut rows = Vec::new();
        let mut continuation = None;
        for _ in 0..MOST_PAGES {
            let page = self.query(sql, continuation.as_deref(), urgency).await?;
            rows.extend(page.rows);
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok(rows);
            }
        }
        Err(HubError::Malformed(format!("the query goes on after {MOST_PAGES} pages")))
    }

    /// The device's twin; `None` where there is no such device.
    pub async fn twin(&self, device: &str) -> Result<Option<Twin>, HubError> {
        let resource = twin_path(device)?;
        let build = || self.request(Method::GET, &resource);
        let answer = self.call(Class::Read, Urgency::Normal, &self.inner.never, build).await;
        match answer {
            Ok(answer) => twin_of(answer.body).map(Some),
            Err(HubError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Merges `patch` into the twin if it still has this etag; `*` stands for any.
    ///
    /// A patch whose answer got lost is sent again and then refused with [`HubError::PreconditionFailed`]: read the twin before
    /// concluding that somebody else changed it.
    ///
    /// Once `cancel` is cancelled nothing more is sent and the waiting ends, with [`HubError::Cancelled`]; a request that is under
    /// way is finished, for nobody could tell what came of it.
    pub async fn patch_twin(
        &self,
        device: &str,
        patch: &Value,
        etag: &str,
        urgency: Urgency,
        cancel: &CancellationToken,
    ) -> Result<(), HubError> {
        let resource = twin_path(device)?;
        // A hub ignores an etag without quotes, and the write would go through whatever the twin holds.
        let quoted = format!("\"{etag}\"");
        let answer = self
            .call(Class::Write, urgency, cancel, || {
                self.request(Method::PATCH, &resource).header(IF_MATCH, &quoted).json(patch)
            })
            .await?;
        twin_of(answer.body).map(drop)
    }

    /// Tells apart the keys that clients were made with, without telling the key.
    pub fn key_fingerprint(&self) -> String {
        self.inner.tokens.connection().fingerprint()
    }

    /// How many calls to this hub may be under way at once, those of all its clients together.
    pub fn in_flight(&self) -> usize {
        self.inner.limiter.in_flight()
    }

    /// How often this hub throttled us, all its clients together.
    pub fn throttled(&self) -> u64 {
        self.inner.limiter.throttled()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}?api-version={API_VERSION}", self.inner.base);
        self.inner.http.request(method, url)
    }

    /// Sends what `build` makes until it succeeds, fails for good, was tried often enough or is cancelled.
    async fn call(
        &self,
        class: Class,
        urgency: Urgency,
        cancel: &CancellationToken,
        build: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, HubError> {
        let Inner { clock, tokens, limiter, membership, .. } = &*self.inner;
        let (mut attempt, mut spent) = (0, Duration::ZERO);
        loop {
            let result = {
                let permit = cancel.run_until_cancelled(limiter.permit(class, urgency)).await;
                let Some(_permit) = permit.filter(|_| !cancel.is_cancelled()) else {
                    return Err(HubError::Cancelled);
                };
                let token = tokens.token(clock.now());
                let begun = Instant::now();
                let result = send(build().header(AUTHORIZATION, token.expose()), clock).await;
                spent += begun.elapsed();
                result
            };
            if is_accepted(&result) {
                membership.accepted();
            }
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let wait = wait(&error, attempt);
            if let (HubError::Throttled { .. }, Some(wait)) = (&error, wait) {
                limiter.pause(class, wait);
            }
            let Some(wait) = wait.filter(|wait| is_worth_it(&error, *wait, attempt, spent)) else {
                return Err(error);
            };
            tracing::debug!(%error, ?class, attempt, ?wait, "a call to the hub is tried again");
            attempt += 1;
            if cancel.run_until_cancelled(sleep(wait)).await.is_none() {
                return Err(HubError::Cancelled);
            }
        }
    }
}

/// Whether the hub has looked at our credential and accepted it. What may come from a proxy in between, or from a hub in trouble
/// before it looked, does not say.
fn is_accepted(result: &Result<Answer, HubError>) -> bool {
    !matches!(
        result,
        Err(HubError::Unauthorized(_)
            | HubError::Unreachable(_)
            | HubError::Malformed(_)
            | HubError::Server { .. })
    )
}

/// How long to be quiet after an error that passes by itself.
fn wait(error: &HubError, attempt: u32) -> Option<Duration> {
    match error {
        HubError::Throttled { after } => Some(after.unwrap_or_else(|| backoff(attempt))),
        HubError::Server { .. } | HubError::Unreachable(_) => Some(backoff(attempt)),
        _ => None,
    }
}

/// Whether to try again within the call; `spent` is how long its tries have taken so far.
fn is_worth_it(error: &HubError, wait: Duration, attempt: u32, spent: Duration) -> bool {
    let silent = matches!(error, HubError::Unreachable(_)) && spent >= PATIENCE;
    attempt < RETRIES && wait <= LONGEST_WAIT_WITHIN_A_CALL && !silent
}

/// Half a second, doubled with every attempt, a quarter more or less so that callers do not come back all at once.
fn backoff(attempt: u32) -> Duration {
    let jitter = u16::try_from(RandomState::new().hash_one(attempt) % 512).unwrap_or(0);
    FIRST_RETRY * 2_u32.pow(attempt) * (768 + u32::from(jitter)) / 1024
}

async fn send(request: RequestBuilder, clock: &Clock) -> Result<Answer, HubError> {
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let headers = response.headers().clone();
    let body = read_body(response).await?;
    if status.as_u16() != 200 {
        let refusal = Refusal {
            status: status.as_u16(),
            code: text_header(&headers, "iothub-errorcode"),
            retry_after: text_header(&headers, RETRY_AFTER.as_str()),
            body: &body,
        };
        return Err(refusal.error(clock.now()));
    }
    let json =
        text_header(&headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("application/json"));
    if !json {
        return Err(HubError::Malformed("its content type is not JSON".into()));
    }
    let body = serde_json::from_slice(&body).map_err(|error| HubError::Malformed(error.to_string()))?;
    Ok(Answer { headers, body })
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The path of a device's twin. A dot segment would lead elsewhere, however it is encoded (WHATWG URL).
fn twin_path(device: &str) -> Result<String, HubError> {
    if matches!(device, "" | "." | "..") {
        return Err(HubError::BadRequest {
            message: format!("{device:?} cannot be a device's id in a path"),
        });
    }
    Ok(format!("/twins/{}", encode(device)))
}

fn twin_of(mut body: Value) -> Result<Twin, HubError> {
    let Some(etag) = body.get("etag").and_then(Value::as_str).map(str::to_owned) else {
        return Err(HubError::Malformed("a twin has no etag".into()));
    };
    let mut section = |name: &str| {
        let found = body.pointer_mut(&format!("/properties/{name}")).map(Value::take);
        found.unwrap_or_else(|| Value::Object(Map::new()))
    };
    Ok(Twin { etag, desired: section("desired"), reported: section("reported") })
}

#[cfg(test)]
mod tests;
