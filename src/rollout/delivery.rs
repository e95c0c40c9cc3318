//! A revision on its way to the devices, or arrived: what is counted, what a sweep is for, and what both start with. Pure.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::jiff::Timestamp;

use super::{
    facts::Facts,
    found::Done,
    guard::{Guard, guard},
    links::{LinkPolicy, Links},
    object::Rollout,
    revision::{Choice, Revision},
    task::{CountInput, CountKey, InventoryKey, SweepInput, SweepKey},
    validate::{StorageSettings, TwinSettings},
};
use crate::{
    api::conditions::Reason,
    fleet::{Counts, Goal, Target, counts::Held, query},
    hub::{connection::HubConnection, sku::Rates},
    storage::{StorageAccount, StoredBlob, link::BlobUri},
    time::{due, until},
};

/// How old a count may be for the guard `maxDevices` to go by it.
const MAX_COUNT_AGE: Duration = Duration::from_mins(1);

/// A revision on its way to the devices, or arrived.
pub struct Delivery<'a> {
    /// What is counted.
    pub count_key: CountKey,
    /// The last count of these devices for this revision.
    pub count: Option<&'a Done<CountKey, Counts>>,
    /// The last count of these devices, for whatever revision.
    pub fleet: Option<&'a Done<CountKey, Counts>>,
    /// What a sweep is for.
    pub sweep_key: SweepKey,
    /// Which links are good.
    pub links: Links,
    /// What the size of the fleet says; nothing while that is unknown.
    pub guard: Option<Guard>,
    /// Whether the guard `maxDevices` waits for a count that is not old.
    pub is_unguarded: bool,
    /// Everything that the inventory knows, as twins carry it.
    pub revisions: Vec<Goal>,
    /// Characters that a query leaves for the target's condition.
    pub room: usize,
    /// Queries that one condition on all devices takes.
    pub parts: usize,
}

/// Where a revision is delivered from and to.
pub struct Place<'a> {
    /// The storage account.
    pub account: &'a StorageAccount,
    /// The place in it.
    pub settings: &'a StorageSettings,
    /// The hub.
    pub hub: &'a HubConnection,
    /// Where in the twin the link stands.
    pub twin: &'a TwinSettings,
}

impl<'a> Delivery<'a> {
    /// The delivery of what was chosen; nothing where there is no revision.
    pub fn of(
        rollout: &'a Rollout,
        facts: &'a Facts,
        choice: &Choice,
        place: &Place<'_>,
        now: Timestamp,
    ) -> Option<Self> {
        let Place { account, settings, hub, twin } = place;
        let spec = &rollout.spec;
        let policy = LinkPolicy {
            uid: rollout.uid.clone(),
            account: (*account).clone(),
            container: settings.container.clone(),
            lifetime: spec.sas.lifetime,
            renew_request: rollout.renew_request.clone(),
            skew: facts.skew,
        };
        let container = policy.container_uri();
        let carried = |revision: &Revision| carried(twin, &container, revision);
        let revisions: Vec<Goal> = choice.goal.iter().chain(&choice.earlier).filter_map(carried).collect();
        // Where the goal's blob is lost, those who hold an earlier revision keep it.
        let goal = revisions.first()?.clone();
        let count_key = CountKey {
            hub: (*hub).clone(),
            target: spec.target.clone().unwrap_or_else(|_| Target::all()),
            property: twin.property.clone(),
            reported_property: twin.reported_property.clone(),
            path: format!("{container}/{}", settings.path),
            blob: goal.blob.clone(),
            request: rollout.reconcile_request.clone(),
        };
        let refused = facts.found.count.failure(&count_key);
        let refused = refused.filter(|failure| failure.fault.reason == Reason::QueryRefused);
        // While the target cannot be used, everybody keeps what they hold.
        let usable = spec.target.is_ok() && refused.is_none();
        let target = if usable { count_key.target.clone() } else { Target::all() };
        let counted = facts.found.count.done.as_deref();
        let fleet = counted.filter(|done| {
            CountKey { blob: done.key.blob.clone(), ..count_key.clone() }.same_subject(&done.key)
        });
        // Always as for two good windows: parts of a count that are kept must be those that the next attempt asks for.
        let mut good = policy.links(spec.sas.renew_before).good_prefixes(&goal.blob, now);
        good.truncate(1);
        good.extend_from_within(..);
        let room = query::room_for_condition(&twin.property, &twin.reported_property, &goal, &good);
        let parts = target.conditions(room).len();
        let rates = spec.hub.sku.rates(spec.hub.share);
        let size = size(&target, spec.max_devices, fleet).filter(|_| usable);
        let guard = size.map(|devices| guard(spec, facts.skew, &rates, devices, parts));
        let lead = guard.as_ref().map_or(spec.sas.renew_before, |guard| guard.lead);
        let fresh = fleet.is_some_and(|fleet| due(fleet.began, MAX_COUNT_AGE, now) > now);
        let is_unguarded = spec.max_devices.is_some() && target.most().is_none() && !fresh;
        let uncountable = facts.found.count.failure(&count_key).is_some();
        let held_back =
            guard.as_ref().is_none_or(|guard| guard.fault.is_some()) || (is_unguarded && uncountable);
        let sweep_key = SweepKey {
            hub: (*hub).clone(),
            target,
            property: twin.property.clone(),
            goal,
            hold: spec.suspend || choice.lost || held_back,
            policy: policy.clone(),
            request: rollout.reconcile_request.clone(),
        };
        let count = fleet.filter(|done| done.key.blob == count_key.blob);
        let links = policy.links(lead);
        Some(Self { count_key, count, fleet, sweep_key, links, guard, is_unguarded, revisions, room, parts })
    }

    /// What a count starts with.
    pub fn count_input(&self, facts: &Facts, rates: &Rates) -> CountInput {
        let parts = facts.found.count_parts.as_ref();
        let counted = parts.filter(|(key, _)| *key == self.count_key).map(|(_, parts)| parts.clone());
        CountInput { rates: rates.clone(), room: self.room, counted: counted.unwrap_or_default() }
    }

    /// What a sweep starts with, after `inventory`.
    pub fn sweep_input(
        &self,
        facts: &Facts,
        rates: &Rates,
        inventory: Option<&Done<InventoryKey, Vec<StoredBlob>>>,
        now: Timestamp,
    ) -> SweepInput {
        let held = self.fleet.map(|fleet| {
            let held = fleet.outcome.held.iter().filter(|held| held.devices > 0);
            held.map(|held| held.blob.clone()).collect::<BTreeSet<BlobUri>>()
        });
        let held = match held {
            Some(held) => held.into_iter().filter(|blob| self.knows(blob)).collect(),
            None => self.revisions.iter().map(|revision| revision.blob.clone()).collect(),
        };
        let lead = self.links.lead();
        let first = self.fleet.and_then(|fleet| fleet.outcome.first_expiry(|_| true));
        SweepInput {
            rates: rates.clone(),
            lead,
            urgent: first.is_some_and(|first| until(first, now) < lead / 2),
            room: self.room,
            revisions: self.revisions.clone(),
            held,
            gone: self.gone(facts, inventory, now),
        }
    }

    /// Blobs that a sweep took for later than its goal, of which the listing since knows nothing later: it lacks them, or the goal is the
    /// same as before.
    fn gone(
        &self,
        facts: &Facts,
        inventory: Option<&Done<InventoryKey, Vec<StoredBlob>>>,
        now: Timestamp,
    ) -> BTreeSet<BlobUri> {
        let Some(sweep) = facts.found.sweep.done.as_ref() else { return BTreeSet::new() };
        let listed_since = inventory.is_some_and(|listed| listed.began_since(sweep.ended, now));
        let same = sweep.key.goal == self.sweep_key.goal;
        let unknown = sweep.outcome.round.unknown.iter().filter(|_| listed_since);
        unknown.filter(|blob| same || !self.knows(blob)).cloned().collect()
    }

    /// Devices whose link of the rollout is due for renewal, where they have been counted. Of who is held where it is, a link to a blob
    /// that is gone cannot be renewed.
    pub fn on_old_link(&self, now: Timestamp) -> Option<u64> {
        let due = |held: &&Held| {
            let good = held.link.as_ref().is_some_and(|link| self.links.is_good(link, now));
            !good && (!self.sweep_key.hold || self.knows(&held.blob))
        };
        Some(self.fleet?.outcome.held.iter().filter(due).map(|held| held.devices).sum())
    }

    /// Whether the inventory knows `blob` as a revision.
    pub fn knows(&self, blob: &BlobUri) -> bool {
        self.revisions.iter().any(|revision| revision.blob == *blob)
    }
}

/// How many devices there are, as far as it is known: from the last count, or from the list of their ids.
fn size(target: &Target, max_devices: Option<u64>, fleet: Option<&Done<CountKey, Counts>>) -> Option<u64> {
    let listed = target.most().filter(|most| max_devices.is_none_or(|max| *most <= max));
    fleet.map(|fleet| fleet.outcome.targeted).or(listed)
}

/// A revision as twins carry it.
fn carried(twin: &TwinSettings, container: &str, revision: &Revision) -> Option<Goal> {
    Some(Goal {
        name: revision.name.clone(),
        blob: BlobUri::of(&format!("{container}/{}", revision.name))?,
        ts: revision.ts,
        first_ts: revision.first_ts,
        content_type: revision.content_type.clone(),
        sha256: twin.with_sha256.then(|| revision.sha256.clone()),
        size: twin.with_size.then_some(revision.size),
    })
}
