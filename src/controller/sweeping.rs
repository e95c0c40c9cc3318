//! Sweeps as tasks of their own: begun by a pass, watched by the next ones, which they wake when they end.

use std::sync::Arc;

use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    act::{failed_again, hub_fault, store_fault},
    context::Context,
    delivery::Sweep,
    fault::Fault,
    memory::Running,
    observed::{Observed, Storage, SweepKey, Swept},
};
use crate::{
    api::{BlobRollout, conditions::Reason},
    fleet::{
        Owners, Tally,
        judge::Scope,
        sweep::{SweepJob, sweep},
    },
    hub::client::HubClient,
    storage::{BlobStore, grid::Window},
};

/// Begins `plan` in place of the sweep that runs.
pub fn begin(
    plan: Sweep,
    seen: &Observed,
    blobs: BlobStore,
    hub: HubClient,
    object: &BlobRollout,
    ctx: &Arc<Context>,
) {
    let Ok(storage) = seen.storage.clone() else { return };
    let cancel = CancellationToken::new();
    let (progress, tally) = watch::channel(Tally::default());
    let running = Running { key: plan.key.clone(), cancel: cancel.clone(), tally };
    ctx.memory.with(&seen.uid, |rollout| {
        if let Some(replaced) = rollout.running.replace(running) {
            replaced.cancel.cancel();
        }
    });
    let (tasks, ctx) = (ctx.tasks.clone(), Arc::clone(ctx));
    let (uid, owners, reference) = (seen.uid.clone(), seen.owners.clone(), ObjectRef::from_obj(object));
    tasks.spawn(async move {
        let began = Context::now();
        let key = plan.key.clone();
        let run = Run { plan, storage, owners, blobs, hub, cancel: cancel.clone(), progress };
        let outcome = run.all().await;
        if end(&ctx, &uid, key, &cancel, began, outcome) {
            // The receiver lives as long as the process; where it is gone, nobody is left to be woken.
            let _gone = ctx.wake.send(reference);
        }
    });
}

/// Whether it has ended by itself: of one that was replaced or whose rollout is gone, nothing is remembered.
fn end(
    ctx: &Context,
    uid: &str,
    key: SweepKey,
    cancel: &CancellationToken,
    began: k8s_openapi::jiff::Timestamp,
    outcome: Result<Tally, Fault>,
) -> bool {
    let ended = Context::now();
    if let Ok(tally) = &outcome {
        ctx.metrics.swept(tally);
    }
    if cancel.is_cancelled() {
        return false;
    }
    ctx.memory.with(uid, |rollout| {
        // Looked at again where nobody can replace it meanwhile.
        if cancel.is_cancelled() {
            return false;
        }
        let before = rollout.swept.as_ref().filter(|before| before.key == key);
        let failed = before.and_then(|before| before.outcome.as_ref().err());
        let outcome = outcome.map_err(|fault| failed_again(failed, fault, ended));
        rollout.swept = Some(Swept { key, began, ended, outcome });
        rollout.running = None;
        true
    })
}

/// One sweep: its revisions one after the other.
struct Run {
    plan: Sweep,
    storage: Storage,
    owners: Owners,
    blobs: BlobStore,
    hub: HubClient,
    cancel: CancellationToken,
    progress: watch::Sender<Tally>,
}

impl Run {
    async fn all(self) -> Result<Tally, Fault> {
        let mut total = Tally::default();
        let scope = if self.plan.key.holders_only { Scope::Holders } else { Scope::All };
        for revised in &self.plan.goals {
            // Once for most; again where the links to give out become others meanwhile, which must be tried as well.
            loop {
                let window = self.plan.grid.window(Context::now());
                self.prove(&revised.name, window).await?;
                let job = SweepJob {
                    target: self.plan.target.clone(),
                    property: self.plan.property.clone(),
                    goal: revised.goal.clone(),
                    name: revised.name.clone(),
                    signer: self.storage.signer.clone(),
                    grid: self.plan.grid.clone(),
                    window,
                    owners: self.owners.clone(),
                    scope,
                };
                let done = sweep(&job, &self.hub, Context::now, &self.cancel, &self.progress).await;
                total = total.and(done.map_err(|error| hub_fault(&error))?);
                if self.cancel.is_cancelled() || !job.is_outdated(Context::now()) {
                    break;
                }
            }
        }
        Ok(total)
    }

    /// Reads one byte through the link that twins are about to get: one that does not work reaches nobody.
    async fn prove(&self, name: &str, window: Window) -> Result<(), Fault> {
        let Some(link) = self.storage.signer.sign(name, window) else { return Ok(()) };
        self.blobs.probe(link.expose()).await.map_err(|error| {
            let fault = store_fault(&error);
            let message = format!(
                "no twin gets a link yet, because one byte could not be read through it: {}",
                fault.message
            );
            Fault {
                message,
                reason: if fault.needs_user() { Reason::StorageRefused } else { fault.reason },
                ..fault
            }
        })
    }
}
