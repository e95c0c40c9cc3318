//! Condition types and reasons, and how a condition changes. Their meaning follows kstatus: `Reconciling` and `Stalled` are there
//! only while they are true.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use crate::{redact::redact, time::whole_seconds};

/// Our part is done: the asset is stored and every targeted device holds a link to it that is live now.
pub const READY: &str = "Ready";
/// The devices' part is done: every targeted device has received it.
pub const ACKNOWLEDGED: &str = "Acknowledged";
/// The operator works towards Ready. Only beside a Ready that is not True: kstatus takes it for a deploy in progress.
pub const RECONCILING: &str = "Reconciling";
/// Nothing goes on until somebody changes something.
pub const STALLED: &str = "Stalled";
/// Links are being renewed.
pub const RENEWING: &str = "Renewing";
/// `spec.suspend` holds something back.
pub const SUSPENDED: &str = "Suspended";
/// Blob storage is away or busy.
pub const STORAGE_UNAVAILABLE: &str = "StorageUnavailable";
/// The IoT Hub is away or busy.
pub const HUB_UNAVAILABLE: &str = "HubUnavailable";
/// The hub refuses to change the twins of some devices.
pub const DEVICES_REFUSED: &str = "DevicesRefused";
/// All of them. Those after Acknowledged are there only while they are True.
pub const OURS: [&str; 9] = [
    READY,
    ACKNOWLEDGED,
    RECONCILING,
    STALLED,
    RENEWING,
    SUSPENDED,
    STORAGE_UNAVAILABLE,
    HUB_UNAVAILABLE,
    DEVICES_REFUSED,
];

/// Why a condition is as it is: the one list of reasons, which are also the reasons of Events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Every targeted device holds a live link.
    Delivered,
    /// The target picks no device.
    NoDevices,
    /// The asset is being stored, the devices are being counted, or twins are being written.
    Progressing,
    /// Links are being renewed.
    Renewing,
    /// A link in a twin is dead.
    LinksExpired,
    /// The rollout is suspended.
    Suspended,
    /// The rollout is being deleted.
    Terminating,
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
    /// Blob storage refused a request.
    StorageRefused,
    /// Blob storage cannot be reached, or is busy.
    StorageUnavailable,
    /// The storage account is not the one that this rollout began with.
    StorageChanged,
    /// Another live BlobRollout, of another cluster, keeps its blobs at the same path.
    PathShared,
    /// The hub refused a request.
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
    /// Somebody else keeps writing the twin property.
    Contested,
    /// Twins could not be written.
    DevicesRefused,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::Delivered,
        Self::NoDevices,
        Self::Progressing,
        Self::Renewing,
        Self::LinksExpired,
        Self::Suspended,
        Self::Terminating,
        Self::AllReceived,
        Self::Pending,
        Self::Failed,
        Self::InvalidSpec,
        Self::SourceUnavailable,
        Self::CredentialUnavailable,
        Self::StorageRefused,
        Self::StorageUnavailable,
        Self::StorageChanged,
        Self::PathShared,
        Self::HubRefused,
        Self::HubUnavailable,
        Self::HubChanged,
        Self::QueryRefused,
        Self::TooManyDevices,
        Self::LifetimeTooShort,
        Self::Conflicted,
        Self::Contested,
        Self::DevicesRefused,
    ];

    /// As the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "Delivered",
            Self::NoDevices => "NoDevices",
            Self::Progressing => "Progressing",
            Self::Renewing => "Renewing",
            Self::LinksExpired => "LinksExpired",
            Self::Suspended => "Suspended",
            Self::Terminating => "Terminating",
            Self::AllReceived => "AllReceived",
            Self::Pending => "Pending",
            Self::Failed => "Failed",
            Self::InvalidSpec => "InvalidSpec",
            Self::SourceUnavailable => "SourceUnavailable",
            Self::CredentialUnavailable => "CredentialUnavailable",
            Self::StorageRefused => "StorageRefused",
            Self::StorageUnavailable => "StorageUnavailable",
            Self::StorageChanged => "StorageChanged",
            Self::PathShared => "PathShared",
            Self::HubRefused => "HubRefused",
            Self::HubUnavailable => "HubUnavailable",
            Self::HubChanged => "HubChanged",
            Self::QueryRefused => "QueryRefused",
            Self::TooManyDevices => "TooManyDevices",
            Self::LifetimeTooShort => "LifetimeTooShort",
            Self::Conflicted => "Conflicted",
            Self::Contested => "Contested",
            Self::DevicesRefused => "DevicesRefused",
        }
    }

    /// The reason of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
}

impl Holds {
    /// As the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// What the API shows as `text`.
    pub fn named(text: &str) -> Self {
        match text {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Unknown,
        }
    }
}

/// A condition as it is to stand, without its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The condition's type.
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: Holds,
    /// Why.
    pub reason: Reason,
    /// The same in a sentence, with what to do.
    pub message: String,
}

impl Stated {
    /// A condition of type `kind` that holds or not, for a reason.
    pub fn new(kind: &'static str, holds: Holds, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, holds, reason, message: message.into() }
    }
}

/// Longest message, in bytes. The API allows 32 KiB; a person reads less.
const MESSAGE_LIMIT: usize = 1024;

/// The conditions that `stated` asks for, with the transition times of `before` wherever the status stays the same.
pub fn conditions(
    stated: &[Stated],
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    stated
        .iter()
        .map(|stated| {
            let status = stated.holds.as_str();
            let since = before
                .iter()
                .find(|old| old.type_ == stated.kind && old.status == status)
                .map_or_else(|| Time(whole_seconds(now)), |old| old.last_transition_time.clone());
            Condition {
                type_: stated.kind.into(),
                status: status.into(),
                reason: stated.reason.as_str().into(),
                message: redact(&stated.message, MESSAGE_LIMIT),
                last_transition_time: since,
                observed_generation: generation,
            }
        })
        .collect()
}

/// The condition `kind` among `conditions`.
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whether the condition `kind` is True in `conditions`.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(holds: Holds, reason: Reason, message: &str) -> [Stated; 1] {
        [Stated::new(READY, holds, reason, message)]
    }

    #[test]
    fn a_transition_time_moves_only_with_the_status() {
        let (then, now): (Timestamp, Timestamp) =
            ("2026-11-24T10:00:00Z".parse().unwrap(), "2026-11-24T11:00:00.5Z".parse().unwrap());
        let before = conditions(&ready(Holds::True, Reason::Delivered, "a"), &[], Some(1), then);
        let same = conditions(&ready(Holds::True, Reason::NoDevices, "b"), &before, Some(2), now);
        assert_eq!(same[0].last_transition_time, Time(then));
        assert_eq!((same[0].reason.as_str(), same[0].observed_generation), ("NoDevices", Some(2)));
        let other = conditions(&ready(Holds::False, Reason::Progressing, "c"), &before, Some(2), now);
        assert_eq!(other[0].last_transition_time, Time("2026-11-24T11:00:00Z".parse().unwrap()));
        assert!(is_true(&before, READY) && !is_true(&other, READY) && !is_true(&before, STALLED));
    }

    #[test]
    fn a_message_never_carries_a_secret() {
        let stated = ready(Holds::False, Reason::HubRefused, "x?sig=abc");
        assert_eq!(conditions(&stated, &[], None, Timestamp::UNIX_EPOCH)[0].message, "x?sig=[redacted]");
    }

    #[test]
    fn every_reason_has_its_own_name() {
        for reason in Reason::ALL {
            assert_eq!(Reason::named(reason.as_str()), Some(reason));
        }
    }
}
