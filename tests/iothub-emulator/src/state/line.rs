//! The lines of a state file.

use serde::{Deserialize, Serialize};

use super::secrets::Secrets;
use crate::configurations::StoredConfiguration;
use crate::jobs::{StoredJob, StoredRow, StoredTurns};
use crate::registry::StoredDevice;

/// How a file starts that is one.
pub(super) const FORMAT: &str = "iothub-emulator state";
/// Grows with every change that an older emulator could not read.
pub(super) const VERSION: u64 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub format: String,
    pub version: u64,
}

/// Any other line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    Hub(HubLine),
    Job(StoredJob),
    JobDevice(StoredRow),
    JobTurns(StoredTurns),
    Device(Box<StoredDevice>),
    Module(Box<StoredDevice>),
    Configuration(StoredConfiguration),
    End(End),
}

/// The same, to write it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum LineToWrite<'a> {
    Hub(HubLineToWrite<'a>),
    Job(&'a StoredJob),
    JobDevice(&'a StoredRow),
    JobTurns(&'a StoredTurns),
    Device(&'a StoredDevice),
    Module(&'a StoredDevice),
    Configuration(&'a StoredConfiguration),
    End(End),
}

/// The second line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HubLine {
    #[serde(flatten)]
    pub secrets: Secrets,
    /// Of devices, and of modules.
    pub last_generations: [u64; 2],
}

/// The same, to write it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HubLineToWrite<'a> {
    #[serde(flatten)]
    pub secrets: &'a Secrets,
    pub last_generations: [u64; 2],
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// Lines before this one.
    pub lines: u64,
    /// Of all bytes before this line, in hexadecimal digits.
    pub sha256: String,
}
