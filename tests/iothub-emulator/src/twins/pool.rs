//! One copy of what many twins hold: texts, shapes, whole sections. A fleet that is sent one link keeps it once.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Parts with a lock each, so that no insertion waits for the tidying of all.
const SHARDS: usize = 64;
/// Entries of a part that are not worth tidying.
const SLACK: usize = 64;

/// Values in use, each once.
pub(super) struct Pool<T: ?Sized> {
    hasher: RandomState,
    shards: [Mutex<Shard<T>>; SHARDS],
}

struct Shard<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// Number of entries at which those that nobody uses are dropped.
    tidy_at: usize,
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    pub fn new() -> Self {
        let shard = || Mutex::new(Shard { values: HashSet::new(), tidy_at: SLACK });
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| shard()) }
    }

    /// The pool's copy of a value, made if there is none.
    pub fn share<V>(&self, value: V) -> Arc<T>
    where
        V: Borrow<T> + Into<Arc<T>>,
    {
        let place = self.hasher.hash_one(value.borrow()) % (SHARDS as u64);
        let Some(shard) = usize::try_from(place).ok().and_then(|at| self.shards.get(at)) else {
            return value.into();
        };
        let mut guard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let Shard { values, tidy_at } = &mut *guard;
        if let Some(known) = values.get(value.borrow()) {
            return known.clone();
        }
        if values.len() >= *tidy_at {
            values.retain(|value| Arc::strong_count(value) > 1);
            // A quarter more than are in use: what is kept for nothing stays small, and so does the tidying.
            *tidy_at = values.len() + values.len() / 4 + SLACK;
            values.shrink_to(*tidy_at);
        }
        let new: Arc<T> = value.into();
        values.insert(new.clone());
        new
    }
}

/// A text of the pool.
pub(super) fn text(text: &str) -> Arc<str> {
    static TEXTS: LazyLock<Pool<str>> = LazyLock::new(Pool::new);
    TEXTS.share(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_unused_ones_go() {
        let pool: Pool<str> = Pool::new();
        let kept: Vec<Arc<str>> = (0..100).map(|n| pool.share(n.to_string().as_str())).collect();
        assert!(kept.iter().all(|text| Arc::ptr_eq(text, &pool.share(&**text))));
        for n in 0..100_000 {
            pool.share(format!("passing {n}").as_str());
        }
        let entries = pool.shards.iter().map(|shard| shard.lock().unwrap().values.len()).sum::<usize>();
        assert!(entries <= 100 + 2 * SHARDS * SLACK + 100 / 4, "{entries}");
        assert!(kept.iter().all(|text| Arc::ptr_eq(text, &pool.share(&**text))));
    }
}
