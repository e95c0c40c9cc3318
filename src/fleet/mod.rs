//! The fleet: what twins tell, what they are to say, and how far the devices are. Pure.

pub mod ack;
pub mod attempts;
pub mod counts;
pub mod goal;
pub mod owners;
pub mod query;
pub mod tally;
pub mod target;

pub use counts::{Counts, FailureSample};
pub use goal::Goal;
pub use owners::{Owned, Owner, Owners};
pub use tally::Tally;
pub use target::Target;
