//! Microsoft's IoT Hub SDKs for Python: `azure-iot-hub` and `azure-iot-device`, unmodified, in a virtual environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cache::{Cache, digest};
use crate::commands::{self, Output};
use crate::needed_tools::PYTHON;
use crate::progress::step;

const NAME: &str = "iothub-sdks-python";
/// Every package with its exact version, those that others need included.
const REQUIREMENTS: &str = include_str!("../python/iothub-sdks/requirements.txt");

/// The installed SDKs, and the Python that finds them.
#[derive(Debug, Clone)]
pub struct PythonSdks {
    python: PathBuf,
}

impl PythonSdks {
    /// Installs them from `PyPI`, unless that was done before for these versions and this Python.
    pub async fn locate_or_install() -> Result<Self> {
        let cache = Cache::of_user()?;
        PYTHON.require(&format!("run {NAME}")).await?;
        let key = key(&interpreter().await?);
        let mut folder = cache.path(&key);
        if !folder.exists() {
            let install = cache.entry(&key, async |scratch| install_into(scratch).await);
            folder = step((1, 1), NAME, "installing it from PyPI, this once (some 30 s)", install).await?;
        }
        Ok(Self { python: folder.join("bin/python") })
    }

    /// A command that runs `script`, wherever it is, so that its `import` finds the SDKs.
    pub fn command(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.python);
        // Each line as it is printed, also into a file; and no compiled copy beside the script.
        command.args(["-u", "-B"]).arg(script);
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

/// Version and place of the machine's Python: an environment links to it, and is of no use to another.
async fn interpreter() -> Result<String> {
    let mut python = Command::new("python3");
    python.args(["-c", "import sys; print(sys.version, sys.base_prefix)"]);
    commands::run(&python).await?.success("asking python3 where it is")
}

/// The folder of the cache for these packages on this interpreter.
fn key(interpreter: &str) -> String {
    format!("python/{NAME}-{}", digest([REQUIREMENTS, interpreter]))
}

/// The environment finds itself by the place of its `bin/python`, so it may be moved; only pip's own start scripts may not, and
/// nobody calls those.
async fn install_into(scratch: &Path) -> Result<PathBuf> {
    let requirements = scratch.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS).map_err(crate::Error::io("writing", &requirements))?;
    let folder = scratch.join(NAME);
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&folder);
    let what = "python3 -m venv (on Debian and Ubuntu it needs the package python3-venv)";
    commands::run(&venv).await?.success(what)?;
    let mut pip = Command::new(folder.join("bin/python"));
    // All are named, so nothing else is to be looked for.
    pip.args(["-m", "pip", "install", "--no-deps", "--no-input", "--disable-pip-version-check", "-r"]);
    pip.arg(&requirements);
    commands::run(&pip).await?.success(&format!("pip install for {NAME}"))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_and_another_python_gets_an_environment_of_its_own() {
        let lines = REQUIREMENTS.lines().filter(|line| !line.starts_with('#'));
        assert!(lines.clone().count() > 10);
        assert!(lines.clone().all(|line| line.contains("==")), "{REQUIREMENTS}");
        assert_ne!(key("3.11.7 /usr"), key("3.12.0 /usr"));
    }
}
