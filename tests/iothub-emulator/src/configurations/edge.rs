//! Edge deployments: the modules of a device and what their twins are to hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::content::{Setting, patch};
use crate::error::{ErrorCode, HubError};
use crate::hub::Hub;
use crate::identity::{DeviceId, IdentityUpdate};
use crate::registry::Device;
use crate::twins::Change;

/// Brings the modules of an Edge device to what a deployment says. Modules that it names and that do not exist are
/// made; twins that are as they should be are left alone.
pub(super) fn apply(
    hub: &Hub,
    device: &str,
    modules: &BTreeMap<String, Vec<Setting>>,
) -> Result<(), HubError> {
    if !hub.registry.read(device, |device| device.identity.iot_edge)? {
        let text = format!("Device {device} is no Edge device");
        return Err(HubError::new(ErrorCode::InvalidConfigurationContent, text));
    }
    let agent = modules.get("$edgeAgent").into_iter().flatten();
    let run_by_agent = agent.filter(|setting| setting.path.is_empty()).filter_map(|setting| {
        setting.value.get("modules").and_then(Value::as_object).map(|modules| modules.keys())
    });
    for module in modules.keys().chain(run_by_agent.flatten()) {
        make(hub, device, module)?;
    }
    for (module, settings) in modules {
        let id = DeviceId::of_module(device, module)?;
        hub.modules.write(id.as_str(), |module| {
            settings.iter().try_for_each(|setting| write(hub, module, setting))
        })?;
    }
    Ok(())
}

fn make(hub: &Hub, device: &str, module: &str) -> Result<(), HubError> {
    let id = DeviceId::of_module(device, module)?;
    match hub.create(id, IdentityUpdate::edge_module(), |_| Ok(())) {
        Err(error) if error.code != ErrorCode::ModuleAlreadyExistsOnDevice => Err(error),
        _ => Ok(()),
    }
}

/// Makes the twin hold exactly this value at its path.
fn write(hub: &Hub, module: &mut Device, setting: &Setting) -> Result<(), HubError> {
    let found = module.twin.desired.find(&setting.path).to_json();
    let held = found.map(|mut held| {
        if let Some(members) = held.as_object_mut() {
            members.retain(|key, _| !key.starts_with('$'));
        }
        held
    });
    if held.as_ref() == Some(&setting.value) {
        return Ok(());
    }
    if setting.path.is_empty() {
        let whole = json!({ "properties": { "desired": setting.value } });
        return hub.change_twin(module, &Change::parse(whole)?, true);
    }
    // What was there is removed first: a patch alone would merge the two.
    if held.is_some_and(|held| held.is_object()) {
        hub.change_twin(module, &Change::parse(patch([(&setting.path, &Value::Null)]))?, false)?;
    }
    hub.change_twin(module, &Change::parse(patch([(&setting.path, &setting.value)]))?, false)
}
