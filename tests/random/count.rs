//! Counting, a query at a time, as the task does it, on what the index shows.

use std::collections::BTreeMap;

use blobrollout::{
    api::conditions::Reason,
    fleet::{
        Counts,
        ack::{Ack, ack},
        counts,
    },
    rollout::{fault::Fault, found::Outcome, task::CountKey},
};
use serde_json::{Value, json};

use crate::{
    hub::{Device, picks},
    work::hub_is_away,
    world::World,
};

/// A count under way.
#[derive(Default)]
pub struct Counting {
    asked: u32,
    counts: Counts,
}

impl Counting {
    /// The next query.
    pub fn go_on(&mut self, world: &World, key: &CountKey) -> Option<Result<Outcome, Fault>> {
        if world.hub.away {
            return Some(Err(hub_is_away()));
        }
        if key.target.conditions(3000)[0].contains("refused") {
            return Some(Err(Fault::user(Reason::QueryRefused, "the hub refuses the query")));
        }
        let picked = || world.hub.index.iter().filter(|(id, device)| picks(&key.target, id, device));
        let number =
            |wanted: &dyn Fn(&Device) -> bool| picked().filter(|(_, device)| wanted(device)).count() as u64;
        let link = format!("{}?", key.blob.as_str());
        let linked = |device: &Device| device.uri().is_some_and(|uri| uri.starts_with(&link));
        let answer = |device: &Device| ack(device.reported.as_ref(), &key.blob);
        match self.asked {
            0 => self.counts.targeted = number(&|_| true),
            1 => {
                let mut links: BTreeMap<&str, u64> = BTreeMap::new();
                let start = format!("{}/", key.path);
                for uri in
                    picked().filter_map(|(_, device)| device.uri()).filter(|uri| uri.starts_with(&start))
                {
                    *links.entry(uri).or_default() += 1;
                }
                let rows: Vec<Value> = links.iter().map(|(uri, n)| json!({"uri": uri, "n": n})).collect();
                self.counts.held = counts::held(&rows).unwrap();
            }
            2 => {
                self.counts.received = number(&|device| linked(device) && answer(device) == Ack::Received);
                self.counts.failed = number(&|device| linked(device) && answer(device) == Ack::Failed);
            }
            3 => {
                let away =
                    |device: &Device| linked(device) && !device.connected && answer(device) == Ack::Pending;
                self.counts.unreachable = number(&away);
            }
            _ => {
                let mut counts = self.counts.clone();
                counts.settle(&key.blob);
                return Some(Ok(Outcome::Counted(counts)));
            }
        }
        self.asked += 1;
        None
    }
}
