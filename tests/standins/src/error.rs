//! What can go wrong here, each with what the person at the keyboard can do about it.

use std::path::Path;

/// A stand-in that could not be found, made or started.
#[derive(thiserror::Error)]
pub enum Error {
    /// A program that nothing here can make is absent or too old.
    #[error("{tool} is needed, {needed}: {why}. Get it: {get}")]
    MissingTool {
        /// The command's name.
        tool: &'static str,
        /// The least version that will do.
        needed: &'static str,
        /// What was found instead, and what it is wanted for.
        why: String,
        /// Where it comes from.
        get: &'static str,
    },
    /// A program ran and failed; `output` is the end of what it printed.
    #[error("{what} failed:\n{output}")]
    Failed {
        /// What was being done.
        what: String,
        /// The last lines of its output.
        output: String,
    },
    /// A file, folder or process could not be handled.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, to which path.
        what: String,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// The API server refused, or could not be talked to.
    #[error("the stand-in API server: {0}")]
    Kube(Box<kube::Error>),
    /// A certificate or key could not be made.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err` where a path is at hand: "reading /a/b: No such file or directory".
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let what = format!("{doing} {}", path.display());
        move |source| Self::Io { what, source }
    }
}

impl std::fmt::Debug for Error {
    /// As `Display`: most of these end a test through `unwrap`, and several lines of output want to be read as lines.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}
