//! Why the library does not do what it was asked to.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::error::HubError;
use crate::state::StateError;
use crate::tls::TlsError;

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No certificate could be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A port is taken, or not allowed to this user.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Address and port.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The CA's certificate could not be written.
    #[error("cannot write {}: {error}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The state file is no good, or cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why a call to the emulator itself did nothing: the id or the document is wrong, or there is no such
/// device. The text is the one that a client of the service API would get.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CallError(String);

impl From<HubError> for CallError {
    fn from(error: HubError) -> Self {
        Self(error.text)
    }
}

impl CallError {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}
