//! A rollout as its object declares it. Pure.

use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::validate::Validated;
use crate::api::{BlobRollout, BlobRolloutStatus, RECONCILE_REQUESTED_AT, RENEW_REQUESTED_AT};

/// A rollout as its object declares it.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// The object's uid.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it is being deleted.
    pub deleted: bool,
    /// The value of the annotation that asks for a renewal.
    pub renew_request: Option<String>,
    /// The value of the annotation that makes everything be looked at again.
    pub reconcile_request: Option<String>,
    /// What the user wants.
    pub spec: Validated,
    /// The status as it stands.
    pub before: BlobRolloutStatus,
}

impl Rollout {
    /// Reads an object.
    pub fn of(object: &BlobRollout) -> Self {
        let meta = object.meta();
        let annotation = |name: &str| object.annotations().get(name).cloned();
        let created = meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        Self {
            uid: object.uid().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            created,
            deleted: meta.deletion_timestamp.is_some(),
            renew_request: annotation(RENEW_REQUESTED_AT),
            reconcile_request: annotation(RECONCILE_REQUESTED_AT),
            spec: Validated::parse(&object.spec, &object.namespace().unwrap_or_default(), &object.name_any()),
            before: object.status.clone().unwrap_or_default(),
        }
    }
}
