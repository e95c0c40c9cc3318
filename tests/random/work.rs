//! Tasks under way, a call at a time: listing, storing and counting. The sweep has a file of its own.

use blobrollout::{
    api::conditions::Reason,
    retry_class::RetryClass,
    rollout::{
        Rollout,
        fault::Fault,
        found::{Outcome, Reached},
        revision::Upkeep,
        task::{StoreKey, Task},
    },
    storage::StoredBlob,
};

use crate::{
    count::Counting,
    storage::StorageError,
    sweep::{Sent, Sweeping},
    world::World,
};

/// How far a task is.
pub enum Work {
    /// A listing, and what it has seen.
    Inventory(Option<Vec<StoredBlob>>),
    /// Storing: nothing yet, looked again, written.
    Store(Storing),
    /// A count.
    Count(Counting),
    /// A sweep.
    Sweep(Box<Sweeping>),
}

/// How far storing is.
#[derive(Clone, Copy)]
pub enum Storing {
    /// Nothing was done yet.
    Begun,
    /// Object and source are what the goal was chosen by.
    Looked,
    /// The write has come to this.
    Written(bool),
}

impl Work {
    /// The beginning of a task.
    pub fn begin(task: &Task) -> Self {
        match task {
            Task::Inventory(_) => Self::Inventory(None),
            Task::Store(..) => Self::Store(Storing::Begun),
            Task::Count(..) => Self::Count(Counting::default()),
            Task::Sweep(key, input) => Self::Sweep(Box::new(Sweeping::begin(key, input))),
        }
    }

    /// Its patches that are on the wire.
    pub fn sent(self) -> Vec<Sent> {
        match self {
            Self::Sweep(sweep) => sweep.sent(),
            _ => Vec::new(),
        }
    }
}

/// A disturbance of storage.
pub fn storage_is_away() -> Fault {
    Fault::of(RetryClass::Transient, Reason::StorageUnavailable, Reason::StorageRefused, "storage is away")
}

/// A disturbance of the hub.
pub fn hub_is_away() -> Fault {
    Fault::of(RetryClass::Transient, Reason::HubUnavailable, Reason::HubRefused, "the hub is away")
}

/// One call; what came of the task where that was the last one.
pub fn go_on(
    world: &mut World,
    n: usize,
    task: &Task,
    work: &mut Work,
    reached: &mut Reached,
) -> Option<Result<Outcome, Fault>> {
    match (task, work) {
        (Task::Inventory(_), Work::Inventory(seen)) => match seen.take() {
            Some(blobs) => Some(Ok(Outcome::Listed(blobs))),
            None => match world.storage.list() {
                Ok(blobs) => {
                    *seen = Some(blobs);
                    None
                }
                Err(_) => Some(Err(storage_is_away())),
            },
        },
        (Task::Store(key, upkeep), Work::Store(storing)) => store(world, n, key, upkeep, storing),
        (Task::Count(key, _), Work::Count(counting)) => counting.go_on(world, key),
        (Task::Sweep(key, input), Work::Sweep(sweep)) => sweep.go_on(world, n, key, input, reached),
        _ => panic!("a task does the work of another"),
    }
}

fn store(
    world: &mut World,
    n: usize,
    key: &StoreKey,
    upkeep: &Upkeep,
    storing: &mut Storing,
) -> Option<Result<Outcome, Fault>> {
    let changed = || {
        let message = "something has changed meanwhile, and is looked at again".to_owned();
        Some(Err(Fault { reason: Reason::Progressing, message, class: RetryClass::Transient }))
    };
    match *storing {
        Storing::Begun => {
            let fresh = Rollout::of(&world.api.object);
            let cached = world.operators[n].cache.as_ref().and_then(|object| object.metadata.uid.clone());
            let source = fresh.spec.source.ok().and_then(|source| world.api.read(&source).ok());
            let same =
                Some(&fresh.uid) == cached.as_ref() && !fresh.deleted && fresh.generation == key.generation;
            if !same || source.is_none_or(|asset| asset.sha256 != key.sha256) {
                return changed();
            }
            *storing = Storing::Looked;
        }
        Storing::Looked => {
            let properties = upkeep.properties(world.now());
            let stored = match &upkeep.etag {
                Some(etag) => world.storage.update(&upkeep.name, etag, &properties),
                None => world.storage.put(&upkeep.name, upkeep.asset.bytes.len() as u64, &properties),
            };
            let name = world.operators[n].name;
            world.say(|| format!("{name}: stores {}: {stored:?}, {:?}", upkeep.name, properties.metadata.ts));
            match stored {
                // Now and then the answer is lost.
                Ok(()) => *storing = Storing::Written(!world.random.chance(5)),
                Err(StorageError::Away) => return Some(Err(storage_is_away())),
                Err(StorageError::Changed) => return changed(),
            }
        }
        Storing::Written(true) => return Some(Ok(Outcome::Stored)),
        Storing::Written(false) => return Some(Err(storage_is_away())),
    }
    None
}
