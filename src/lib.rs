//! blobrollout delivers configuration assets that are too big or too binary for an Azure IoT Hub twin.
//!
//! The asset goes to Blob Storage, the twin of every targeted device gets a link to it, and the devices' answers are mirrored
//! into the status of the custom resource [`api::BlobRollout`]. Twins and blobs are the truth; nothing else is stored.
//!
//! The way of the data: [`controller`] observes, [`rollout`] plans (pure), the controller's supervisor keeps [`tasks`] in step with the
//! plan, and the status is reported. Tasks ask [`storage`], [`hub`] and [`source`]; what they find is the next plan's facts.

pub mod api;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod fleet;
pub mod health;
pub mod hub;
pub mod metrics;
pub mod redact;
pub mod retry_class;
pub mod rollout;
pub mod secret;
pub mod source;
pub mod storage;
pub mod tasks;
pub mod telemetry;
pub mod time;
