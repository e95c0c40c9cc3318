//! Sends a request again after a short disturbance.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use azure_core::{
    error::ErrorKind,
    http::{
        Context, Request, StatusCode,
        policies::{Policy, PolicyResult},
    },
};

/// No further try is begun after this long: longer disturbances are left to the reconciler, which backs off by itself.
const WINDOW: Duration = Duration::from_secs(5);

/// The waits before the second and the third try.
const WAITS: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// Up to three tries for lost connections and server errors. A service that asks for patience (429, 503) is not asked again: the
/// SDK's own retry would wait as long as `Retry-After` says, be it a day.
#[derive(Debug)]
pub(super) struct Retry;

#[async_trait]
impl Policy for Retry {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let start = Instant::now();
        for wait in WAITS {
            let result = next[0].send(ctx, request, &next[1..]).await;
            if !is_disturbance(&result) || start.elapsed() > WINDOW {
                return result;
            }
            tokio::time::sleep(wait).await;
            request.body_mut().reset().await?;
        }
        next[0].send(ctx, request, &next[1..]).await
    }
}

fn is_disturbance(result: &PolicyResult) -> bool {
    match result {
        Ok(response) => matches!(
            response.status(),
            StatusCode::RequestTimeout
                | StatusCode::InternalServerError
                | StatusCode::BadGateway
                | StatusCode::GatewayTimeout
        ),
        Err(error) => matches!(error.kind(), ErrorKind::Connection | ErrorKind::Io),
    }
}
