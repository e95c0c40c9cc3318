//! Which revision the devices are to have, and what storage lacks for it. Pure.
//!
//! The blobs say everything: a revision is a blob named by its digest, and the one whose `ts` is the latest is the goal. Making
//! other content the goal means storing it, or moving its `ts` past all others.

use k8s_openapi::jiff::Timestamp;

use super::{
    fault::Fault,
    observed::{Asset, Observed, Storage},
};
use crate::{
    api::{Intent, conditions::Reason},
    storage::{BlobMetadata, BlobProperties, StoredBlob},
    time::{TICK, parse_ts, plus, whole_ticks},
};

/// A revision that storage holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// The blob's name in the container.
    pub name: String,
    /// SHA-256 of the content in lower-case hex.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
    /// When this content last became the goal.
    pub ts: Timestamp,
    /// The blob's Content-Type.
    pub content_type: String,
}

/// What storage lacks.
#[derive(Clone, Debug, PartialEq)]
pub enum Upkeep {
    /// The content itself.
    Put {
        /// The blob's name.
        name: String,
        /// The content.
        asset: Asset,
        /// What the blob is to carry.
        properties: BlobProperties,
    },
    /// What the blob carries beside its content.
    Update {
        /// The blob's name.
        name: String,
        /// The blob as it was judged.
        etag: String,
        /// What the blob is to carry.
        properties: BlobProperties,
    },
}

/// What came of looking at source and storage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// What storage lacks before the wanted content can be delivered.
    pub upkeep: Option<Upkeep>,
    /// The revision to deliver, the goal.
    pub goal: Option<Revision>,
    /// Earlier revisions, which devices may still hold, the latest first.
    pub earlier: Vec<Revision>,
    /// Why the wanted content is not the goal.
    pub fault: Option<Fault>,
}

/// Chooses the goal. Where the source cannot be read, the goal of storage is delivered further: devices must not lose their
/// links because somebody deleted a ConfigMap. Where the blob that devices have is lost, there is no goal: an earlier revision would
/// send them back.
pub fn choose(seen: &Observed, intent: &Intent, storage: &Storage, now: Timestamp) -> Choice {
    let mut stored: Vec<Revision> =
        storage.blobs.iter().filter_map(|blob| revision(&seen.path, blob)).collect();
    stored.sort_by(|a, b| b.ts.cmp(&a.ts).then_with(|| a.sha256.cmp(&b.sha256)));
    let lost = lost(seen, stored.first());
    let latest = lost.or_else(|| stored.first().map(|latest| (latest.sha256.as_str(), latest.ts)));
    let mut choice = Choice::default();
    match &seen.asset {
        Ok(_) if intent.suspend => (),
        Ok(asset) => choice.upkeep = upkeep(seen, intent, storage, asset, latest, now),
        Err(fault) => choice.fault = Some(fault.clone()),
    }
    let mut stored = stored.into_iter();
    choice.goal = if lost.is_none() { stored.next() } else { None };
    choice.earlier = stored.collect();
    if choice.goal.is_none() && choice.upkeep.is_none() && choice.fault.is_none() {
        let message = if lost.is_some() {
            "the blob that devices have is not in storage any more, and spec.suspend is true: set it to false to store it again"
        } else {
            "spec.suspend is true and nothing has been delivered yet: set it to false to begin"
        };
        choice.fault = Some(Fault::user(Reason::Suspended, message));
    }
    choice
}

/// The digest and `ts` of a revision that was the goal and is later than all that storage holds: somebody deleted its blob or wrote
/// something else there.
fn lost<'a>(seen: &'a Observed, latest: Option<&Revision>) -> Option<(&'a str, Timestamp)> {
    let before = seen.before.asset.as_ref()?;
    let ts = parse_ts(&before.ts)?;
    latest.is_none_or(|latest| latest.ts < ts).then_some((before.sha256.as_str(), ts))
}

/// A blob is a revision of ours if it is named by the digest that its metadata records, and knows its `ts`.
fn revision(path: &str, blob: &StoredBlob) -> Option<Revision> {
    let digest = blob.name.strip_prefix(path)?.strip_prefix('/')?;
    let recorded = blob.metadata.sha256.as_deref()?;
    (digest == recorded).then_some(())?;
    Some(Revision {
        name: blob.name.clone(),
        sha256: recorded.into(),
        size: blob.size,
        ts: blob.metadata.ts?,
        content_type: blob.content_type.clone().unwrap_or_default(),
    })
}

fn upkeep(
    seen: &Observed,
    intent: &Intent,
    storage: &Storage,
    asset: &Asset,
    latest: Option<(&str, Timestamp)>,
    now: Timestamp,
) -> Option<Upkeep> {
    let name = format!("{}/{}", seen.path, asset.sha256);
    // Clients that look at `ts` alone take only what is later, so it moves past every other, whatever the clock says.
    let ts = match latest {
        Some((sha256, ts)) if sha256 == asset.sha256 => ts,
        Some((_, ts)) => whole_ticks(now).max(plus(ts, TICK)),
        None => whole_ticks(now),
    };
    let properties = BlobProperties {
        content_type: intent.content_type.clone(),
        metadata: BlobMetadata {
            sha256: Some(asset.sha256.clone()),
            ts: Some(ts),
            uid: Some(seen.uid.clone()),
            ..BlobMetadata::default()
        },
    };
    let whole = |blob: &&StoredBlob| {
        blob.name == name
            && blob.metadata.sha256.as_ref() == Some(&asset.sha256)
            && blob.size == asset.bytes.len() as u64
    };
    match storage.blobs.iter().find(whole) {
        None => Some(Upkeep::Put { name, asset: asset.clone(), properties }),
        Some(blob)
            if blob.metadata.ts == Some(ts)
                // An object of this name that was deleted and made again finds the former one's.
                && blob.metadata.uid.as_ref() == Some(&seen.uid)
                && blob.content_type.as_ref() == Some(&intent.content_type) =>
        {
            None
        }
        Some(blob) => Some(Upkeep::Update { name, etag: blob.etag.clone(), properties }),
    }
}
