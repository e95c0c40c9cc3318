//! What follows from a rollout's object and its facts, before anything is decided: the parts that later steps share. Pure.

use k8s_openapi::jiff::Timestamp;

use super::{
    asset::Asset,
    delivery::{Delivery, Place},
    facts::Facts,
    fault::Fault,
    found::Done,
    object::Rollout,
    revision::{Choice, choose},
    task::{InventoryKey, StoreKey},
    validate::{StorageSettings, TwinSettings},
};
use crate::{
    api::conditions::Reason,
    hub::{connection::HubConnection, sku::Rates},
    storage::{StorageAccount, StoredBlob},
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
    /// The delivery, where there is a revision and all that it takes.
    pub delivery: Option<Delivery<'a>>,
    /// What stands in the way and only a user can mend, the worst first.
    pub faults: Vec<Fault>,
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
        // A listing with another key, or that was asked for again, still tells of the same blobs: without it nobody would say that the
        // links of a former key are dead.
        let listed = facts.found.inventory.done.as_deref();
        let inventory =
            listed.filter(|listed| inventory_key.as_ref().is_some_and(|key| key.same_blobs(&listed.key)));
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
        view.delivery = view.delivery();
        let guard = view.delivery.as_ref().and_then(|delivery| delivery.guard.as_ref());
        let guard_fault = guard.and_then(|guard| guard.fault.clone());
        view.faults.extend(guard_fault);
        view.task_faults();
        view
    }

    /// The asset to store, unless the rollout is suspended or a part of the spec that it takes is wrong.
    fn wanted(&self) -> Option<(&'a Asset, &'a str)> {
        let spec = &self.rollout.spec;
        let asset = self.facts.asset.as_ref().ok().filter(|_| spec.source.is_ok() && !spec.suspend)?;
        Some((asset, spec.content_type.as_deref().ok()?))
    }

    fn delivery(&self) -> Option<Delivery<'a>> {
        let (account, settings) = self.storage?;
        let place = Place { account, settings, hub: self.hub?, twin: self.twin? };
        Delivery::of(self.rollout, self.facts, &self.choice, &place, self.now)
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

    /// Whether the last listing is older than something that was stored or seen in a twin since. Times in the future come from a clock
    /// that was set back: no listing would ever be later, and one after the other would be made.
    pub fn inventory_is_stale(&self) -> bool {
        let Some(listed) = self.inventory.filter(|listed| listed.began <= self.now) else { return true };
        let found = &self.facts.found;
        let stored = found.store.done.as_ref().map(|done| done.ended);
        let failed = found.store.failed.as_ref().map(|failed| failed.failure.at);
        let seen =
            found.sweep.done.as_ref().filter(|done| done.outcome.round.newer > 0).map(|done| done.ended);
        // A time in the future comes from a clock that was set back, and would make every listing look old until it is reached.
        [stored, failed, seen].into_iter().flatten().any(|at| at > listed.began && at <= self.now)
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
