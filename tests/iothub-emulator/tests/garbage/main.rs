//! Input that no client should send: the hub's own error, or the end of the connection, and the hub goes on.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod http;
mod ids;
mod mqtt;
mod raw;
mod slow;
mod tls;
mod tokens;
mod websocket;
