//! The fleet: what twins tell us, which of them need a link, and how far they are.
//!
//! Pure: [`goal`], [`ack`], [`judge`], [`owners`], [`target`], [`query`]. With the hub: [`counts`], [`failures`], [`sweep`].

pub mod ack;
pub mod counts;
pub mod failures;
pub mod goal;
pub mod judge;
pub mod owners;
pub mod query;
pub mod sweep;
pub mod tally;
pub mod target;

pub use counts::Counts;
pub use failures::FailureSample;
pub use goal::Goal;
pub use owners::Owners;
pub use tally::Tally;
pub use target::Target;
