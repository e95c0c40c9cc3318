//! Devices that hold a link of another rollout, and which of them that one still picks: the others are taken over, or they would be
//! stranded with a link that nobody renews.

use super::{context::hub_fault, sweep::Sweep};
use crate::{
    fleet::{
        Owner, Target,
        query::{self, LONGEST_QUERY},
        target::in_chunks,
    },
    hub::{error::HubError, limiter::Urgency},
    rollout::fault::Fault,
};

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
