//! What of a hub is written, in which order.

use std::io::{self, Write};

use super::line::{HubLineToWrite, LineToWrite};
use super::secrets::Secrets;
use super::writer::Writer;
use crate::hub::Hub;
use crate::registry::{Registry, StoredDevice};

/// Devices of a job that are copied while nothing else can be done with jobs.
const JOB_CHUNK: usize = 1024;

/// Writes a whole file. The hub goes on meanwhile.
pub(super) fn write<W: Write>(hub: &Hub, secrets: &Secrets, to: W) -> io::Result<W> {
    let mut writer = Writer::start(to)?;
    let last_generations = [hub.registry.last_generation(), hub.modules.last_generation()];
    writer.line(&LineToWrite::Hub(HubLineToWrite { secrets, last_generations }))?;
    let (turns, jobs) = hub.jobs.stored();
    for (job, devices) in &jobs {
        writer.line(&LineToWrite::Job(job))?;
        for start in (0..*devices).step_by(JOB_CHUNK) {
            for row in hub.jobs.stored_rows(&job.id, start..devices.min(&(start + JOB_CHUNK)).to_owned()) {
                writer.line(&LineToWrite::JobDevice(&row))?;
            }
        }
    }
    writer.line(&LineToWrite::JobTurns(&turns))?;
    all(&hub.registry, |device| writer.line(&LineToWrite::Device(device)))?;
    all(&hub.modules, |module| writer.line(&LineToWrite::Module(module)))?;
    for configuration in hub.configurations.stored() {
        writer.line(&LineToWrite::Configuration(&configuration))?;
    }
    writer.end()
}

/// Copies some, and writes them when they are no longer locked.
fn all(registry: &Registry, mut write: impl FnMut(&StoredDevice) -> io::Result<()>) -> io::Result<()> {
    let mut after: Option<String> = None;
    loop {
        let devices = registry.stored_after(after.as_deref());
        let Some(last) = devices.last() else { return Ok(()) };
        after = Some(last.identity.id.to_string());
        devices.iter().try_for_each(&mut write)?;
    }
}
