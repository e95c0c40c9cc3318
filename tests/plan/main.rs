//! Every rule of the product, as a plan for a world that was seen: no client, no clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod conditions;
mod counting;
mod deletion;
mod faults;
mod fleet;
mod guards;
mod newer;
mod requests;
mod rest;
mod revisions;
mod suspension;
mod sweeping;
mod world;
