//! Automatic device and module configurations: settings for all twins that meet a condition, kept so by the hub
//! ("Automatic IoT device and module management").

mod configuration;
mod content;
mod edge;
mod evaluation;
mod managed;
mod stored;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::clock::Timestamp;
use crate::error::{ErrorCode, HubError};
use crate::hub::Hub;
use crate::settings::{ConfigurationSettings, QuerySettings};
use configuration::Configuration;
use content::Content;
pub(crate) use managed::Managed;
pub(crate) use stored::StoredConfiguration;

/// A configuration as the service API shows it.
pub(crate) struct Shown {
    pub document: Value,
    /// Without quotes.
    pub etag: String,
}

/// All configurations of the hub. As with jobs, what is due is done by [`Configurations::advance`]; whoever locks both
/// these and devices locks these first.
pub(crate) struct Configurations {
    state: Mutex<evaluation::Configurations>,
    /// When the next evaluation is due, in ticks of [`Timestamp`].
    due: AtomicU64,
    /// How often it was set, which follows every change.
    changes: AtomicU64,
    settings: ConfigurationSettings,
}

impl fmt::Debug for Configurations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configurations").field("configurations", &self.state().len()).finish_non_exhaustive()
    }
}

impl Configurations {
    pub fn new(settings: ConfigurationSettings) -> Self {
        Self {
            state: Mutex::default(),
            due: AtomicU64::new(u64::MAX),
            changes: AtomicU64::default(),
            settings,
        }
    }

    fn state(&self) -> MutexGuard<'_, evaluation::Configurations> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At most `top` of them, in the order of their ids.
    pub fn list(&self, top: usize) -> Vec<Value> {
        self.state().values().take(top).map(Configuration::document).collect()
    }

    pub fn get(&self, id: &str) -> Result<Shown, HubError> {
        self.state().get(id).map(shown).ok_or_else(|| not_found(id))
    }

    /// Adds one; 409 if there is one of this id, 413 if there are as many as a hub can have. Edge deployments are counted
    /// by themselves.
    pub fn create(&self, hub: &Hub, id: &str, body: &Value) -> Result<Shown, HubError> {
        let now = hub.clock.now();
        let new = Configuration::create(id, body, now, &hub.queries)?;
        let mut state = self.state();
        if state.contains_key(id) {
            let text = format!("A configuration with the same id already exists: {id}");
            return Err(HubError::new(ErrorCode::ConfigurationAlreadyExists, text));
        }
        let max = hub.physics.limits().max_configurations;
        if state.values().filter(|found| found.is_edge() == new.is_edge()).count() >= max {
            // azure-docs#94528.
            let text = format!("Number of deployments exceed the maximum quota {max} for this IotHub.");
            return Err(HubError::new(ErrorCode::ConfigurationCountLimitExceeded, text));
        }
        let answer = shown(&new);
        state.insert(id.to_owned(), new);
        self.set_due(now);
        Ok(answer)
    }

    /// Changes one whose etag `agreed` accepts.
    pub fn update(
        &self,
        hub: &Hub,
        id: &str,
        body: &Value,
        agreed: impl FnOnce(&str) -> Result<(), HubError>,
    ) -> Result<Shown, HubError> {
        let now = hub.clock.now();
        let mut state = self.state();
        let configuration = state.get_mut(id).ok_or_else(|| not_found(id))?;
        agreed(&configuration.etag())?;
        configuration.update(body, now, &hub.queries)?;
        let answer = shown(configuration);
        self.set_due(now);
        Ok(answer)
    }

    pub fn remove(
        &self,
        id: &str,
        now: Timestamp,
        agreed: impl FnOnce(&str) -> Result<(), HubError>,
    ) -> Result<(), HubError> {
        let mut state = self.state();
        agreed(&state.get(id).ok_or_else(|| not_found(id))?.etag())?;
        state.remove(id);
        self.set_due(now);
        Ok(())
    }

    /// Evaluates if it is time: at once after a change, else again and again.
    pub fn advance(&self, hub: &Hub, now: Timestamp) {
        if now.ticks() < self.due.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state();
        evaluation::evaluate(&mut state, hub);
        if state.is_empty() {
            self.due.store(u64::MAX, Ordering::Relaxed);
        } else {
            self.set_due(now.plus(self.settings.interval));
        }
    }

    fn set_due(&self, at: Timestamp) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.due.store(at.ticks(), Ordering::Relaxed);
    }
}

/// `POST /configurations/testQueries`.
pub(crate) fn test_queries(body: &Value, settings: &QuerySettings) -> Value {
    configuration::test_queries(body, settings)
}

/// `POST /devices/{id}/applyConfigurationContent`: for Edge devices, and content for their modules
/// (azure-iot-sdk-csharp#2419).
pub(crate) fn apply_content(hub: &Hub, device: &str, body: &Value) -> Result<(), HubError> {
    hub.registry.read(device, |_| ())?;
    match Content::parse(body)? {
        Content::Edge(modules) => edge::apply(hub, device, &modules),
        Content::Device(_) | Content::Module(_) => Err(HubError::new(
            ErrorCode::InvalidConfigurationContent,
            "Only modulesContent can be applied to an Edge device",
        )),
    }
}

fn shown(configuration: &Configuration) -> Shown {
    Shown { document: configuration.document(), etag: configuration.etag() }
}

fn not_found(id: &str) -> HubError {
    HubError::new(ErrorCode::ConfigurationNotFound, format!("Configuration {id} not found"))
}
