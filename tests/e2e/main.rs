//! The whole operator against a real API server, real Azurite and the hub, as a process of its own under the chart's rights.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod admission;
mod bad_input;
mod case;
mod chart;
mod delivery;
mod economy;
mod microsoft_sdks;
mod outage;
mod process;
mod rules;
mod secrecy;
mod shared;
