//! What a rollout is to do: from the spec and what is known to the tasks that should run now, the whole status and the next wake-up.
//!
//! Pure: no client, no clock, nothing random. The way of the data: [`validate`] parses the spec, [`facts`] hold what was found,
//! [`view`] says what follows from both, [`schedule`] decides on the tasks, [`conditions`] and [`status`] tell it; [`plan`] joins them.

pub mod asset;
pub mod assignment;
pub mod conditions;
pub mod delivery;
pub mod expiry;
pub mod facts;
pub mod fault;
pub mod found;
pub mod guard;
pub mod links;
pub mod object;
pub mod plan;
pub mod progress;
pub mod revision;
pub mod schedule;
pub mod status;
pub mod task;
pub mod validate;
pub mod view;

pub use object::Rollout;
pub use plan::{Plan, plan};
