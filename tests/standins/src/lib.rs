//! The real things that the tests and the quickstart run on: etcd, `kube-apiserver`, `kubectl`, Helm, Azurite, kstatus and
//! Microsoft's IoT Hub SDKs for Node and Python. What the machine does not have is built or installed once into the user's cache directory.
//!
//! Nothing that is started here outlives this process, however it ends: see [`Guarded`].

mod access_log;
mod audit_log;
mod azurite;
mod cache;
mod certificates;
mod commands;
mod control_plane;
mod error;
mod found;
mod go_build;
mod guard;
mod helm;
mod kstatus;
mod needed_tools;
mod node_sdks;
mod npm;
mod ports;
mod programs;
mod progress;
mod python_sdks;
mod service_account;
mod toolchain;

pub use access_log::AccessEntry;
pub use audit_log::AuditEntry;
pub use azurite::{Account, Azurite, AzuriteOptions};
pub use commands::Output;
pub use control_plane::ControlPlane;
pub use error::{Error, Result};
pub use guard::{Guarded, Signal};
pub use kstatus::{Kstatus, kstatus};
pub use node_sdks::NodeSdks;
pub use ports::own_loopback_address;
pub use progress::say;
pub use python_sdks::PythonSdks;
pub use toolchain::Toolchain;
