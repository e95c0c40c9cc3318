//! Why a state file is not read or written.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why an emulator with a state file did not start, or could not write it.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system does not let it be read.
    #[error("cannot read the state file {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system does not let it be written; what was there before stays.
    #[error("cannot write the state file {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is not one to go on with; it is left as it is.
    #[error("the state file {} is refused, and left as it is: {refusal}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        refusal: Refusal,
    },
}

/// What is wrong with a state file. Shown with what to do about it, and never with a part of the file, which has
/// secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not start as such a file does.
    Foreign,
    /// It has another format.
    Version(u64),
    /// Its end is missing.
    EndsEarly {
        /// Whole lines that are there.
        lines: u64,
    },
    /// A line is not what an emulator writes.
    Line {
        /// Its number, from 1.
        line: u64,
        /// Why.
        why: String,
    },
    /// It has another digest than it says.
    Digest,
    /// It goes on after its end.
    GoesOn,
    /// Another emulator has it.
    InUse,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match self {
            Self::Foreign => {
                f.write_str("it was not written by this emulator")?;
                "Name another file, or remove this one to start with an empty hub"
            }
            Self::Version(version) => {
                write!(
                    f,
                    "its format is version {version}, and this emulator reads {}",
                    super::line::VERSION
                )?;
                "Start the emulator that wrote it, or name another file"
            }
            Self::EndsEarly { lines } => {
                write!(f, "it ends after {lines} lines, without the one that closes it")?;
                DAMAGED
            }
            Self::Line { line, why } => {
                write!(f, "line {line} is damaged ({why})")?;
                DAMAGED
            }
            Self::Digest => {
                f.write_str("its content was changed, for it has not the digest that its last line names")?;
                DAMAGED
            }
            Self::GoesOn => {
                f.write_str("it goes on after the line that closes it")?;
                DAMAGED
            }
            Self::InUse => {
                f.write_str("another emulator that runs has it")?;
                "Stop that one, or name another file"
            }
        };
        write!(f, ". {advice}")
    }
}

const DAMAGED: &str = "Put back a copy of it, or remove it to start with an empty hub";
