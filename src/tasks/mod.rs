//! The work that is done beside the reconciles: everything that asks storage, the hub, or a source. A file for each kind.
//!
//! A task gets what it needs as plain data, makes its clients by itself, looks at its token before every write, and leaves what it
//! found. Every call in it has a deadline; the whole has none where the hub's rates decide how long it takes.

mod conflicts;
pub mod context;
pub mod count;
mod give;
pub mod inventory;
pub mod probe;
mod run;
pub mod store;
pub mod sweep;
mod takeover;

pub use crate::rollout::found::{Outcome, Reached};
pub use context::{Assignment, Tools};
pub use run::run;
