//! The whole operator against a real API server, real Azurite and the hub, as a process of its own under the chart's rights.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod admission;
mod backwards;
mod bad_input;
mod brake;
mod case;
mod cases;
mod chart;
mod clusters;
mod delivery;
mod door;
mod economy;
mod expiry;
mod kstatus;
mod leftovers;
mod microsoft_sdks;
mod operator;
mod outage;
mod owners;
mod process;
mod requests;
mod rights;
mod rules;
mod secrecy;
mod shared;
