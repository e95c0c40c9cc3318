//! The custom resource `BlobRollout` of `blobrollout.dev/v1alpha1`: what a user declares, what we report, and the rules that
//! the API server holds every object to.

pub mod conditions;
pub mod intent;
pub mod spec;
pub mod status;

pub use intent::{Intent, IntentError};
pub use spec::{BlobRollout, BlobRolloutSpec};
pub use status::BlobRolloutStatus;

/// The annotation whose change renews every link at once; its value is free, the time by custom.
pub const RENEW_REQUESTED_AT: &str = "blobrollout.dev/renewRequestedAt";

/// The field manager under which we write status.
pub const FIELD_MANAGER: &str = "blobrollout";
