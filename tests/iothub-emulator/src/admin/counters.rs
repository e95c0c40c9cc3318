//! The counters as JSON.

use serde_json::{Value, json};

use crate::counters::Outcome;
use crate::hub::Hub;

/// `GET /counters`: all since the start, but for the messages of the day. `twinWrites` are writes of desired properties by device.
pub(super) fn document(hub: &Hub) -> Value {
    let counts = hub.counts();
    let requests = counts.requests.iter().map(|((route, outcome), count)| {
        let outcome = match outcome {
            Outcome::Status(status) => json!(status),
            Outcome::Reset => json!("reset"),
        };
        json!({"route": route, "outcome": outcome, "count": count})
    });
    json!({
        "requests": requests.collect::<Vec<_>>(),
        "throttled": counts.throttled(),
        "twinWrites": hub.desired_writes(),
        "connects": counts.connects,
        "refusedConnects": counts.refused_connects,
        "deviceReads": counts.device_reads,
        "reports": counts.reports,
        "notifications": counts.notifications,
        "telemetry": counts.telemetry,
        "delayed": counts.delayed,
        "throttledDeviceOperations": counts.throttled_device_operations,
        "messages": counts.messages,
    })
}
