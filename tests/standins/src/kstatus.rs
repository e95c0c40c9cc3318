//! What kstatus says about an object: the library by which Flux, Helm and others decide whether something is ready.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::cache::{Cache, digest};
use crate::needed_tools::GO;
use crate::progress::step;
use crate::{Error, Result, commands, go_build};

const NAME: &str = "kstatus";
/// A program of our own around the two libraries, which have none.
const FILES: [(&str, &str); 3] = [
    ("go.mod", include_str!("../go/kstatus/go.mod")),
    ("go.sum", include_str!("../go/kstatus/go.sum")),
    ("main.go", include_str!("../go/kstatus/main.go")),
];

/// The status of an object. Both libraries know the words `Current`, `InProgress`, `Failed`, `Terminating` and `Unknown`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kstatus {
    /// By Flux's library (`github.com/fluxcd/cli-utils`), with which Helm 4 waits too.
    pub flux: String,
    /// By the Kubernetes project's own (`sigs.k8s.io/cli-utils`).
    pub sigs: String,
    /// The reason that Flux's gives.
    pub message: String,
}

/// What both libraries say about each of `objects`, unmodified and as they would see them on a server: with kind and status.
///
/// The program that asks them needs nothing else of the stand-ins. It is built into the user's cache by the first that calls
/// this, for few do.
pub async fn kstatus(objects: &[Value]) -> Result<Vec<Kstatus>> {
    let program = locate_or_build().await?;
    let file = tempfile::NamedTempFile::new().map_err(Error::io("making", Path::new("a file")))?;
    let lines: Vec<String> = objects.iter().map(Value::to_string).collect();
    std::fs::write(file.path(), lines.join("\n")).map_err(Error::io("writing", file.path()))?;
    // By a shell, for a guarded program's standard input is empty.
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$0" <"$1""#]).arg(program).arg(file.path());
    let said = commands::run(&command).await?.success(NAME)?;
    let statuses: Vec<Kstatus> = said.lines().map(parse).collect::<Result<_>>()?;
    if statuses.len() == objects.len() {
        Ok(statuses)
    } else {
        Err(failed(format!("{} answers for {} objects", statuses.len(), objects.len())))
    }
}

async fn locate_or_build() -> Result<PathBuf> {
    let cache = Cache::of_user()?;
    let key = format!("programs/{NAME}-{}", digest(FILES.iter().map(|(_, text)| *text)));
    let mut folder = cache.path(&key);
    if !folder.exists() {
        GO.require(&format!("build {NAME}")).await?;
        let build =
            cache.entry(&key, async |scratch| go_build::compile(scratch, NAME, &FILES, ".", &[]).await);
        let how = "building it from source, this once (some 30 s on two cores)";
        folder = step((1, 1), NAME, how, build).await?;
    }
    Ok(folder.join(NAME))
}

/// A line of the program's output.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Said { flux: Verdict, sigs: Verdict },
    Refused { error: String },
}

#[derive(Deserialize)]
struct Verdict {
    status: String,
    message: String,
}

fn parse(line: &str) -> Result<Kstatus> {
    match serde_json::from_str(line) {
        Ok(Line::Said { flux, sigs }) => {
            Ok(Kstatus { flux: flux.status, sigs: sigs.status, message: flux.message })
        }
        Ok(Line::Refused { error }) => Err(failed(error)),
        Err(error) => Err(failed(format!("{error} in {line}"))),
    }
}

fn failed(output: String) -> Error {
    Error::Failed { what: NAME.to_owned(), output }
}
