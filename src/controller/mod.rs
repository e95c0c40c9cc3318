//! The controller: observe → plan (pure) → supervise → report. It talks to the API server alone; everything else is in tasks.

pub mod context;
pub mod driver;
pub mod observe;
pub mod reconcile;
pub mod report;
pub mod sightings;
pub mod supervisor;
pub mod unwritten;
