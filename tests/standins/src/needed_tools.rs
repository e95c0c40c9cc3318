//! What cannot be made here and has to be on the machine: Go for the control plane, Helm and kstatus, Node with npm for Azurite and the SDKs,
//! Python for its SDKs.

use std::process::Command;

use crate::commands::run;
use crate::found::version_in;
use crate::{Error, Result};

/// A tool that a person has to install.
#[derive(Debug)]
pub(crate) struct Tool {
    name: &'static str,
    argument: &'static str,
    least: (u32, u32),
    needed: &'static str,
    get: &'static str,
}

/// As the `go` lines of the pinned modules say.
pub(crate) static GO: Tool = Tool {
    name: "go",
    argument: "version",
    least: (1, 26),
    needed: "version 1.26 or newer",
    get: "https://go.dev/dl/",
};

/// Only to run npm: Azurite brings the Node that it wants where npm has one for the machine.
pub(crate) static NODE: Tool = Tool {
    name: "node",
    argument: "--version",
    least: if cfg!(target_os = "linux") { (20, 0) } else { (22, 0) },
    needed: if cfg!(target_os = "linux") { "version 20 or newer" } else { "version 22 or newer" },
    get: "https://nodejs.org/en/download (npm comes with it)",
};

/// The first that reads the committed lock files' format.
pub(crate) static NPM: Tool = Tool {
    name: "npm",
    argument: "--version",
    least: (7, 0),
    needed: "version 7 or newer",
    get: "https://nodejs.org/en/download (npm comes with Node)",
};

/// The least that the pinned packages support.
pub(crate) static PYTHON: Tool = Tool {
    name: "python3",
    argument: "--version",
    least: (3, 10),
    needed: "version 3.10 or newer with its venv module",
    get: "https://www.python.org/downloads/ (on Debian and Ubuntu: apt install python3-venv)",
};

impl Tool {
    /// Refuses, in words that say what to install, if the tool is not there or too old for `purpose`.
    pub async fn require(&self, purpose: &str) -> Result<()> {
        let output = run(Command::new(self.name).arg(self.argument)).await?;
        let why = match (output.code, version_in(&output.stdout)) {
            (0, Some(version)) if version >= self.least => return Ok(()),
            (0, Some((major, minor))) => format!("found {major}.{minor}, wanted to {purpose}"),
            (127, _) => format!("not found in PATH, wanted to {purpose}"),
            (code, _) => format!("it ends with code {code} when asked for its version, wanted to {purpose}"),
        };
        Err(Error::MissingTool { tool: self.name, needed: self.needed, why, get: self.get })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_missing_or_too_old_is_named_with_a_way_to_get_it() {
        let absent = Tool { name: "no-such-go", ..GO };
        let error = absent.require("build etcd").await.unwrap_err().to_string();
        assert_eq!(
            error,
            "no-such-go is needed, version 1.26 or newer: not found in PATH, wanted to build etcd. Get it: https://go.dev/dl/"
        );
        let old = Tool { name: "echo", argument: "go1.25.3", ..GO };
        let error = old.require("build etcd").await.unwrap_err().to_string();
        assert!(error.contains("found 1.25, wanted to build etcd"), "{error}");
        Tool { name: "echo", argument: "go1.26.0", ..GO }.require("build etcd").await.unwrap();
    }
}
