//! The fleet: reference devices, each a task of this process with a file on disk.

use std::path::PathBuf;

use reference_device::{Config, ConnectionString, Shared};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Outcome, stage::Stage};

/// Running devices.
pub struct Fleet {
    files: Vec<(String, PathBuf)>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Fleet {
    /// Starts a device for each connection string.
    pub fn start(stage: &Stage) -> Outcome<Self> {
        let folder = stage.folder().join("devices");
        std::fs::create_dir(&folder)?;
        let roots = std::fs::read_to_string(stage.ca_file())?;
        let shared = Shared::new(Some(&roots))?;
        let mut fleet = Self { files: Vec::new(), tasks: JoinSet::new(), stop: CancellationToken::new() };
        for text in &stage.connection_strings {
            let connection = ConnectionString::parse(text)?;
            let device = connection.device_id().to_owned();
            let file = folder.join(&device);
            let config = Config::new(connection, file.clone());
            fleet.tasks.spawn(reference_device::run(config, shared.clone(), fleet.stop.clone()));
            fleet.files.push((device, file));
        }
        println!("{} reference devices start as tasks of this process.", fleet.files.len());
        Ok(fleet)
    }

    /// Each device with its file.
    pub fn files(&self) -> &[(String, PathBuf)] {
        &self.files
    }

    /// Ends all devices.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
