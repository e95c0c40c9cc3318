//! Sweeps and counts against a hub, without a cluster.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod backwards;
mod contested;
mod count;
mod disturbed;
mod each_device;
mod hold;
mod links;
mod owners;
mod stage;
mod storage;
mod throughput;
mod time;
mod ts;
