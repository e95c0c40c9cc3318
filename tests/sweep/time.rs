//! One time for the hub, the operator and all that waits, many times as fast as the machine's. It goes on only as fast as the test is
//! served, so a busy machine makes nobody late.

use std::time::Duration;

use iothub_emulator::{Clock, Timestamp as Hands};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::mpsc;

/// Earlier than every real time, so that devices, which sign by the real one, are let in. 2025-06-01T12:00:00Z.
const BEGIN: u64 = 1_748_779_200;
/// How much time passes in a millisecond of the machine.
const STEP: Duration = Duration::from_millis(20);

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_mins(2);

/// Begins it, and gives the hub's clock. The test's runtime must have one thread.
pub fn begin() -> Clock {
    tokio::time::pause();
    let clock = Clock::manual(Hands::from_unix_seconds(BEGIN));
    let (tick, mut ticks) = mpsc::channel(1);
    // While it runs, a runtime that waits for the network does not skip to the next timer.
    tokio::task::spawn_blocking(move || {
        while tick.blocking_send(()).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let hands = clock.clone();
    tokio::spawn(async move {
        while ticks.recv().await.is_some() {
            hands.advance(STEP);
            tokio::time::advance(STEP).await;
        }
    });
    clock
}

/// What the hub's clock tells.
pub fn instant(clock: &Clock) -> Timestamp {
    clock.now().to_string().parse().unwrap()
}

/// Waits for a condition, and fails where it does not come.
pub async fn until(condition: impl Fn() -> bool) {
    let come = async {
        while !condition() {
            tokio::time::sleep(STEP).await;
        }
    };
    tokio::time::timeout(PATIENCE, come).await.unwrap();
}
