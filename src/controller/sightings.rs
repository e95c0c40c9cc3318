//! What was last seen of the objects that rollouts refer to. What cannot be read for a reason that passes by itself stands as it was.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    api::spec::KeyRef,
    hub::connection::HubConnection,
    rollout::{asset::Asset, fault::Fault, validate::Source},
    storage::StorageAccount,
};

/// What was last seen, by the rollout's uid.
#[derive(Default)]
pub struct Sightings(Mutex<HashMap<String, Sighting>>);

/// What was last seen of the objects that one rollout refers to.
#[derive(Clone, Default)]
pub struct Sighting {
    /// The asset, and where.
    pub asset: Option<(Source, Asset)>,
    /// The storage account, and where.
    pub account: Option<(KeyRef, StorageAccount)>,
    /// The hub, and where.
    pub hub: Option<(KeyRef, HubConnection)>,
    /// How many looks in a row have not seen one of them.
    pub unseen: u32,
}

impl Sightings {
    /// Forgets the rollout `uid`.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// What was last seen for the rollout `uid`.
    pub fn of(&self, uid: &str) -> Sighting {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned().unwrap_or_default()
    }

    /// What was seen now for the rollout `uid`.
    pub fn put(&self, uid: &str, sighting: Sighting) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), sighting);
    }
}

/// What was read of `place`, or what was seen there last where it could not be read for a reason that passes.
pub fn last_seen<P: PartialEq, T: Clone>(
    seen: &mut Option<(P, T)>,
    place: Option<P>,
    read: Result<T, Fault>,
) -> Result<T, Fault> {
    match (read, place) {
        (Ok(value), Some(place)) => {
            *seen = Some((place, value.clone()));
            Ok(value)
        }
        (Err(fault), Some(place)) if !fault.needs_user() => {
            let last = seen.as_ref().filter(|(known, _)| *known == place);
            last.map(|(_, value)| value.clone()).ok_or(fault)
        }
        (read, _) => {
            *seen = None;
            read
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::conditions::Reason, retry_class::RetryClass};

    #[test]
    fn what_cannot_be_read_for_a_moment_stands_as_it_was_seen() {
        let away = || Fault {
            reason: Reason::SourceUnavailable,
            message: String::new(),
            class: RetryClass::Transient,
        };
        let gone = || Fault::user(Reason::SourceUnavailable, "gone");
        let mut seen = None;
        assert_eq!(last_seen::<_, u8>(&mut seen, Some("a"), Err(away())), Err(away()));
        assert_eq!(last_seen(&mut seen, Some("a"), Ok(1)), Ok(1));
        assert_eq!(last_seen(&mut seen, Some("a"), Err(away())), Ok(1));
        assert_eq!(last_seen(&mut seen, Some("b"), Err(away())), Err(away()), "another place says nothing");
        assert_eq!(last_seen(&mut seen, Some("a"), Err(gone())), Err(gone()));
        assert_eq!(
            last_seen(&mut seen, Some("a"), Err(away())),
            Err(away()),
            "what is gone is not remembered"
        );
    }
}
