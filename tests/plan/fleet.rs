//! What the twins of the world say, and a fleet that does what it is told.

use blobrollout::{
    fleet::{Counts, Tally, counts::Held},
    rollout::{
        asset::Asset,
        task::{SweepInput, SweepKey, Task},
    },
    storage::link::{BlobUri, Link},
};
use bytes::Bytes;
use k8s_openapi::jiff::Timestamp;

use crate::world::{PATH, World, seconds};

impl World {
    /// The name of the blob with this content.
    pub fn name(text: &str) -> String {
        format!("{PATH}/{}", Asset::new(Bytes::copy_from_slice(text.as_bytes())).sha256)
    }

    /// The address of the blob with this content.
    pub fn uri(&self, text: &str) -> BlobUri {
        self.link(text, self.now).blob().clone()
    }

    /// The link to this content that a twin gets at `minted`.
    pub fn link(&self, text: &str, minted: Timestamp) -> Link {
        self.sweep_key().policy.links(seconds(1)).mint(&Self::name(text), minted).unwrap()
    }

    /// So many devices hold a link to this content, minted at `minted`.
    pub fn holding(&self, text: &str, minted: Timestamp, devices: u64) -> Held {
        let link = self.link(text, minted);
        Held { blob: link.blob().clone(), link: Some(link), devices }
    }

    /// So many devices are targeted, hold a fresh link to this content, and have received it.
    pub fn all_hold(&mut self, text: &str, devices: u64) {
        let held = vec![self.holding(text, self.now, devices)];
        self.fleet = Counts { targeted: devices, received: devices, held, ..Counts::default() };
    }

    /// The numbers of the fleet: all links are fresh and lead to `hello`.
    pub fn numbers(&mut self, targeted: u64, linked: u64, received: u64, failed: u64) {
        let held = vec![self.holding("hello", self.now, linked)];
        self.fleet = Counts { targeted, held, received, failed, ..Counts::default() };
    }

    /// Each task that is wanted is done, and takes a second. Whether there was one.
    pub fn work(&mut self) -> bool {
        let tasks = self.plan().tasks;
        for task in &tasks {
            self.now += seconds(1);
            match task {
                Task::Inventory(_) => self.list(),
                Task::Count(..) => self.count(),
                Task::Sweep(key, input) => self.obey(key, input),
                Task::Store(key, upkeep) => {
                    let properties = upkeep.properties(self.now);
                    self.blobs.retain(|blob| blob.name != upkeep.name);
                    let text = String::from_utf8(upkeep.asset.bytes.to_vec()).unwrap();
                    self.blob(&text, self.now);
                    let stored = self.blobs.last_mut().unwrap();
                    stored.metadata = properties.metadata;
                    stored.content_type = Some(properties.content_type);
                    let now = self.now;
                    self.found().store.note(key.clone(), now, now, Ok(()));
                }
            }
        }
        !tasks.is_empty()
    }

    /// Works until nothing is wanted, and writes the status.
    pub fn work_to_rest(&mut self) {
        for _ in 0..20 {
            if !self.work() {
                return self.settle();
            }
            self.settle();
        }
        panic!("no rest: {:?}, {}", self.kinds(), self.message());
    }

    /// The fleet takes what a sweep gives.
    fn obey(&mut self, key: &SweepKey, input: &SweepInput) {
        let links = key.policy.links(input.lead);
        let (now, mut tally) = (self.now, Tally::default());
        let mut given = Counts { targeted: self.fleet.targeted, ..Counts::default() };
        let unheld = self.fleet.targeted - self.fleet.holders();
        let nobody = Held { blob: key.goal.blob.clone(), link: None, devices: unheld };
        for held in self.fleet.held.clone().into_iter().chain((!key.hold).then_some(nobody)) {
            let stays = key.hold || held.blob == key.goal.blob;
            let good = held.link.as_ref().is_some_and(|link| links.is_good(link, now));
            if held.devices == 0 {
                continue;
            }
            if stays && good {
                given.add(Counts { held: vec![held], ..Counts::default() });
                continue;
            }
            let revision = input.revisions.iter().find(|revision| revision.blob == held.blob);
            if key.hold && revision.is_none() {
                given.add(Counts { held: vec![held], ..Counts::default() });
                continue;
            }
            let revision = revision.filter(|_| stays);
            let link = links.mint(&revision.unwrap_or(&key.goal).name, now).unwrap();
            tally.written += held.devices;
            tally.renewed += if stays && held.link.is_some() { held.devices } else { 0 };
            tally.first_expiry = tally.first_expiry.into_iter().chain([link.expiry()]).min();
            let held = Held { blob: link.blob().clone(), link: Some(link), devices: held.devices };
            given.add(Counts { held: vec![held], ..Counts::default() });
        }
        given.received = given.linked(&key.goal.blob);
        self.fleet = given;
        self.swept_with(|swept| {
            let (round, round_began) = (swept.round.clone(), swept.round_began);
            *swept = Tally { round, round_began, ..tally };
        });
    }
}
