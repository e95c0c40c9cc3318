//! A reference device: what a device developer would copy.
//!
//! It gets its twin at every connect and listens for patches, downloads what the link leads to, checks it, replaces its file
//! in one step, and answers. Each file is one concern: [`connection_string`](ConnectionString), `mqtt`, `link`, `download`,
//! `disk`, `answer`, `backoff`; [`run`] in `device` puts them together.

mod answer;
mod backoff;
mod connection_string;
mod device;
mod disk;
mod download;
mod link;
mod mqtt;
mod shared;
mod token;

pub use connection_string::{ConnectionString, Malformed};
pub use device::{Config, run};
pub use shared::{SetupError, Shared};
