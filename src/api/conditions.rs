//! Condition types and reasons, and how a condition changes. Their meaning follows kstatus: `Reconciling` and `Stalled` are there
//! only while they are true.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use crate::{redact::redact, time::whole_seconds};

/// Our part is done: the asset is stored and every targeted device holds a live link to it.
pub const READY: &str = "Ready";
/// The devices' part is done: every targeted device has received it.
pub const ACKNOWLEDGED: &str = "Acknowledged";
/// We are working towards Ready.
pub const RECONCILING: &str = "Reconciling";
/// We cannot go on until somebody changes something.
pub const STALLED: &str = "Stalled";
/// All of them.
pub const OURS: [&str; 4] = [READY, ACKNOWLEDGED, RECONCILING, STALLED];

/// Why a condition is as it is: the one list of reasons, which are also the reasons of Events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Every targeted device holds a live link.
    Delivered,
    /// The target picks no device.
    NoDevices,
    /// The asset is being stored.
    Storing,
    /// Twins are being written.
    Delivering,
    /// Links are being renewed.
    Renewing,
    /// The fleet is being looked at.
    Observing,
    /// The rollout is suspended.
    Suspended,
    /// Every targeted device has received it.
    AllReceived,
    /// Devices have not answered yet.
    Pending,
    /// Devices answered that they could not use it.
    Failed,
    /// A field of the spec says something that cannot be.
    InvalidSpec,
    /// The ConfigMap, Secret or key of the source is missing, or the asset is too big.
    SourceUnavailable,
    /// The Secret or key with a connection string is missing, or the text is not one.
    CredentialUnavailable,
    /// Blob storage refused what we asked.
    StorageRefused,
    /// Blob storage cannot be reached, or is busy.
    StorageUnavailable,
    /// The storage account is not the one that this rollout began with.
    StorageChanged,
    /// The hub refused what we asked.
    HubRefused,
    /// The hub cannot be reached, or is busy.
    HubUnavailable,
    /// The hub is not the one that this rollout began with.
    HubChanged,
    /// The hub refused the target's query.
    QueryRefused,
    /// More devices match than the spec allows.
    TooManyDevices,
    /// The links' lifetime is too short for this fleet.
    LifetimeTooShort,
    /// Devices hold a link of another BlobRollout.
    Conflicted,
    /// Twins could not be written.
    DevicesRefused,
}

impl Reason {
    /// As the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "Delivered",
            Self::NoDevices => "NoDevices",
            Self::Storing => "Storing",
            Self::Delivering => "Delivering",
            Self::Renewing => "Renewing",
            Self::Observing => "Observing",
            Self::Suspended => "Suspended",
            Self::AllReceived => "AllReceived",
            Self::Pending => "Pending",
            Self::Failed => "Failed",
            Self::InvalidSpec => "InvalidSpec",
            Self::SourceUnavailable => "SourceUnavailable",
            Self::CredentialUnavailable => "CredentialUnavailable",
            Self::StorageRefused => "StorageRefused",
            Self::StorageUnavailable => "StorageUnavailable",
            Self::StorageChanged => "StorageChanged",
            Self::HubRefused => "HubRefused",
            Self::HubUnavailable => "HubUnavailable",
            Self::HubChanged => "HubChanged",
            Self::QueryRefused => "QueryRefused",
            Self::TooManyDevices => "TooManyDevices",
            Self::LifetimeTooShort => "LifetimeTooShort",
            Self::Conflicted => "Conflicted",
            Self::DevicesRefused => "DevicesRefused",
        }
    }
}

/// What a condition is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// The condition's type.
    pub kind: &'static str,
    /// True or False.
    pub holds: bool,
    /// Why.
    pub reason: Reason,
    /// The same in a sentence, with what to do.
    pub message: String,
}

impl Say {
    /// A condition of type `kind` that holds or not, for a reason.
    pub fn new(kind: &'static str, holds: bool, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, holds, reason, message: message.into() }
    }
}

/// Longest message, in bytes. The API allows 32 KiB; a person reads less.
const MESSAGE_LIMIT: usize = 1024;

/// The conditions that say `say`, with the transition times of `before` wherever the status stays the same.
pub fn conditions(
    say: &[Say],
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    say.iter()
        .map(|say| {
            let status = if say.holds { "True" } else { "False" };
            let since = before
                .iter()
                .find(|old| old.type_ == say.kind && old.status == status)
                .map_or_else(|| Time(whole_seconds(now)), |old| old.last_transition_time.clone());
            Condition {
                type_: say.kind.into(),
                status: status.into(),
                reason: say.reason.as_str().into(),
                message: redact(&say.message, MESSAGE_LIMIT),
                last_transition_time: since,
                observed_generation: generation,
            }
        })
        .collect()
}

/// Whether the condition `kind` is True in `conditions`.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_time_moves_only_with_the_status() {
        let (then, now): (Timestamp, Timestamp) =
            ("2026-11-24T10:00:00Z".parse().unwrap(), "2026-11-24T11:00:00.5Z".parse().unwrap());
        let before = conditions(&[Say::new(READY, true, Reason::Delivered, "a")], &[], Some(1), then);
        let same = conditions(&[Say::new(READY, true, Reason::Renewing, "b")], &before, Some(2), now);
        assert_eq!(same[0].last_transition_time, Time(then));
        assert_eq!((same[0].reason.as_str(), same[0].observed_generation), ("Renewing", Some(2)));
        let other = conditions(&[Say::new(READY, false, Reason::Delivering, "c")], &before, Some(2), now);
        assert_eq!(other[0].last_transition_time, Time("2026-11-24T11:00:00Z".parse().unwrap()));
        assert!(is_true(&before, READY) && !is_true(&other, READY) && !is_true(&before, STALLED));
    }

    #[test]
    fn a_message_never_carries_a_secret() {
        let said = conditions(
            &[Say::new(READY, false, Reason::HubRefused, "x?sig=abc")],
            &[],
            None,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(said[0].message, "x?sig=[redacted]");
    }
}
