//! What follows from a rollout's object and its facts, before anything is decided: the parts that later steps share. Pure.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::{
    facts::{Done, Facts},
    fault::Fault,
    guard::{Guard, guard},
    links::{LinkPolicy, Links},
    plan::Rollout,
    revision::{Choice, Revision, choose},
    task::{CountInput, CountKey, InventoryKey, StoreKey, SweepInput, SweepKey},
    validate::{StorageSettings, TwinSettings},
};
use crate::{
    api::conditions::Reason,
    fleet::{Counts, Goal, Target, query},
    hub::{connection::HubConnection, sku::Rates},
    storage::{StorageAccount, StoredBlob, link::BlobUri},
    time::until,
};

/// What follows from a rollout's object and its facts.
pub struct View<'a> {
    /// The object.
    pub rollout: &'a Rollout,
    /// The facts.
    pub facts: &'a Facts,
    /// The time.
    pub now: Timestamp,
    /// Where in the twin the link stands.
    pub twin: Option<&'a TwinSettings>,
    /// The storage account and the place in it, where both are known and the ones that the rollout began with.
    pub storage: Option<(&'a StorageAccount, &'a StorageSettings)>,
    /// The hub, where it is known and the one that the rollout began with.
    pub hub: Option<&'a HubConnection>,
    /// How fast the hub may be asked.
    pub rates: Rates,
    /// Which blobs are listed.
    pub inventory_key: Option<InventoryKey>,
    /// The last listing of these very blobs.
    pub inventory: Option<&'a Done<InventoryKey, Vec<StoredBlob>>>,
    /// What came of looking at the asset and the inventory.
    pub choice: Choice,
    /// What is stored.
    pub store_key: Option<StoreKey>,
    /// Whom the count and the sweep ask for: the target, or everybody while the target cannot be used.
    pub target: Target,
    /// The delivery, where there is a revision and all that it takes.
    pub delivery: Option<Delivery<'a>>,
    /// What stands in the way and only a user can mend, the worst first.
    pub faults: Vec<Fault>,
}

/// A revision on its way, or arrived.
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
    /// Everything that the inventory knows, as twins carry it.
    pub revisions: Vec<Goal>,
    /// Characters that a query leaves for the target's condition.
    pub room: usize,
    /// Queries that one condition on all devices takes.
    pub parts: usize,
}

impl<'a> View<'a> {
    /// Looks.
    pub fn of(rollout: &'a Rollout, facts: &'a Facts, now: Timestamp) -> Self {
        let spec = &rollout.spec;
        let mut faults: Vec<Fault> = Vec::new();
        let twin = spec.twin.as_ref().ok();
        let storage = storage(rollout, facts, &mut faults);
        let hub = hub(rollout, facts, &mut faults);
        faults.extend(spec.errors.iter().map(|error| Fault::user(Reason::InvalidSpec, error.to_string())));
        faults.extend(
            facts
                .asset
                .as_ref()
                .err()
                .filter(|_| spec.source.is_ok())
                .filter(|fault| fault.needs_user())
                .cloned(),
        );
        let inventory_key = storage.map(|(account, settings)| InventoryKey {
            account: account.clone(),
            storage: settings.clone(),
            request: rollout.reconcile_request.clone(),
        });
        // A listing that was asked for again still tells of the same blobs.
        let listed = facts.found.inventory.done.as_deref();
        let inventory = inventory_key.as_ref().zip(listed).and_then(|(key, listed)| {
            let same = InventoryKey { request: listed.key.request.clone(), ..key.clone() } == listed.key;
            same.then_some(listed)
        });
        let mut view = Self {
            rollout,
            facts,
            now,
            twin,
            storage,
            hub,
            rates: spec.hub.sku.rates(spec.hub.share),
            inventory_key,
            inventory,
            choice: Choice::default(),
            store_key: None,
            target: Target::all(),
            delivery: None,
            faults,
        };
        if let (Some((account, settings)), Some(inventory)) = (storage, inventory) {
            view.choice = choose(rollout, &settings.path, &inventory.outcome, view.wanted());
            view.store_key = view.choice.upkeep.as_ref().map(|upkeep| StoreKey {
                account: account.clone(),
                storage: settings.clone(),
                generation: rollout.generation,
                sha256: upkeep.asset.sha256.clone(),
                content_type: upkeep.content_type.clone(),
                etag: upkeep.etag.clone(),
            });
            view.faults.extend(view.choice.shared.clone());
        }
        view.deliver();
        view.task_faults();
        view
    }

    /// The asset to store, unless the rollout is suspended or a part of the spec that it takes is wrong.
    fn wanted(&self) -> Option<(&'a super::facts::Asset, &'a str)> {
        let spec = &self.rollout.spec;
        let asset = self.facts.asset.as_ref().ok().filter(|_| spec.source.is_ok() && !spec.suspend)?;
        Some((asset, spec.content_type.as_deref().ok()?))
    }

    fn deliver(&mut self) {
        let Some(((account, settings), hub, twin)) =
            self.storage.zip(self.hub).zip(self.twin).map(|((storage, hub), twin)| (storage, hub, twin))
        else {
            return;
        };
        let rollout = self.rollout;
        // Where the goal's blob is lost, those who hold an earlier revision keep it.
        let Some(goal) = self.choice.goal.as_ref().or(self.choice.earlier.first()) else { return };
        let policy = LinkPolicy {
            uid: rollout.uid.clone(),
            account: account.clone(),
            container: settings.container.clone(),
            lifetime: rollout.spec.sas.lifetime,
            renew_request: rollout.renew_request.clone(),
            skew: self.facts.skew,
        };
        let container = policy.container_uri();
        let revisions: Vec<Goal> = self
            .choice
            .goal
            .iter()
            .chain(&self.choice.earlier)
            .filter_map(|revision| carried(twin, &container, revision))
            .collect();
        let Some(goal) = carried(twin, &container, goal) else { return };
        let mut count_key = CountKey {
            hub: hub.clone(),
            target: rollout.spec.target.clone().unwrap_or_else(|_| Target::all()),
            property: twin.property.clone(),
            reported_property: twin.reported_property.clone(),
            path: format!("{container}/{}", settings.path),
            blob: goal.blob.clone(),
            request: rollout.reconcile_request.clone(),
        };
        let refused = self.facts.found.count.failure(&count_key);
        let refused = refused.filter(|failure| failure.fault.reason == Reason::QueryRefused);
        let usable = rollout.spec.target.is_ok() && refused.is_none();
        if usable {
            self.target.clone_from(&count_key.target);
        }
        if rollout.spec.target.is_err() {
            count_key.target = Target::all();
        }
        let counted = self.facts.found.count.done.as_deref();
        let fleet = counted.filter(|done| {
            CountKey { blob: done.key.blob.clone(), ..count_key.clone() }.same_subject(&done.key)
        });
        let count = fleet.filter(|done| done.key.blob == count_key.blob);
        let good = policy.links(rollout.spec.sas.renew_before).good_prefixes(&goal.blob, self.now);
        let room = query::room_for_condition(&twin.property, &twin.reported_property, &goal, &good);
        let parts = self.target.conditions(room).len();
        let guard = self
            .size(fleet)
            .filter(|_| usable)
            .map(|devices| guard(&rollout.spec, self.facts.skew, &self.rates, devices, parts));
        self.faults.extend(guard.as_ref().and_then(|guard| guard.fault.clone()));
        let lead = guard.as_ref().map_or(rollout.spec.sas.renew_before, |guard| guard.lead);
        let hold = rollout.spec.suspend
            || self.choice.lost
            || guard.as_ref().is_none_or(|guard| guard.fault.is_some());
        let sweep_key = SweepKey {
            hub: hub.clone(),
            target: self.target.clone(),
            property: twin.property.clone(),
            goal,
            hold,
            policy: policy.clone(),
            request: rollout.reconcile_request.clone(),
        };
        let links = policy.links(lead);
        self.delivery =
            Some(Delivery { count_key, count, fleet, sweep_key, links, guard, revisions, room, parts });
    }

    /// How many devices there are, as far as it is known: from the last count, or from the list of their ids.
    fn size(&self, fleet: Option<&Done<CountKey, Counts>>) -> Option<u64> {
        let listed =
            self.target.most().filter(|most| self.rollout.spec.max_devices.is_none_or(|max| *most <= max));
        fleet.map(|fleet| fleet.outcome.targeted).or(listed)
    }

    /// What tasks have met that only a user can mend.
    fn task_faults(&mut self) {
        let found = &self.facts.found;
        let failures = [
            self.inventory_key.as_ref().and_then(|key| found.inventory.failure(key)),
            self.store_key.as_ref().and_then(|key| found.store.failure(key)),
            self.delivery.as_ref().and_then(|delivery| found.count.failure(&delivery.count_key)),
            self.delivery.as_ref().and_then(|delivery| found.sweep.failure(&delivery.sweep_key)),
        ];
        let failures = failures.into_iter().flatten().map(|failure| failure.fault.clone());
        self.faults.extend(failures.filter(Fault::needs_user));
    }

    /// What holds up one of the services, and passes by itself.
    pub fn disturbances(&self) -> Vec<Fault> {
        let found = &self.facts.found;
        let read = [
            self.facts.asset.as_ref().err(),
            self.facts.account.as_ref().err(),
            self.facts.hub.as_ref().err(),
        ];
        let failed = [
            self.inventory_key.as_ref().and_then(|key| found.inventory.failure(key)),
            self.store_key.as_ref().and_then(|key| found.store.failure(key)),
            self.delivery.as_ref().and_then(|delivery| found.count.failure(&delivery.count_key)),
            self.delivery.as_ref().and_then(|delivery| found.sweep.failure(&delivery.sweep_key)),
        ];
        let failed = failed.into_iter().flatten().map(|failure| &failure.fault);
        read.into_iter().flatten().chain(failed).filter(|fault| !fault.needs_user()).cloned().collect()
    }

    /// Whether the last listing is older than something that was stored or seen in a twin since.
    pub fn inventory_is_stale(&self) -> bool {
        let Some(listed) = self.inventory else { return true };
        let found = &self.facts.found;
        let stored = found.store.done.as_ref().map(|done| done.ended);
        let failed = found.store.failed.as_ref().map(|failed| failed.failure.at);
        let seen =
            found.sweep.done.as_ref().filter(|done| done.outcome.round.newer > 0).map(|done| done.ended);
        // A time in the future comes from a clock that was set back, and would make every listing look old until it is reached.
        [stored, failed, seen].into_iter().flatten().any(|at| at > listed.began && at <= self.now)
    }

    /// What a count starts with.
    pub fn count_input(&self, delivery: &Delivery<'_>) -> CountInput {
        let parts = self.facts.found.count_parts.as_ref();
        let counted = parts.filter(|(key, _)| *key == delivery.count_key).map(|(_, parts)| parts.clone());
        CountInput { rates: self.rates.clone(), room: delivery.room, counted: counted.unwrap_or_default() }
    }

    /// What a sweep starts with.
    pub fn sweep_input(&self, delivery: &Delivery<'_>) -> SweepInput {
        let held = delivery.fleet.map(|fleet| {
            let held = fleet.outcome.held.iter().filter(|held| held.devices > 0);
            held.map(|held| held.blob.clone()).collect::<BTreeSet<BlobUri>>()
        });
        let known = |blob: &BlobUri| delivery.revisions.iter().any(|revision| revision.blob == *blob);
        let held = match held {
            Some(held) => held.into_iter().filter(known).collect(),
            None => delivery.revisions.iter().map(|revision| revision.blob.clone()).collect(),
        };
        let lead = delivery.links.lead();
        let first = delivery.fleet.and_then(|fleet| fleet.outcome.first_expiry(|_| true));
        SweepInput {
            rates: self.rates.clone(),
            lead,
            urgent: first.is_some_and(|first| until(first, self.now) < lead / 2),
            room: delivery.room,
            revisions: delivery.revisions.clone(),
            held,
            gone: self.gone(delivery),
        }
    }

    /// Blobs of the rollout that twins linked to before the last listing, and that it does not have.
    fn gone(&self, delivery: &Delivery<'_>) -> BTreeSet<BlobUri> {
        let Some(sweep) = self.facts.found.sweep.done.as_ref() else { return BTreeSet::new() };
        let listed_since = self.inventory.is_some_and(|listed| listed.began >= sweep.ended);
        let known = |blob: &BlobUri| delivery.revisions.iter().any(|revision| revision.blob == *blob);
        let unknown = sweep.outcome.round.unknown.iter().filter(|_| listed_since);
        unknown.filter(|blob| !known(blob)).cloned().collect()
    }
}

/// The storage account, unless it is another than the rollout began with: its former links would stay behind.
fn storage<'a>(
    rollout: &'a Rollout,
    facts: &'a Facts,
    faults: &mut Vec<Fault>,
) -> Option<(&'a StorageAccount, &'a StorageSettings)> {
    let settings = rollout.spec.storage.as_ref().ok()?;
    let account = match &facts.account {
        Ok(account) => account,
        Err(fault) => {
            faults.extend(Some(fault.clone()).filter(Fault::needs_user));
            return None;
        }
    };
    let container = account.container_url(&settings.container).to_string();
    let began_with = rollout.before.asset.as_ref().map(|asset| &asset.uri);
    if let Some(uri) = began_with.filter(|uri| !uri.starts_with(&format!("{container}/"))) {
        let message = format!(
            "spec.storage.connectionStringSecretRef: the connection string leads to {container}, and this rollout began with {uri}: the \
             storage account is immutable; put the former account back, or create another BlobRollout"
        );
        faults.push(Fault::user(Reason::StorageChanged, message));
        return None;
    }
    Some((account, settings))
}

/// The hub, unless it is another than the rollout began with: its former devices would stay behind.
fn hub<'a>(rollout: &Rollout, facts: &'a Facts, faults: &mut Vec<Fault>) -> Option<&'a HubConnection> {
    let hub = match &facts.hub {
        Ok(hub) => hub,
        Err(fault) => {
            faults.extend(Some(fault.clone()).filter(Fault::needs_user));
            return None;
        }
    };
    let began_with = rollout.before.hub.as_ref().map(|hub| &hub.host_name);
    if let Some(former) = began_with.filter(|former| !former.eq_ignore_ascii_case(hub.host_name())) {
        let message = format!(
            "spec.hub.connectionStringSecretRef: the connection string leads to the hub {}, and this rollout began with {former}: the hub \
             is immutable; put the former hub back, or create another BlobRollout",
            hub.host_name()
        );
        faults.push(Fault::user(Reason::HubChanged, message));
        return None;
    }
    Some(hub)
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
