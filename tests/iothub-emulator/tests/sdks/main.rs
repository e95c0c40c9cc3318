//! Microsoft's four SDKs, unmodified, against the emulator. Each script prints one line of JSON for every step; what they say
//! is compared with what is expected of the hub, and with the emulator's own state. `docs/sdks.md` lists it all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod hub;
mod node_device;
mod node_service;
mod node_service_bulk;
mod node_service_configurations;
mod node_service_jobs;
mod node_service_modules;
mod python_device;
mod python_service;
mod python_service_bulk;
mod python_service_configurations;
mod python_service_jobs;
mod python_service_modules;
mod readme;
mod scripts;
mod wire;
mod wired;
