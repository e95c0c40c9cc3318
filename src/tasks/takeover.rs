//! Devices that hold a link of another rollout, and which of them that one still picks: the others are taken over, or they would be
//! stranded with a link that nobody renews.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{hub_fault, sweep::Sweep};
use crate::{
    fleet::{
        Owned, Owner, Target,
        query::{self, LONGEST_QUERY},
        target::in_chunks,
    },
    hub::{error::HubError, limiter::Urgency},
    rollout::fault::Fault,
};

/// Most devices that are remembered for one owner. The others are looked at by the next sweep.
const MOST_DEVICES: usize = 10_000;

/// Conflicted devices by the owner of their links.
#[derive(Default)]
pub(super) struct Conflicts(Mutex<HashMap<String, Held>>);

/// An owner, and devices that hold its links.
type Held = (Arc<Owner>, Vec<String>);

impl Conflicts {
    /// One more. Of an owner that may not be read nobody can say whom it picks.
    pub fn add(&self, owner: Owned, device: &str) {
        let Owned::By(owner) = owner else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, devices) = all.entry(owner.uid.clone()).or_insert_with(|| (owner, Vec::new()));
        if devices.len() < MOST_DEVICES {
            devices.push(device.to_owned());
        }
    }

    fn take(&self) -> Vec<Held> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain().map(|(_, entry)| entry).collect()
    }
}

impl Sweep<'_> {
    /// Takes over the conflicted devices that their owner's target does not pick any more.
    pub(super) async fn take_over(&self) -> Result<(), Fault> {
        for (owner, devices) in self.conflicts.take() {
            let picked = self.picked(&owner, &devices).await.map_err(|error| hub_fault(&error))?;
            let Some(picked) = picked else { continue };
            for device in devices.iter().filter(|device| !picked.contains(device)) {
                if self.is_over() {
                    return Ok(());
                }
                self.note(|tally| {
                    tally.round.conflicted = tally.round.conflicted.saturating_sub(1);
                    tally.round.samples.retain(|sample| sample.device_id != *device);
                });
                self.serve(device, None, Some(&owner.name)).await;
            }
        }
        Ok(())
    }

    /// Which of `devices` the owner picks; nothing where that cannot be said, and then it keeps all of them.
    async fn picked(&self, owner: &Owner, devices: &[String]) -> Result<Option<Vec<String>>, HubError> {
        let condition = match &owner.target {
            None => return Ok(None),
            Some(Target::Ids(ids)) => {
                let named = devices.iter().filter(|device| ids.binary_search(device).is_ok());
                return Ok(Some(named.cloned().collect()));
            }
            Some(Target::Query(condition)) => condition,
        };
        let mut picked = Vec::new();
        for chunk in in_chunks(devices, LONGEST_QUERY - query::ids("", condition).len()) {
            let rows = self.hub.query_all(&query::ids(&chunk, condition), Urgency::Normal).await;
            let rows = match rows {
                Ok(rows) => rows,
                // The owner's query is its own affair.
                Err(HubError::BadRequest { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            picked.extend(rows.iter().filter_map(|row| row["deviceId"].as_str().map(str::to_owned)));
        }
        Ok(Some(picked))
    }
}
