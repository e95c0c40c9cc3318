//! A hub that outlives its process: everything in memory, and a file that it is written to and read from again.
//!
//! The file is text, one JSON object a line, each under a name that says what it is:
//!
//! ```text
//! {"format":"iothub-emulator state","version":1}
//! {"hub":{"masterKey":"…","policies":{…},"ca":{…},"lastGenerations":[…]}}
//! {"job":{…}}  {"jobDevice":{…}}  {"jobTurns":{…}}
//! {"device":{…}}  {"module":{…}}
//! {"configuration":{…}}
//! {"end":{"lines":N,"sha256":"…"}}
//! ```
//!
//! Times are in 100 nanoseconds since 1970-01-01. The last line has the number of lines before it and the SHA-256 of
//! their bytes, so that nothing is taken for whole that is not. It goes under its name only when all of it is on the disk.
//!
//! What a clean stop writes is exact. While the hub runs, each device is copied at one moment and whole (identity, twin,
//! session), but not all of them at the same: writers get their turn between 512 of them, as they do in a query. The
//! order makes the parts fit: jobs come before the twins, so a device that a job has done has its patch, and one that it
//! did meanwhile is at most done again; configurations come after them, and are evaluated at the start.

mod error;
mod line;
mod reader;
mod secrets;
mod snapshot;
mod store;
mod writer;

pub use error::{Refusal, StateError};
pub(crate) use reader::Reader;
pub(crate) use secrets::Secrets;
pub(crate) use store::{Store, keep};
