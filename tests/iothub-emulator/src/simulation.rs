//! Answers of devices that are not there: how a fleet takes a new link, without one connection.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::hub::Hub;
use crate::physics::Operation;
use crate::registry::Device;
use crate::twins::Change;

/// What a device does that is told to wait ("Wait 10 seconds and try again").
const AFTER_THROTTLING: Duration = Duration::from_secs(10);

/// How devices answer a desired patch that names the property, as long as they are not connected. The shares are
/// percentages of the devices, the rest never answer; a device belongs to one share for good: by the number at the end of
/// its id, or else by a digest of it, so that devices numbered in a row keep the shares exactly. Modules answer patches of their
/// own twins, and belong to the share of their device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SimulatedAcks {
    /// The property under `desired`, and under `reported`.
    pub property: String,
    /// The form of the answers.
    pub contract: AckContract,
    /// Percentage of devices that took the asset.
    pub received: u8,
    /// Percentage of devices that say they failed. The echo cannot say that: such devices do not answer.
    pub failed: u8,
    /// Percentage of devices that answer with another asset's link.
    pub wrong: u8,
    /// Percentage of devices that took the asset and say so `late_ms` after the others.
    pub late: u8,
    /// Time on the hub's clock from the patch to the answer, in milliseconds.
    pub delay_ms: u64,
    /// How much more the late ones take, in milliseconds.
    pub late_ms: u64,
}

/// The two forms in which devices answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AckContract {
    /// `{current, acknowledged, status}`.
    #[default]
    Structured,
    /// `{uri, ts}`, as they were in the desired property.
    Echo,
}

impl Default for SimulatedAcks {
    /// All devices answer at once, structured, under `configurationBlob`.
    fn default() -> Self {
        Self {
            property: "configurationBlob".to_owned(),
            contract: AckContract::default(),
            received: 100,
            failed: 0,
            wrong: 0,
            late: 0,
            delay_ms: 0,
            late_ms: 60_000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Received,
    Failed,
    Wrong,
    Late,
    Never,
}

impl SimulatedAcks {
    /// Whether the shares are shares of one whole.
    pub(crate) fn is_possible(&self) -> bool {
        [self.received, self.failed, self.wrong, self.late].into_iter().map(u32::from).sum::<u32>() <= 100
    }

    fn kind_of(&self, id: &str) -> Kind {
        let place = u8::try_from(place(id)).unwrap_or_default();
        let mut upper = 0u8;
        let shares = [
            (self.received, Kind::Received),
            (self.failed, Kind::Failed),
            (self.wrong, Kind::Wrong),
            (self.late, Kind::Late),
        ];
        for (share, kind) in shares {
            upper = upper.saturating_add(share);
            if place < upper {
                return kind;
            }
        }
        Kind::Never
    }

    fn delay_of(&self, kind: Kind) -> Option<Duration> {
        let late = match kind {
            Kind::Never => return None,
            Kind::Failed if self.contract == AckContract::Echo => return None,
            Kind::Late => self.late_ms,
            _ => 0,
        };
        Some(Duration::from_millis(self.delay_ms.saturating_add(late)))
    }

    /// The reported patch of a device, for the link that it has now.
    fn answer(&self, device: &Device) -> Option<Map<String, Value>> {
        let desired = device.twin.desired.find(&[self.property.as_str().into()]).to_json()?;
        let uri = desired.get("uri").and_then(Value::as_str)?;
        let wrong = || format!("{}-of-another", uri.split('?').next().unwrap_or_default());
        let kind = self.kind_of(device.identity.id.device());
        let named = if kind == Kind::Wrong { wrong() } else { uri.to_owned() };
        let answer = match (self.contract, kind) {
            (AckContract::Echo, _) => json!({"uri": named, "ts": desired.get("ts")}),
            (AckContract::Structured, Kind::Failed) => json!({"acknowledged": named, "status": "failed"}),
            (AckContract::Structured, _) => {
                json!({"current": named, "acknowledged": named, "status": "received"})
            }
        };
        Some(Map::from_iter([(self.property.clone(), answer)]))
    }
}

/// The place of a device among a hundred.
fn place(id: &str) -> u64 {
    let digits = id.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let number = id.get(digits..).and_then(|digits| digits.parse::<u64>().ok());
    // FNV-1a: the same in every run.
    let digest = || {
        id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    number.unwrap_or_else(digest) % 100
}

/// A device or a module that is to answer, and when, in [`crate::Clock::elapsed`].
type Due = (Duration, String);

/// The answers that are asked for, and the way to the task that gives them.
#[derive(Debug)]
pub(crate) struct Simulation {
    acks: Mutex<Option<Arc<SimulatedAcks>>>,
    queue: mpsc::UnboundedSender<Due>,
}

impl Simulation {
    /// With it comes what [`run`] takes.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Due>) {
        let (queue, due) = mpsc::unbounded_channel();
        (Self { acks: Mutex::default(), queue }, due)
    }

    pub fn set(&self, acks: Option<SimulatedAcks>) {
        *self.acks.lock().unwrap_or_else(PoisonError::into_inner) = acks.map(Arc::new);
    }

    fn acks(&self) -> Option<Arc<SimulatedAcks>> {
        self.acks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A device's desired properties were changed: it may have to answer. Not under a wait: the device is locked.
    pub fn changed(&self, device: &Device, change: &Change, elapsed: Duration) {
        let Some(acks) = self.acks() else { return };
        let named = change.desired.as_ref().is_some_and(|desired| desired.contains_key(&acks.property));
        if !named || device.is_connected() {
            return;
        }
        let id = &device.identity.id;
        if let Some(delay) = acks.delay_of(acks.kind_of(id.device())) {
            // Without its task the hub is about to end.
            let _ = self.queue.send((elapsed.saturating_add(delay), id.to_string()));
        }
    }
}

/// Gives the answers when they are due, one after the other, as the hub's limits let them.
pub(crate) async fn run(hub: Arc<Hub>, mut queue: mpsc::UnboundedReceiver<Due>) {
    let mut waiting: BinaryHeap<Reverse<Due>> = BinaryHeap::new();
    loop {
        let first = waiting.peek().map(|Reverse((at, _))| at.saturating_sub(hub.clock.elapsed()));
        match first {
            Some(Duration::ZERO) => {
                if let Some(Reverse((_, id))) = waiting.pop() {
                    answer(&hub, &id).await;
                    // A whole fleet may be due: others want to work as well.
                    tokio::task::yield_now().await;
                }
            }
            left => tokio::select! {
                due = queue.recv() => match due {
                    Some(due) => waiting.push(Reverse(due)),
                    None => return,
                },
                () = hub.clock.sleep(left.unwrap_or_default()), if left.is_some() => {}
            },
        }
    }
}

async fn answer(hub: &Hub, id: &str) {
    while hub.admit(Operation::TwinUpdates, 1).await.is_err() {
        hub.counters.count_throttled_device_operation();
        hub.clock.sleep(AFTER_THROTTLING).await;
    }
    // Switched off meanwhile, or the quota is used up: the answer is lost.
    let Some(acks) = hub.simulation.acks() else { return };
    if hub.physics.check_quota(&hub.clock).is_err() {
        return;
    }
    let now = hub.clock.now();
    // A device that is gone answers nothing.
    let _ = hub.write(id, |device| {
        let Some(patch) = acks.answer(device) else { return Ok(()) };
        device.twin.report(&patch, now)?;
        hub.counters.count_report();
        hub.physics.charge(serde_json::to_vec(&patch).map_or(0, |bytes| bytes.len()), &hub.clock);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_numbered_devices_are_exact_and_others_are_spread() {
        let acks = SimulatedAcks { received: 50, failed: 20, wrong: 5, late: 15, ..SimulatedAcks::default() };
        let count = |ids: &[String], kind| ids.iter().filter(|id| acks.kind_of(id) == kind).count();
        let numbered: Vec<String> = (1..=1000).map(|n| format!("device-{n:05}")).collect();
        let named: Vec<String> = (1..=1000).map(|n| format!("{n}-device")).collect();
        let table = [
            (Kind::Received, 500),
            (Kind::Failed, 200),
            (Kind::Wrong, 50),
            (Kind::Late, 150),
            (Kind::Never, 100),
        ];
        for (kind, expected) in table {
            assert_eq!(count(&numbered, kind), expected, "{kind:?}");
            assert!(count(&named, kind).abs_diff(expected) < 60, "{kind:?}");
        }
        assert!(acks.is_possible());
        assert!(!SimulatedAcks { late: 1, ..SimulatedAcks::default() }.is_possible());
    }
}
