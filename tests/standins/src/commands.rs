//! Programs that are run to their end for what they print.

use std::path::Path;
use std::process::Command;

use crate::{Error, Guarded, Result};

/// What a program that has ended printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code: 128 + n where signal n ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output of a program that ended with code 0, or else an error that carries what it printed. `what` says
    /// what was being done.
    pub fn success(self, what: &str) -> Result<String> {
        if self.code == 0 {
            return Ok(self.stdout);
        }
        let output =
            format!("{}{}(exit code {})", last_lines(&self.stdout), last_lines(&self.stderr), self.code);
        Err(Error::Failed { what: what.to_owned(), output })
    }
}

/// Runs `command` to its end; it is killed when the future is dropped, and when this process ends.
pub(crate) async fn run(command: &Command) -> Result<Output> {
    let folder = tempfile::Builder::new()
        .prefix("blobrollout-run-")
        .tempdir()
        .map_err(Error::io("making", Path::new("a folder")))?;
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let guarded = Guarded::spawn_into(command, &stdout, &stderr, Some(folder))?;
    let code = guarded.wait().await;
    let output = Output { code, stdout: read_text(&stdout)?, stderr: read_text(&stderr)? };
    guarded.stop().await;
    Ok(output)
}

/// A file's text, where bytes that are no UTF-8 do not matter.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io("reading", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of a long output: where programs say why they failed.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].iter().flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_streams_and_the_code_are_kept_apart() {
        let mut command = Command::new("sh");
        command.arg("-c").arg("echo out; echo err >&2; exit 3");
        let output = run(&command).await.unwrap();
        let expected = Output { code: 3, stdout: "out\n".into(), stderr: "err\n".into() };
        assert_eq!(output, expected);
        let error = output.success("the trial").unwrap_err().to_string();
        assert_eq!(error, "the trial failed:\nout\nerr\n(exit code 3)");
    }
}
