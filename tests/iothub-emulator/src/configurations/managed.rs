//! What configurations have to do with one twin: which of them target it, and which of its settings are whose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::content::{Leaves, Path, patch};
use crate::registry::Device;
use crate::twins::{Change, Found};

/// Kept with a device or module that is targeted, and so in a state file.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Managed {
    /// Whether all settings of a configuration are in force, by its id.
    statuses: BTreeMap<String, bool>,
    /// The configuration that wrote a setting.
    #[serde(with = "super::stored::pairs")]
    owners: BTreeMap<Path, String>,
}

impl Managed {
    /// `Applied` or `Targeted`; none if the configuration does not target this twin.
    pub fn status(&self, configuration: &str) -> Option<&'static str> {
        self.statuses.get(configuration).map(|applied| if *applied { "Applied" } else { "Targeted" })
    }

    /// The twin's `configurations`.
    pub fn document(&self) -> Map<String, Value> {
        let ids = self.statuses.keys();
        ids.filter_map(|id| Some((id.clone(), json!({ "status": self.status(id)? })))).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.statuses.is_empty() && self.owners.is_empty()
    }

    /// Adds what is known of Edge deployments, which own no single settings of the device.
    pub fn add_statuses(&mut self, statuses: BTreeMap<String, bool>) {
        self.statuses.extend(statuses);
    }
}

/// What the configurations that target a twin want of it together.
#[derive(Default)]
pub(super) struct Wanted {
    settings: BTreeMap<Path, (Value, String)>,
    /// Whether nothing of a configuration gave way to another one.
    statuses: BTreeMap<String, bool>,
}

impl Wanted {
    /// Adds a configuration of a higher priority than all before: where paths meet, it wins.
    pub fn add(&mut self, id: &str, leaves: &Leaves) {
        for (path, value) in leaves {
            let beaten: Vec<_> = self.settings.keys().filter(|other| meets(path, other)).cloned().collect();
            for other in beaten {
                if let Some((_, loser)) = self.settings.remove(&other) {
                    self.statuses.insert(loser, false);
                }
            }
            self.settings.insert(path.clone(), (value.clone(), id.to_owned()));
        }
        self.statuses.insert(id.to_owned(), true);
    }

    /// What is to be written to a twin, if anything: settings that differ, and nulls for those of configurations that
    /// `still_exist` and no longer want them. What a deleted configuration wrote stays.
    pub fn change(&self, device: &Device, still_exist: impl Fn(&str) -> bool) -> Option<Value> {
        let differing = self
            .settings
            .iter()
            .filter(|(path, (value, _))| !holds(device, path, value))
            .map(|(path, (value, _))| (path, value));
        let owners = device.configurations.iter().flat_map(|managed| &managed.owners);
        let abandoned = owners
            .filter(|(path, owner)| {
                let wanted = self.settings.keys().any(|other| meets(path, other));
                !wanted && still_exist(owner) && !holds(device, path, &Value::Null)
            })
            .map(|(path, _)| (path, &Value::Null));
        let values: Vec<_> = differing.chain(abandoned).collect();
        if values.is_empty() { None } else { Some(patch(values)) }
    }

    /// What is known of the twin after that; `written` is whether it could be.
    pub fn into_managed(self, written: bool) -> Managed {
        Managed {
            statuses: self.statuses.into_iter().map(|(id, whole)| (id, whole && written)).collect(),
            owners: self.settings.into_iter().map(|(path, (_, id))| (path, id)).collect(),
        }
    }
}

/// Whether one of the paths is the other, or leads to it.
fn meets(path: &Path, other: &Path) -> bool {
    path.starts_with(other) || other.starts_with(path)
}

/// Whether a twin has this value at this path already.
fn holds(device: &Device, path: &Path, value: &Value) -> bool {
    match (device.twin.desired.find(path), value) {
        // An object among the leaves is empty, and asks for there being one.
        (Found::Undefined, Value::Null) | (Found::Object(_), Value::Object(_)) => true,
        (found, value) => found.to_json().as_ref() == Some(value),
    }
}

/// Reads a patch that [`Wanted::change`] made.
pub(super) fn as_change(patch: &Value) -> Option<Change> {
    Change::parse(patch.clone()).ok()
}
