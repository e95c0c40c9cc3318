//! A sweep: finds the twins that need a link, judges each and writes it, at the hub's rate and in constant memory.
//!
//! Rows stream: the next page is fetched while the last one is worked on, and a slow device holds its own slot and nobody else's. Every
//! write is conditional on the etag that was judged, and a token is looked at before each. So a query index that lags, a crash or a
//! second operator can make a sweep read once more, and never write twice or backwards.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    conflicts::Conflicts,
    context::{Assignment, Tools, hub_fault, storage_fault},
    probe::Probe,
};
use crate::{
    fleet::{Owned, Tally, attempts::Attempts, query, tally::Round},
    hub::{client::HubClient, error::HubError, limiter::Urgency},
    rollout::{
        assignment::Assignments,
        fault::Fault,
        found::Reached,
        links::Links,
        task::{SweepInput, SweepKey},
    },
    storage::{BlobStore, link::BlobUri},
};

/// Most rounds of one sweep. A fleet that still changes then is swept again later.
const MOST_ROUNDS: usize = 5;
/// Pause before the hub is asked again, so that its index can see what was written.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Sweeps until the hub, asked anew, names no twin that needs a link, or after some rounds.
///
/// Fails as [`HubClient::query`] does, where a new link does not work, and where the hub fails for many devices in a row; what a single
/// device's twin refuses is tallied and the others go on.
pub async fn sweep(
    key: SweepKey,
    input: SweepInput,
    assignment: &Assignment,
    tools: &Tools,
) -> Result<Tally, Fault> {
    let (http, clock) = (tools.storage_http.clone(), tools.clock.clone());
    let blobs = BlobStore::new(&key.policy.account, &key.policy.container, http, clock)
        .map_err(|error| storage_fault(&error))?;
    let hub = tools.hubs.client(&assignment.uid, &key.hub, input.rates.clone());
    let links = key.policy.links(input.lead);
    let path = path_of(&key.goal.blob);
    let sweep = Sweep {
        key: &key,
        input: &input,
        links,
        path,
        hub,
        probe: Probe::new(blobs),
        assignment,
        tools,
        tally: Mutex::default(),
        conflicts: Conflicts::default(),
        fresh: Semaphore::new(fresh_requests(input.rates.twin_writes)),
        fatal: Mutex::default(),
    };
    sweep.all().await
}

/// How many requests may be under way that are not slow, at so many writes a second.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are some thousands at most"
)]
fn fresh_requests(twin_writes: f64) -> usize {
    FRESH_REQUESTS.max(twin_writes * FRESH_SECONDS) as usize
}

/// The address below which the rollout's blobs are.
fn path_of(blob: &BlobUri) -> String {
    blob.as_str().rsplit_once('/').map_or_else(String::new, |(path, _)| path.to_owned())
}

/// Requests at once of which none is slow: each takes a connection, and a connection takes memory.
const FRESH_REQUESTS: f64 = 32.0;
/// The same as a part of what may be written in a second, where that is more.
const FRESH_SECONDS: f64 = 0.1;
/// After so long a request is slow, and the next one need not wait for it.
const SLOW_AFTER: Duration = Duration::from_secs(2);

/// A sweep under way.
pub(super) struct Sweep<'a> {
    pub key: &'a SweepKey,
    pub input: &'a SweepInput,
    pub links: Links,
    pub path: String,
    pub hub: HubClient,
    pub probe: Probe,
    pub assignment: &'a Assignment,
    pub tools: &'a Tools,
    pub conflicts: Conflicts,
    fresh: Semaphore,
    tally: Mutex<(Tally, u64)>,
    /// What ends the sweep.
    fatal: Mutex<Option<Fault>>,
}

/// Devices in a row whose calls fail before the sweep gives up: then it is the hub and not the device.
const FAILURES_OF_A_HUB: u64 = 20;

impl Sweep<'_> {
    async fn all(self) -> Result<Tally, Fault> {
        for number in 0..MOST_ROUNDS {
            self.locked().0.round = Round::default();
            let began = self.tools.clock.now();
            self.round().await?;
            if number == 0 {
                self.take_over().await?;
            }
            self.locked().0.round_began = Some(began);
            if self.is_over() || self.locked().0.round.written == 0 {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(SETTLE_TIME) => (),
                () = self.assignment.cancel.cancelled() => break,
            }
        }
        Ok(self.locked().0.clone())
    }

    /// One reading of all that the hub names.
    async fn round(&self) -> Result<(), Fault> {
        let at_once = self.hub.in_flight();
        for sql in self.queries() {
            let rows = self.rows(sql);
            // Nothing more is read once it is over; what is being written is finished.
            let rows = rows.try_take_while(|_| std::future::ready(Ok(!self.is_over())));
            let served = rows.for_each_concurrent(at_once, |row| async move {
                match row {
                    Ok(row) => self.serve_row(&row).await,
                    Err(error) => self.give_up(hub_fault(&error)),
                }
            });
            served.await;
            if let Some(fault) = self.fatal.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(fault);
            }
            if self.is_over() {
                break;
            }
        }
        Ok(())
    }

    fn queries(&self) -> Vec<String> {
        let (property, now) = (&self.key.property, self.tools.clock.now());
        let conditions = self.key.target.conditions(self.input.room);
        let good = |blob: &BlobUri| self.links.good_prefixes(blob, now);
        if !self.key.hold {
            let good = good(&self.key.goal.blob);
            let of = |condition: &String| query::not_current(condition, property, &self.key.goal, &good);
            return conditions.iter().map(of).collect();
        }
        let held: Vec<(BlobUri, Vec<String>)> =
            self.input.held.iter().map(|blob| (blob.clone(), good(blob))).collect();
        conditions.iter().flat_map(|condition| query::on_old_link(condition, property, &held)).collect()
    }

    /// The rows of a query, the next page asked for while the last one is worked on.
    fn rows(&self, sql: String) -> impl Stream<Item = Result<Value, HubError>> + '_ {
        let urgency = if self.input.urgent { Urgency::Urgent } else { Urgency::Normal };
        let pages = futures::stream::try_unfold((sql, Some(None)), move |(sql, next)| async move {
            let Some(continuation) = next else { return Ok(None) };
            let continuation: Option<String> = continuation;
            let page = tokio::select! {
                page = self.hub.query(&sql, continuation.as_deref(), urgency) => page?,
                () = self.assignment.cancel.cancelled() => return Ok(None),
            };
            let rows = futures::stream::iter(page.rows.into_iter().map(Ok));
            Ok::<_, HubError>(Some((rows, (sql, page.continuation.map(Some)))))
        });
        pages.try_flatten()
    }

    async fn serve_row(&self, row: &Value) {
        let (Some(device), Some(etag)) = (row["deviceId"].as_str(), row["etag"].as_str()) else {
            // Taken for no row, a device would be left without a link, and nobody told.
            let drift = HubError::Malformed("a row lacks its deviceId or its etag".into());
            return self.give_up(hub_fault(&drift));
        };
        if !self.is_over() {
            self.serve(device, Some((etag.to_owned(), row.get("link").cloned())), None).await;
        }
    }

    /// What devices are judged by.
    pub fn rule(&self) -> Assignments<'_> {
        Assignments {
            goal: &self.key.goal,
            revisions: &self.input.revisions,
            gone: &self.input.gone,
            hold: self.key.hold,
            links: &self.links,
            path: &self.path,
        }
    }

    /// Whose link a blob is, as far as it is to be left alone.
    pub fn owner(&self, blob: &BlobUri) -> Option<Owned> {
        self.tools.owners.of(blob, &self.assignment.uid, &self.key.property, self.key.hub.host_name())
    }

    /// Whether no further write is to begin.
    pub fn is_over(&self) -> bool {
        self.assignment.cancel.is_cancelled()
            || self.fatal.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Ends the sweep.
    pub fn give_up(&self, fault: Fault) {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }

    /// Makes a call when few enough are under way that are not slow. A slow one goes on, and holds up no other.
    pub async fn while_fresh<F: Future>(&self, call: impl FnOnce() -> F) -> F::Output {
        let fresh = self.fresh.acquire().await;
        // A call takes kilobytes, and those who wait for their turn are many.
        let mut call = Box::pin(call());
        tokio::select! {
            done = &mut call => return done,
            () = tokio::time::sleep(SLOW_AFTER) => drop(fresh),
        }
        call.await
    }

    /// Notes what came of a device, and tells how far the sweep is.
    pub fn note(&self, note: impl FnOnce(&mut Tally)) {
        let mut tally = self.locked();
        note(&mut tally.0);
        tally.1 = 0;
        // For every device: without what would have to be copied, which is told when the sweep has ended.
        let Tally { written, renewed, first_expiry, round_began, .. } = tally.0;
        let so_far = Tally { written, renewed, first_expiry, round_began, ..Tally::default() };
        self.assignment.reached.send_replace(Reached::Swept(so_far));
    }

    /// Notes a device whose call failed. Many in a row are the hub's failure, not the devices'.
    pub fn note_failure(&self, device: &str, error: &HubError) {
        let many = {
            let mut tally = self.locked();
            tally.0.round.left += 1;
            tally.0.round.sample(device, error.to_string());
            tally.1 += 1;
            tally.1 >= FAILURES_OF_A_HUB
        };
        if many {
            self.give_up(hub_fault(error));
        }
    }

    /// What became of the last attempts to write devices of the rollout.
    pub fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.assignment.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked(&self) -> MutexGuard<'_, (Tally, u64)> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
