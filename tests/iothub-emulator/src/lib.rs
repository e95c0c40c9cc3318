//! An Azure IoT Hub emulator, to the wire: service REST, the query language of twins, device MQTT. In memory, and if wanted
//! in a file.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = iothub_emulator::Emulator::start(iothub_emulator::Settings::default()).await?;
//! let device = emulator.create_device("dev1", &serde_json::json!({"site": "plant-a"}))?;
//! println!("{} {device}", emulator.service_connection_string());
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod admin;
mod auth;
mod client_certificate;
mod clock;
mod configurations;
mod counters;
mod emulator;
mod error;
mod faults;
#[doc(hidden)]
pub mod fuzz;
mod hub;
mod identity;
mod jobs;
mod listener;
mod mqtt;
mod open_files;
mod physics;
mod query;
mod random;
mod refused;
mod registry;
mod rest;
mod route;
mod seed;
mod settings;
mod simulation;
mod state;
mod template;
mod tls;
mod twins;

pub use clock::{Clock, Timestamp};
pub use counters::{Counts, Outcome};
pub use emulator::Emulator;
pub use faults::{Effect, Fault, When};
pub use open_files::raise_open_files_limit;
pub use physics::{LimitError, Limits, Operation, Rate, Tier};
pub use refused::{CallError, StartError};
pub use route::Route;
pub use seed::Seed;
pub use settings::{ConfigurationSettings, JobSettings, QuerySettings, Settings, TwinSettings};
pub use simulation::{AckContract, SimulatedAcks};
pub use state::{Refusal, StateError};
pub use tls::TlsError;
