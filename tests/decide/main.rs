//! Every rule of the product, as a decision about a world that was seen: no client, no clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod conditions;
mod counting;
mod guards;
mod links;
mod rest;
mod revisions;
mod world;
