//! Tasks are started, kept and cancelled as they are wanted; what they leave is noted, also of those that panic.

use std::time::Duration;

use kube::runtime::reflector::ObjectRef;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::{
    rollout::{task::InventoryKey, validate::StorageSettings},
    storage::StorageAccount,
};

fn key(container: &str) -> InventoryKey {
    let account = StorageAccount::parse("AccountName=account;AccountKey=YQ==", false).unwrap();
    let secret = serde_json::from_value(json!({"name": "s", "key": "k"})).unwrap();
    let storage = StorageSettings { container: container.into(), path: "ns/a".into(), secret };
    InventoryKey { account, storage, request: None }
}

struct Stage {
    supervisor: Arc<Supervisor>,
    woken: UnboundedReceiver<ObjectRef<BlobRollout>>,
    begun: Arc<Mutex<Vec<String>>>,
}

/// A supervisor whose tasks do what the container's name says.
fn stage() -> Stage {
    let (wake, woken) = unbounded_channel();
    let begun = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&begun);
    let run = move |task: Task, assignment: Assignment| {
        let log = Arc::clone(&log);
        async move {
            let Task::Inventory(key) = task else { panic!("no inventory") };
            log.lock().unwrap().push(key.storage.container.clone());
            match key.storage.container.as_str() {
                "panics" => panic!("at the disk; sig=secret"),
                "fails" => Err(Fault::user(Reason::StorageRefused, "no")),
                "lasts" => {
                    assignment.cancel.cancelled().await;
                    Ok(Outcome::Listed(Vec::new()))
                }
                _ => Ok(Outcome::Listed(Vec::new())),
            }
        }
        .boxed()
    };
    Stage { supervisor: Supervisor::new(Box::new(run), Clock::system(), wake), woken, begun }
}

impl Stage {
    fn want(&self, containers: &[&str]) {
        let reference = ObjectRef::new("a").within("ns");
        let tasks: Vec<Task> = containers.iter().map(|container| Task::Inventory(key(container))).collect();
        self.supervisor.supervise("uid", &reference, &tasks);
    }

    async fn woken(&mut self) {
        tokio::time::timeout(Duration::from_secs(10), self.woken.recv()).await.unwrap().unwrap();
    }

    fn running(&self) -> usize {
        self.supervisor.locked()["uid"].running.len()
    }

    fn begun(&self) -> Vec<String> {
        self.begun.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_panic_is_a_failure_and_is_tried_again() {
    let mut stage = stage();
    for attempts in 1..=3 {
        stage.want(&["panics"]);
        stage.woken().await;
        let found = stage.supervisor.found("uid");
        let failure = found.inventory.failure(&key("panics")).unwrap();
        assert_eq!(failure.attempts, attempts);
        assert!(failure.fault.message.contains("at the disk; sig=[redacted]"), "{}", failure.fault.message);
        assert_eq!(stage.running(), 0, "nothing is left behind as running");
    }
    stage.want(&["ends"]);
    stage.woken().await;
    assert!(stage.supervisor.found("uid").inventory.failed.is_none());
}

#[tokio::test]
async fn what_is_wanted_is_kept_and_what_is_not_is_cancelled() {
    let mut stage = stage();
    stage.want(&["lasts"]);
    stage.want(&["lasts"]);
    tokio::time::timeout(Duration::from_secs(10), async {
        while stage.begun().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(stage.running(), 1);
    // Another key of the same kind takes its place, and what the former has found is not noted.
    stage.want(&["ends"]);
    stage.woken().await;
    assert_eq!(stage.begun(), ["lasts", "ends"]);
    let found = stage.supervisor.found("uid");
    assert_eq!(found.inventory.done.unwrap().key, key("ends"));
    stage.want(&[]);
    assert_eq!(stage.running(), 0);
}

#[tokio::test]
async fn nothing_of_a_rollout_that_is_forgotten_comes_back() {
    let mut stage = stage();
    stage.want(&["lasts"]);
    stage.supervisor.forget("uid");
    assert!(stage.supervisor.known().is_empty());
    stage.want(&["fails"]);
    stage.woken().await;
    let found = stage.supervisor.found("uid");
    assert!(found.inventory.done.is_none() && found.inventory.failure(&key("fails")).is_some());
    stage.supervisor.shut_down().await;
}
