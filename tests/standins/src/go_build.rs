//! Builds one program from a pinned Go module.

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
    let Program { name, module, package, variables, .. } = program;
    let files = [("go.mod", module.go_mod), ("go.sum", module.go_sum)];
    cache.entry(&key(program), async |scratch| compile(scratch, name, &files, package, variables).await).await
}

/// Builds `package` as the program `name` in the module of these `files`, and returns the folder that the program is in.
/// `variables` are the package's variables to set, with their values.
pub(crate) async fn compile(
    scratch: &Path,
    name: &str,
    files: &[(&str, &str)],
    package: &str,
    variables: &[&str],
) -> Result<PathBuf> {
    let (module, temporary, built) = (scratch.join("module"), scratch.join("tmp"), scratch.join("built"));
    for folder in [&module, &temporary, &built] {
        std::fs::create_dir(folder).map_err(Error::io("making", folder))?;
    }
    for (file, text) in files {
        let path = module.join(file);
        std::fs::write(&path, text).map_err(Error::io("writing", &path))?;
    }
    let variables = variables.iter().flat_map(|variable| [" -X ", *variable]);
    let ldflags: String = std::iter::once("-s -w").chain(variables).collect();
    let mut go = Command::new("go");
    go.args(["build", "-mod=readonly", "-trimpath", "-ldflags", &ldflags, "-o"]);
    go.arg(built.join(name)).arg(package).current_dir(&module);
    // Without a C compiler, and whatever the user's own settings are for their own modules.
    go.envs([("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOWORK", "off")]).env("GOTMPDIR", &temporary);
    run(&go).await?.success(&format!("go build {name}"))?;
    Ok(built)
}
