//! Builds one program from its pinned Go module.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::Cache;
use crate::commands::run;
use crate::programs::Program;
use crate::{Error, Result};

/// The folder of the cache that holds the program.
fn key(program: &Program) -> String {
    format!("programs/{}-{}", program.name, program.version)
}

/// Where the cache holds the program once it is built.
pub(crate) fn path(program: &Program, cache: &Cache) -> PathBuf {
    cache.path(&key(program)).join(program.name)
}

/// The program in the cache, if it was built before.
pub(crate) fn built(program: &Program, cache: &Cache) -> Option<PathBuf> {
    Some(path(program, cache)).filter(|path| path.exists())
}

/// Builds the program into the cache.
pub(crate) async fn build(program: &Program, cache: &Cache) -> Result<PathBuf> {
    cache.entry(&key(program), async |scratch| compile(program, scratch).await).await
}

async fn compile(program: &Program, scratch: &Path) -> Result<PathBuf> {
    let (module, temporary, built) = (scratch.join("module"), scratch.join("tmp"), scratch.join("built"));
    for folder in [&module, &temporary, &built] {
        std::fs::create_dir(folder).map_err(Error::io("making", folder))?;
    }
    for (name, text) in [("go.mod", program.module.go_mod), ("go.sum", program.module.go_sum)] {
        let path = module.join(name);
        std::fs::write(&path, text).map_err(Error::io("writing", &path))?;
    }
    let variables = program.variables.iter().flat_map(|variable| [" -X ", variable]);
    let ldflags: String = std::iter::once("-s -w").chain(variables).collect();
    let mut go = Command::new("go");
    go.args(["build", "-mod=readonly", "-trimpath", "-ldflags", &ldflags, "-o"]);
    go.arg(built.join(program.name)).arg(program.package).current_dir(&module);
    // Without a C compiler, and whatever the user's own settings are for their own modules.
    go.envs([("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOWORK", "off")]).env("GOTMPDIR", &temporary);
    run(&go).await?.success(&format!("go build {}", program.package))?;
    Ok(built)
}
