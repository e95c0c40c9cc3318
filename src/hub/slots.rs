//! How many calls are under way at once: a number that can change while they are.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Gives out slots, first come first served.
pub(super) struct Slots {
    free: Semaphore,
    size: Mutex<Size>,
}

#[derive(Clone, Copy)]
struct Size {
    /// How many slots there are to be.
    wanted: usize,
    /// How many slots beyond that are in use, to be taken back when they are free.
    surplus: usize,
}

/// The right to have one call under way, for as long as it is held.
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    permit: Option<SemaphorePermit<'a>>,
}

impl Slots {
    /// So many slots, all free.
    pub fn new(size: usize) -> Self {
        Self { free: Semaphore::new(size), size: Mutex::new(Size { wanted: size, surplus: 0 }) }
    }

    /// Waits for a slot.
    pub async fn take(&self) -> Slot<'_> {
        loop {
            // The semaphore is never closed.
            if let Ok(permit) = self.free.acquire().await {
                return Slot { slots: self, permit: Some(permit) };
            }
        }
    }

    /// How many slots there are, free and in use.
    pub fn size(&self) -> usize {
        self.lock().wanted
    }

    /// From now on so many. Who holds a slot keeps it.
    pub fn resize(&self, wanted: usize) {
        let mut size = self.lock();
        let (more, less) = (wanted.saturating_sub(size.wanted), size.wanted.saturating_sub(wanted));
        let kept = more.min(size.surplus);
        self.free.add_permits(more - kept);
        let in_use = less - self.free.forget_permits(less);
        *size = Size { wanted, surplus: size.surplus - kept + in_use };
    }

    fn lock(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        // Under the lock, so that no slot becomes free between a look at the surplus and a change of it.
        let mut size = self.slots.lock();
        let permit = self.permit.take();
        if size.surplus > 0 {
            size.surplus -= 1;
            permit.into_iter().for_each(SemaphorePermit::forget);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// Takes what there is.
    fn all(slots: &Slots) -> Vec<Slot<'_>> {
        std::iter::from_fn(|| tokio::task::unconstrained(slots.take()).now_or_never()).collect()
    }

    #[test]
    fn the_number_changes_whatever_is_in_use() {
        let slots = Slots::new(4);
        let mut held = all(&slots);
        assert_eq!(held.len(), 4);
        slots.resize(6);
        held.extend(all(&slots));
        assert_eq!(held.len(), 6);
        // Three too many are in use: three go before one is free.
        slots.resize(3);
        assert_eq!(slots.size(), 3);
        held.truncate(3);
        assert!(all(&slots).is_empty());
        held.truncate(2);
        assert_eq!(all(&slots).len(), 1);
        // What is taken back and given again meanwhile is counted once.
        held.extend(all(&slots));
        slots.resize(1);
        slots.resize(2);
        held.truncate(1);
        assert_eq!(all(&slots).len(), 1);
        held.clear();
        assert_eq!(all(&slots).len(), 2);
    }
}
