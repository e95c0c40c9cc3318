//! The custom resource `BlobRollout` of `blobrollout.dev/v1alpha1`: what a user declares, what is reported, and the rules that
//! the API server holds every object to.

pub mod conditions;
pub mod crd;
pub mod sections;
pub mod spec;
pub mod status;

pub use crd::crd;
pub use spec::{BlobRollout, BlobRolloutSpec};
pub use status::BlobRolloutStatus;

/// The annotation whose change renews every link at once; its value is free, the time by custom.
pub const RENEW_REQUESTED_AT: &str = "blobrollout.dev/renewRequestedAt";

/// The annotation whose change has everything looked at again, with nothing taken as known; its value is free, the time by custom.
/// `status.lastHandledReconcileRequest` repeats the value when that is done.
pub const RECONCILE_REQUESTED_AT: &str = "blobrollout.dev/reconcileRequestedAt";

/// The field manager under which we write status.
pub const FIELD_MANAGER: &str = "blobrollout";
