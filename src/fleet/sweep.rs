//! A sweep: finds the twins that need a link, judges each and writes it, at the hub's rate and in constant memory.
//!
//! Every write is conditional on the etag that was judged. So a query index that lags, a crash or a second operator can make a sweep read
//! once more, and never write twice or backwards.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::{
    goal::Goal,
    judge::{Rule, Scope, Verdict, judge},
    owners::Owners,
    query,
    tally::Tally,
    target::Target,
};
use crate::{
    follow::Follow,
    hub::{client::HubClient, error::HubError, limiter::Urgency},
    storage::{
        grid::{Grid, Window},
        sas::LinkSigner,
    },
    time::plus,
};

/// Twins in work at once; the hub's rate is the limiter's care.
const AT_ONCE: usize = 32;
/// How often a twin that keeps changing is judged again.
const TRIES: u32 = 4;
/// Pause before the hub is asked again, so that its index can see what was written.
const SETTLE: Duration = Duration::from_secs(1);
/// Devices in a row whose calls fail before the sweep gives up: then it is the hub and not the device.
const GIVE_UP: u64 = 20;

/// What a sweep is to do.
#[derive(Clone, Debug)]
pub struct SweepJob {
    /// The devices.
    pub target: Target,
    /// The desired property.
    pub property: String,
    /// What their twins are to say.
    pub goal: Goal,
    /// The goal's blob by name.
    pub name: String,
    /// Signs the links.
    pub signer: LinkSigner,
    /// Which links are good.
    pub grid: Grid,
    /// The validity of the links that it gives out, one of which was tried.
    pub window: Window,
    /// Whose links are left alone.
    pub owners: Owners,
    /// Whom it serves.
    pub scope: Scope,
}

impl SweepJob {
    fn rule(&self) -> Rule<'_> {
        Rule {
            goal: &self.goal,
            signer: &self.signer,
            grid: &self.grid,
            owners: &self.owners,
            scope: self.scope,
        }
    }

    /// Whether links minted now would be others than those that it gives out.
    pub fn is_outdated(&self, now: Timestamp) -> bool {
        self.window != self.grid.window(now)
    }
}

/// Sweeps until the hub, asked anew, names no twin that needs a link, or until its links are no longer those to give out. `clock` tells the time, `cancel` ends the sweep before the next
/// write, and `progress` shows what is done so far.
///
/// Fails as [`HubClient::query`] does, and when the hub fails for many devices in a row; what a single device's twin refuses is
/// tallied and the others go on.
pub async fn sweep(
    job: &SweepJob,
    hub: &HubClient,
    clock: fn() -> Timestamp,
    cancel: &CancellationToken,
    progress: &watch::Sender<Tally>,
) -> Result<Tally, HubError> {
    let mut written = 0;
    loop {
        let round = Round { job, hub, clock, cancel, progress, state: Mutex::default(), written };
        let tally = round.all().await?;
        written += tally.written;
        if tally.written == 0 || cancel.is_cancelled() || job.is_outdated(clock()) {
            return Ok(Tally { written, ..tally });
        }
        tokio::select! {
            () = tokio::time::sleep(SETTLE) => (),
            () = cancel.cancelled() => return Ok(Tally { written, ..tally }),
        }
    }
}

/// One reading of all that the hub names.
struct Round<'a> {
    job: &'a SweepJob,
    hub: &'a HubClient,
    clock: fn() -> Timestamp,
    cancel: &'a CancellationToken,
    progress: &'a watch::Sender<Tally>,
    state: Mutex<State>,
    /// What earlier rounds have written.
    written: u64,
}

#[derive(Default)]
struct State {
    tally: Tally,
    failures_in_a_row: u64,
    /// What ends the sweep.
    fatal: Option<HubError>,
}

impl Round<'_> {
    async fn all(self) -> Result<Tally, HubError> {
        for condition in self.job.target.conditions() {
            let good = self.job.grid.good_windows((self.clock)());
            let sql = query::work(condition, &self.job.property, &self.job.goal, &good, self.job.scope);
            let mut continuation = None;
            loop {
                let page = self.hub.query(&sql, continuation.as_deref(), Urgency::Normal).await?;
                futures::stream::iter(&page.rows).for_each_concurrent(AT_ONCE, |row| self.serve(row)).await;
                let mut state = self.state.lock().await;
                if let Some(error) = state.fatal.take() {
                    return Err(error);
                }
                self.progress.send_replace(Tally {
                    written: self.written + state.tally.written,
                    ..state.tally.clone()
                });
                continuation = page.continuation;
                if self.job.is_outdated((self.clock)()) {
                    return Ok(state.tally.clone());
                }
                if continuation.is_none() || self.cancel.is_cancelled() {
                    break;
                }
            }
        }
        Ok(self.state.into_inner().tally)
    }

    async fn serve(&self, row: &Value) {
        // Rows without an id or an etag are none that we asked for.
        let (Some(device), Some(etag)) = (row["deviceId"].as_str(), row["etag"].as_str()) else { return };
        if self.cancel.is_cancelled() || self.state.lock().await.fatal.is_some() {
            return;
        }
        let served = self.write(device, etag, row.get("link")).await;
        let mut state = self.state.lock().await;
        match served {
            Ok(outcome) => {
                state.failures_in_a_row = 0;
                match outcome {
                    Outcome::Written => state.tally.written += 1,
                    Outcome::Conflict => state.tally.conflicted += 1,
                    Outcome::Gone => state.tally.gone += 1,
                    Outcome::Left => state.tally.left += 1,
                    Outcome::Nothing => (),
                }
            }
            Err(HubError::BadRequest { message } | HubError::TooLarge(message)) => {
                state.tally.refuse(device, message);
            }
            Err(error) if error.follow() == Follow::UserMustAct => state.fatal = Some(error),
            Err(error) => {
                state.tally.left += 1;
                state.failures_in_a_row += 1;
                if state.failures_in_a_row >= GIVE_UP {
                    state.fatal = Some(error);
                }
            }
        }
    }

    /// Judges and writes one twin. The row may be old: where the twin has changed since, it is read and judged again.
    async fn write(&self, device: &str, etag: &str, desired: Option<&Value>) -> Result<Outcome, HubError> {
        let (mut etag, mut desired) = (etag.to_owned(), desired.cloned());
        for _ in 0..TRIES {
            let now = (self.clock)();
            let expiry = match judge(desired.as_ref(), &self.job.rule(), now) {
                Verdict::Current | Verdict::NotServed => return Ok(Outcome::Nothing),
                Verdict::Conflict => return Ok(Outcome::Conflict),
                Verdict::Needs { expiry } => expiry,
            };
            let link = self.job.signer.sign(&self.job.name, self.job.window);
            let Some(link) = link else { return Ok(Outcome::Left) };
            let patch = self.job.goal.patch(&self.job.property, &link, desired.as_ref());
            let urgency = self.urgency(expiry, now);
            match self.hub.patch_twin(device, &patch, &etag, urgency, self.cancel).await {
                Ok(()) => return Ok(Outcome::Written),
                Err(HubError::NotFound) => return Ok(Outcome::Gone),
                Err(HubError::PreconditionFailed) => (),
                Err(HubError::Cancelled) => return Ok(Outcome::Left),
                Err(error) => return Err(error),
            }
            let Some(twin) = self.hub.twin(device).await? else { return Ok(Outcome::Gone) };
            etag = twin.etag;
            desired = twin.desired.get(&self.job.property).cloned();
        }
        Ok(Outcome::Left)
    }

    /// A link that has less than half of its lead left goes before everything else.
    fn urgency(&self, expiry: Option<Timestamp>, now: Timestamp) -> Urgency {
        let soon = plus(now, self.job.grid.lead() / 2);
        if expiry.is_some_and(|expiry| expiry < soon) { Urgency::Urgent } else { Urgency::Normal }
    }
}

/// What came of one device.
enum Outcome {
    Written,
    Conflict,
    Gone,
    Left,
    Nothing,
}
