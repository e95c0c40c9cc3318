//! Installs a set of npm packages, each pinned by a committed lock file.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{Cache, digest};
use crate::commands::run;
use crate::needed_tools::{NODE, NPM};
use crate::progress::step;
use crate::{Error, Result};

/// A manifest and its lock file.
#[derive(Debug)]
pub(crate) struct Packages {
    pub name: &'static str,
    manifest: &'static str,
    lock: &'static str,
}

/// Azurite 3.37.0, the first that knows the storage SDK's service version, and Node 22, the least that it supports.
pub(crate) static AZURITE: Packages = Packages {
    name: "azurite",
    manifest: include_str!("../npm/azurite/package.json"),
    lock: include_str!("../npm/azurite/package-lock.json"),
};

/// Microsoft's Node SDKs for the service and the device side of IoT Hub.
pub(crate) static IOTHUB_SDKS: Packages = Packages {
    name: "iothub-sdks",
    manifest: include_str!("../npm/iothub-sdks/package.json"),
    lock: include_str!("../npm/iothub-sdks/package-lock.json"),
};

impl Packages {
    /// The folder of the cache for exactly this lock file.
    fn key(&self) -> String {
        format!("npm/{}-{}", self.name, digest([self.lock]))
    }

    /// The folder with `node_modules` in it, if they were installed before.
    pub fn installed(&self, cache: &Cache) -> Option<PathBuf> {
        Some(cache.path(&self.key())).filter(|path| path.exists())
    }

    /// Refuses if what installs them is not there.
    pub async fn require_tools(&self) -> Result<()> {
        let purpose = format!("install {} from npm", self.name);
        NODE.require(&purpose).await?;
        NPM.require(&purpose).await
    }

    /// Installs them into the cache, as this one of so many steps. No package's own install script is run.
    pub async fn install(&self, cache: &Cache, steps: (usize, usize)) -> Result<PathBuf> {
        let key = self.key();
        let install = cache.entry(&key, async |scratch| self.install_into(scratch).await);
        step(steps, self.name, "installing it from npm, this once (some 30 s)", install).await
    }

    async fn install_into(&self, scratch: &Path) -> Result<PathBuf> {
        let folder = scratch.join(self.name);
        std::fs::create_dir(&folder).map_err(Error::io("making", &folder))?;
        for (name, text) in [("package.json", self.manifest), ("package-lock.json", self.lock)] {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(Error::io("writing", &path))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        run(&npm).await?.success(&format!("npm ci for {}", self.name))?;
        Ok(folder)
    }
}
