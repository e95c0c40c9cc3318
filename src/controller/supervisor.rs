//! Keeps the tasks that run in step with those that are wanted: starts what is missing, cancels what is not wanted, keeps what has the
//! same key. What a task leaves is noted here, and nowhere else.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::{mpsc::UnboundedSender, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    api::{BlobRollout, conditions::Reason},
    clock::Clock,
    fleet::attempts::Attempts,
    redact::redact,
    retry_class::RetryClass,
    rollout::{
        fault::Fault,
        found::Found,
        schedule::may_go_on,
        task::{Kind, Task},
    },
    tasks::{Assignment, Outcome, Reached},
};

/// Does a task.
pub type Runner = Box<dyn Fn(Task, Assignment) -> BoxFuture<'static, Result<Outcome, Fault>> + Send + Sync>;

/// The tasks of all rollouts, and what they have found.
pub struct Supervisor {
    rollouts: Mutex<HashMap<String, Entry>>,
    tracker: TaskTracker,
    run: Runner,
    clock: Clock,
    wake: UnboundedSender<ObjectRef<BlobRollout>>,
}

#[derive(Default)]
struct Entry {
    found: Found,
    running: HashMap<Kind, Running>,
    attempts: Arc<Mutex<Attempts>>,
}

struct Running {
    task: Task,
    cancel: CancellationToken,
    reached: watch::Receiver<Reached>,
}

impl Supervisor {
    /// Nothing runs yet. `run` does a task, and `wake` asks for a reconcile of the rollout whose task has ended.
    pub fn new(run: Runner, clock: Clock, wake: UnboundedSender<ObjectRef<BlobRollout>>) -> Arc<Self> {
        Arc::new(Self { rollouts: Mutex::default(), tracker: TaskTracker::new(), run, clock, wake })
    }

    /// What the tasks of the rollout `uid` have found, and how far those are that run.
    pub fn found(&self, uid: &str) -> Found {
        let all = self.locked();
        let Some(entry) = all.get(uid) else { return Found::default() };
        let mut found = entry.found.clone();
        for running in entry.running.values() {
            found.running(&running.task, &running.reached.borrow());
        }
        found
    }

    /// Brings what runs for a rollout in step with what is `wanted`.
    pub fn supervise(self: &Arc<Self>, uid: &str, rollout: &ObjectRef<BlobRollout>, wanted: &[Task]) {
        let mut all = self.locked();
        let entry = all.entry(uid.to_owned()).or_default();
        entry.running.retain(|_, running| {
            let keep = wanted.iter().any(|task| task.same_key(&running.task));
            if !keep {
                running.cancel.cancel();
            }
            keep
        });
        for task in wanted {
            if !entry.running.contains_key(&task.kind()) {
                let running = self.start(uid, rollout, task.clone(), Arc::clone(&entry.attempts));
                entry.running.insert(running.task.kind(), running);
            }
        }
    }

    fn start(
        self: &Arc<Self>,
        uid: &str,
        rollout: &ObjectRef<BlobRollout>,
        task: Task,
        attempts: Arc<Mutex<Attempts>>,
    ) -> Running {
        let cancel = CancellationToken::new();
        let (sender, reached) = watch::channel(Reached::Nothing);
        let assignment = Assignment {
            rollout: rollout.clone(),
            uid: uid.to_owned(),
            cancel: cancel.clone(),
            reached: sender,
            attempts,
        };
        let (supervisor, key, began) = (Arc::clone(self), task.clone(), self.clock.now());
        let running = key.clone();
        let (uid, rollout, token) = (uid.to_owned(), rollout.clone(), cancel.clone());
        let progress = reached.clone();
        self.tracker.spawn(async move {
            // Called in here, so that a panic of it is caught as well.
            let work = async { (supervisor.run)(task, assignment).await };
            let outcome =
                AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)));
            let reached = progress.borrow().clone();
            if supervisor.end(&uid, &key, &token, began, outcome, reached) {
                // The receiver lives as long as the process; where it is gone, nobody is left to be woken.
                let _gone = supervisor.wake.send(rollout);
            }
        });
        Running { task: running, cancel, reached }
    }

    /// Whether the task has ended by itself: of one that was cancelled nothing is noted.
    fn end(
        &self,
        uid: &str,
        task: &Task,
        token: &CancellationToken,
        began: Timestamp,
        outcome: Result<Outcome, Fault>,
        reached: Reached,
    ) -> bool {
        let ended = self.clock.now();
        let mut all = self.locked();
        let Some(entry) = all.get_mut(uid).filter(|_| !token.is_cancelled()) else { return false };
        entry.running.remove(&task.kind());
        log(uid, task, &outcome);
        entry.found.note(task, began, ended, outcome, reached);
        true
    }

    /// Cancels every task that the changed object does not want, whatever else is going on. The next reconcile starts what is missing.
    pub fn stop_unwanted(&self, uid: &str, object: &BlobRollout) {
        if let Some(entry) = self.locked().get_mut(uid) {
            entry.running.retain(|_, running| {
                let keep = match &running.task {
                    Task::Sweep(key, _) => may_go_on(key, object),
                    Task::Inventory(_) | Task::Store(..) | Task::Count(..) => {
                        object.metadata.deletion_timestamp.is_none()
                    }
                };
                if !keep {
                    running.cancel.cancel();
                }
                keep
            });
        }
    }

    /// Of which rollouts anything is known, by uid.
    pub fn known(&self) -> Vec<String> {
        self.locked().keys().cloned().collect()
    }

    /// Forgets the rollout `uid` and cancels its tasks.
    pub fn forget(&self, uid: &str) {
        if let Some(entry) = self.locked().remove(uid) {
            entry.running.values().for_each(|running| running.cancel.cancel());
        }
    }

    /// Cancels every task, and waits until what they are writing is written.
    pub async fn shut_down(&self) {
        for (_, entry) in self.locked().drain() {
            entry.running.values().for_each(|running| running.cancel.cancel());
        }
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // A panic elsewhere leaves plain data behind, which the next reconcile replaces.
        self.rollouts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(uid: &str, task: &Task, outcome: &Result<Outcome, Fault>) {
    let kind = task.kind();
    match outcome {
        Ok(Outcome::Swept(tally)) if tally.round.left + tally.round.refused > 0 => tracing::warn!(
            uid,
            written = tally.written,
            remaining = tally.round.left,
            refused = tally.round.refused,
            contested = tally.round.contested,
            conflicted = tally.round.conflicted,
            "a sweep could not write all devices"
        ),
        Ok(Outcome::Swept(tally)) if tally.written > 0 => {
            tracing::info!(uid, written = tally.written, renewed = tally.renewed, "a sweep has ended");
        }
        Ok(_) => tracing::debug!(uid, ?kind, "a task has ended"),
        Err(fault) => tracing::warn!(
            uid,
            ?kind,
            reason = fault.reason.as_str(),
            error = fault.message,
            "a task has failed"
        ),
    }
}

/// A panic is a failure like others, and tried again.
fn panicked(panic: &(dyn std::any::Any + Send)) -> Fault {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("a task has panicked: {}", redact(text.unwrap_or("without a word"), 300));
    Fault { reason: Reason::Progressing, message, class: RetryClass::Transient }
}

#[cfg(test)]
mod tests;
