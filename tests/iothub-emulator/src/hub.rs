//! The hub: everything that REST and MQTT share.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::Value;

use crate::auth::Authority;
use crate::clock::Clock;
use crate::configurations::Configurations;
use crate::counters::{Counters, Counts};
use crate::error::{ErrorCode, HubError};
use crate::faults::Faults;
use crate::identity::{DeviceId, IdentityUpdate, MasterKey};
use crate::jobs::Jobs;
use crate::physics::{Operation, Physics};
use crate::query::Data;
use crate::registry::{Device, Registry};
use crate::settings::{QuerySettings, Settings, TwinSettings};
use crate::simulation::Simulation;
use crate::state::Secrets;
use crate::twins::Change;

#[derive(Debug)]
pub(crate) struct Hub {
    pub authority: Authority,
    pub master_key: MasterKey,
    pub registry: Registry,
    /// Kept apart from the devices, whose number a query or a list must not depend on. Where both are locked, the
    /// devices are first.
    pub modules: Registry,
    pub jobs: Jobs,
    pub configurations: Configurations,
    pub queries: QuerySettings,
    pub twins: TwinSettings,
    pub counters: Counters,
    pub faults: Faults,
    pub physics: Physics,
    pub simulation: Simulation,
    pub clock: Clock,
}

/// The modules that every Edge device has.
const EDGE_MODULES: [&str; 2] = ["$edgeAgent", "$edgeHub"];

impl Hub {
    /// An empty one.
    pub fn new(settings: &Settings, secrets: &Secrets, simulation: Simulation) -> Self {
        let addresses = settings.addresses().into_iter().map(|address| address.to_string());
        Self {
            authority: Authority::new(settings.dns_names().into_iter().chain(addresses), &secrets.policies),
            master_key: secrets.master_key.clone(),
            registry: Registry::new(settings.queries.index_lag, &settings.clock),
            modules: Registry::new(settings.queries.index_lag, &settings.clock),
            jobs: Jobs::new(settings.jobs.clone()).paced_by(&settings.limits),
            configurations: Configurations::new(settings.configurations.clone()),
            queries: settings.queries.clone(),
            twins: settings.twins.clone(),
            counters: Counters::default(),
            faults: Faults::default(),
            physics: Physics::new(settings.limits.clone(), settings.primary_name()),
            simulation,
            clock: settings.clock.clone(),
        }
    }

    /// Waits for what `count` operations of a class may take of the hub, on its clock; 429001 if that would be too
    /// long.
    pub async fn admit(&self, operation: Operation, count: u32) -> Result<(), HubError> {
        let wait = self.physics.reserve(operation, count, &self.clock)?;
        if !wait.is_zero() {
            self.counters.count_delayed();
            self.clock.sleep(wait).await;
        }
        Ok(())
    }

    /// Where the device or the module of this id is kept; an error if it is a module and there is no such device.
    pub fn identities(&self, id: &str) -> Result<&Registry, HubError> {
        match id.split_once('/') {
            None => Ok(&self.registry),
            Some((device, _)) => self.registry.read(device, |_| &self.modules),
        }
    }

    /// Changes the device or the module of this id.
    pub fn write<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Device) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        self.identities(id)?.write(id, change)
    }

    /// As [`Hub::write`], for what is to connect: 401 where the device is disabled, also for its modules, which have no
    /// status of their own.
    pub fn write_enabled<T>(
        &self,
        id: &DeviceId,
        change: impl FnOnce(&mut Device) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let judge =
            |device: &Device| device.identity.enabled.then_some(()).ok_or_else(HubError::unauthorized);
        if id.module().is_none() {
            return self.registry.write(id.as_str(), |device| {
                judge(device)?;
                change(device)
            });
        }
        // Under the device's lock: who disables it next finds what is changed here.
        self.registry.read(id.device(), |device| {
            judge(device)?;
            self.modules.write(id.as_str(), change)
        })?
    }

    /// Takes over a new identity. A device that is disabled by it loses its connection, and so do its modules.
    pub fn update_identity(&self, device: &mut Device, update: IdentityUpdate) -> Result<(), HubError> {
        let now = self.clock.now();
        device.identity.update(update, now);
        self.complete_edge_device(device)?;
        if !device.identity.enabled {
            device.disconnect(now);
            self.modules.change_modules_of(device.identity.id.as_str(), |module| module.disconnect(now));
        }
        Ok(())
    }

    /// What queries are asked of: twins as they are, or as they were some time ago.
    pub fn data(&self) -> Data<'_> {
        Data {
            devices: self.registry.as_queries_see_it(),
            modules: self.modules.as_queries_see_it(),
            jobs: &self.jobs,
        }
    }

    /// Does what has become due by the clock. Called before every request, so that a clock that was moved has its
    /// effects at once, and from time to time.
    pub fn catch_up(&self) {
        let now = self.clock.now();
        self.jobs.advance(self, now);
        self.configurations.advance(self, now);
    }

    /// Adds a device or a module, and for an Edge device the modules that it cannot be without.
    pub fn create<T>(
        &self,
        id: DeviceId,
        update: IdentityUpdate,
        first_change: impl FnOnce(&mut Device) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let now = self.clock.now();
        if id.module().is_some() {
            let device = id.device().to_owned();
            return self.registry.read(&device, |_| self.modules.create(id, update, now, first_change))?;
        }
        self.registry.create(id, update, now, |device| {
            let result = first_change(device)?;
            self.complete_edge_device(device)?;
            Ok(result)
        })
    }

    /// Gives an Edge device the modules that it lacks.
    pub fn complete_edge_device(&self, device: &Device) -> Result<(), HubError> {
        if !device.identity.iot_edge {
            return Ok(());
        }
        for module in EDGE_MODULES {
            let id = DeviceId::of_module(device.identity.id.as_str(), module)?;
            let made = self.modules.create(id, IdentityUpdate::edge_module(), self.clock.now(), |_| Ok(()));
            match made {
                Err(error) if error.code != ErrorCode::ModuleAlreadyExistsOnDevice => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes a device with its modules, or a module, that `agreed` lets go.
    pub fn remove(
        &self,
        id: &str,
        agreed: impl FnOnce(&Device) -> Result<(), HubError>,
    ) -> Result<(), HubError> {
        self.identities(id)?.remove(id, |device| {
            agreed(device)?;
            if device.identity.id.module().is_none() {
                self.modules.remove_modules_of(id);
            }
            Ok(())
        })
    }

    /// Changes a twin from the service side and tells the device what was asked for of its desired
    /// properties. Tags notify nobody.
    pub fn change_twin(&self, device: &mut Device, change: &Change, replace: bool) -> Result<(), HubError> {
        let meant_for = change.desired_version.filter(|_| !self.twins.ignore_stale_version);
        if meant_for.is_some_and(|version| version != device.twin.desired.version) {
            let text = "The $version of the request is not the version of the desired properties";
            return Err(HubError::new(ErrorCode::PreconditionFailed, text));
        }
        let now = self.clock.now();
        if replace {
            device.twin.put(change, now)?;
        } else {
            device.twin.patch(change, now)?;
        }
        self.simulation.changed(device, change, self.clock.elapsed());
        let version = device.twin.desired.version;
        if let Some(session) = device.session.as_mut().filter(|session| session.wants_desired())
            && let Some(payload) = change.notification(version)
        {
            let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
            let payload = serde_json::to_vec(&payload).unwrap_or_default();
            let bytes = payload.len();
            if session.send(topic, payload) {
                self.counters.count_notification();
                self.physics.charge(bytes, &self.clock);
            }
        }
        Ok(())
    }

    /// Patches the twins of all devices, one after the other; gives their number. One that gets too large stops it.
    pub fn patch_all(&self, patch: &Value) -> Result<u64, HubError> {
        let change = Change::parse(patch.clone())?;
        let mut count = 0;
        let mut refused = None;
        self.registry.scan_mut(|device| match self.change_twin(device, &change, false) {
            Ok(()) => {
                count += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                refused = Some(error);
                ControlFlow::Break(())
            }
        });
        refused.map_or(Ok(count), Err)
    }

    /// Grows whenever something may have changed that a state file has.
    pub fn changes(&self) -> u64 {
        let parts = [
            self.registry.changes(),
            self.modules.changes(),
            self.jobs.changes(),
            self.configurations.changes(),
        ];
        parts.into_iter().fold(0, u64::wrapping_add)
    }

    /// The counters now.
    pub fn counts(&self) -> Counts {
        self.counters.snapshot(self.physics.messages(&self.clock))
    }

    /// Writes of desired properties by device, for devices that had one: every such write is one more `$version`.
    pub fn desired_writes(&self) -> BTreeMap<String, u64> {
        let mut writes = BTreeMap::new();
        self.registry.scan(None, |device| {
            let version = device.twin.desired.version;
            if version > 1 {
                writes.insert(device.identity.id.to_string(), version - 1);
            }
            ControlFlow::Continue(())
        });
        writes
    }
}
