//! blobrollout delivers configuration assets that are too big or too binary for an Azure IoT Hub twin.
//!
//! The asset goes to Blob Storage, the twin of every targeted device gets a link to it, and the devices' answers are mirrored
//! into the status of the custom resource [`api::BlobRollout`]. Twins and blobs are the truth; nothing else is stored.
//!
//! The way of the data: [`controller`] observes ([`source`], [`storage`], [`fleet`]), decides, acts and reports.

pub mod api;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod fleet;
pub mod follow;
pub mod health;
pub mod hub;
pub mod metrics;
pub mod redact;
pub mod secret;
pub mod source;
pub mod storage;
pub mod telemetry;
pub mod time;
