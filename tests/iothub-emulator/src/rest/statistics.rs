//! Counts of devices: `/statistics/devices` and `/statistics/service`.

use std::ops::ControlFlow;

use serde_json::json;

use super::answer::Answer;
use crate::hub::Hub;
use crate::registry::Device;

pub(super) fn devices(hub: &Hub) -> Answer {
    let (total, enabled) = count(hub, |device| device.identity.enabled);
    Answer::json(&json!({
        "totalDeviceCount": total,
        "enabledDeviceCount": enabled,
        "disabledDeviceCount": total - enabled,
    }))
}

pub(super) fn service(hub: &Hub) -> Answer {
    let (_, connected) = count(hub, Device::is_connected);
    Answer::json(&json!({ "connectedDeviceCount": connected }))
}

/// All devices, and those of which `wanted` is true.
fn count(hub: &Hub, wanted: impl Fn(&Device) -> bool) -> (u64, u64) {
    let (mut total, mut found) = (0, 0);
    hub.registry.scan(None, |device| {
        total += 1;
        found += u64::from(wanted(device));
        ControlFlow::Continue(())
    });
    (total, found)
}
