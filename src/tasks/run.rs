//! Does a task, whichever it is.

use std::sync::Arc;

use super::{
    context::{Assignment, Tools},
    count, inventory, store, sweep,
};
use crate::rollout::{fault::Fault, found::Outcome, task::Task};

/// Does `task`.
pub async fn run(task: Task, assignment: Assignment, tools: Arc<Tools>) -> Result<Outcome, Fault> {
    match task {
        Task::Inventory(key) => inventory::inventory(&key, &tools).await.map(Outcome::Listed),
        Task::Store(key, upkeep) => {
            store::store(&key, &upkeep, &assignment, &tools).await.map(|()| Outcome::Stored)
        }
        Task::Count(key, input) => count::count(&key, input, &assignment, &tools).await.map(Outcome::Counted),
        Task::Sweep(key, input) => sweep::sweep(key, *input, &assignment, &tools).await.map(Outcome::Swept),
    }
}
