//! Microsoft's IoT Hub SDKs for Node: `azure-iothub`, `azure-iot-device` and `azure-iot-device-mqtt`, unmodified.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cache::Cache;
use crate::commands::{self, Output};
use crate::npm::IOTHUB_SDKS;

/// The installed SDKs, and a Node to run scripts with.
#[derive(Debug, Clone)]
pub struct NodeSdks {
    node: PathBuf,
    folder: PathBuf,
}

impl NodeSdks {
    /// Installs them, unless that was done before, to run on the machine's own Node.
    pub async fn locate_or_install() -> Result<Self> {
        Self::on(PathBuf::from("node")).await
    }

    /// The same on a certain Node.
    pub(crate) async fn on(node: PathBuf) -> Result<Self> {
        let cache = Cache::of_user()?;
        let folder = if let Some(folder) = IOTHUB_SDKS.installed(&cache) {
            folder
        } else {
            IOTHUB_SDKS.require_tools().await?;
            IOTHUB_SDKS.install(&cache, (1, 1)).await?
        };
        Ok(Self { node, folder })
    }

    /// A command that runs `script`, wherever it is, so that its `require` finds the SDKs. `import` would not: name the
    /// script `.cjs`.
    pub fn command(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(script).env("NODE_PATH", self.folder.join("node_modules"));
        command
    }

    /// Runs `script` to its end; it is killed when the future is dropped, and when this process ends.
    pub async fn run(
        &self,
        script: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Output> {
        let mut command = self.command(script);
        command.args(arguments).envs(environment.iter().copied());
        commands::run(&command).await
    }
}
