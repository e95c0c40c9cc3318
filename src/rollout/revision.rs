//! Which revision the devices are to have, and what storage lacks for it. Pure.
//!
//! The blobs say everything: a revision is a blob named by its digest, and the one whose `ts` is the latest is the goal. Making
//! other content the goal means storing it, or moving its `ts` past all others.

use k8s_openapi::jiff::Timestamp;

use super::{asset::Asset, fault::Fault, object::Rollout};
use crate::{
    api::conditions::Reason,
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
    /// When it first did.
    pub first_ts: Timestamp,
    /// The blob's Content-Type.
    pub content_type: String,
}

/// What storage lacks.
#[derive(Clone, Debug, PartialEq)]
pub struct Upkeep {
    /// The blob's name.
    pub name: String,
    /// The blob as it was judged; nothing where it has to be stored.
    pub etag: Option<String>,
    /// The content.
    pub asset: Asset,
    /// What the blob is to be served as.
    pub content_type: String,
    /// What the blob is to tell of itself, but for its times.
    pub metadata: BlobMetadata,
    /// Its times.
    pub times: Times,
}

/// The times that a blob is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// It is the goal already: when it last and first became that.
    Stay(Timestamp, Timestamp),
    /// It becomes the goal now, and later than the last goal whatever the clock says. When it first was one, if it ever was.
    Move {
        /// The last goal's `ts`.
        past: Option<Timestamp>,
        /// When it first was the goal.
        first: Option<Timestamp>,
    },
}

impl Upkeep {
    /// What the blob is to carry, stored at `now`. Clients that look at `ts` alone take only what is later.
    pub fn properties(&self, now: Timestamp) -> BlobProperties {
        let (ts, first_ts) = match self.times {
            Times::Stay(ts, first) => (ts, first),
            Times::Move { past, first } => {
                let now = whole_ticks(now);
                let ts = past.map_or(now, |past| now.max(plus(past, TICK)));
                (ts, first.unwrap_or(ts))
            }
        };
        let metadata = BlobMetadata { ts: Some(ts), first_ts: Some(first_ts), ..self.metadata.clone() };
        BlobProperties { content_type: self.content_type.clone(), metadata }
    }
}

/// What came of looking at the wanted asset and at storage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// What storage lacks before the wanted content can be delivered.
    pub upkeep: Option<Upkeep>,
    /// The revision to deliver, the goal.
    pub goal: Option<Revision>,
    /// Earlier revisions, which devices may still hold, the latest first.
    pub earlier: Vec<Revision>,
    /// Why nothing may be written.
    pub shared: Option<Fault>,
    /// Whether the blob that devices have is gone from storage.
    pub lost: bool,
}

/// Chooses the goal among `blobs`, which are at `path`, for the `wanted` asset and content type; nothing is wanted where the source
/// cannot be read or the rollout is suspended, and then the goal of storage stays: devices must not lose their links because somebody
/// deleted a ConfigMap. Where the blob that devices have is lost, there is no goal: an earlier revision would send them back.
pub fn choose(rollout: &Rollout, path: &str, blobs: &[StoredBlob], wanted: Option<(&Asset, &str)>) -> Choice {
    let mut stored: Vec<(Revision, &StoredBlob)> =
        blobs.iter().filter_map(|blob| Some((revision(path, blob)?, blob))).collect();
    stored.sort_by(|(a, _), (b, _)| b.ts.cmp(&a.ts).then_with(|| a.sha256.cmp(&b.sha256)));
    let lost = lost(rollout, stored.first().map(|(latest, _)| latest));
    let latest = lost.or_else(|| stored.first().map(|(latest, _)| (latest.sha256.as_str(), latest.ts)));
    let shared = stored.iter().find_map(|(_, blob)| shared(rollout, path, blob));
    let newest = stored.first().map(|(_, blob)| &blob.metadata);
    // Whoever made the newest revision the goal knew a later spec than this one.
    let outdated = newest.is_some_and(|newest| {
        newest.uid.as_ref() == Some(&rollout.uid) && newest.generation > Some(rollout.generation)
    });
    let upkeep = wanted
        .filter(|_| !outdated && shared.is_none())
        .and_then(|(asset, content_type)| upkeep(rollout, path, blobs, asset, content_type, latest));
    let is_lost = lost.is_some();
    let mut stored = stored.into_iter().map(|(revision, _)| revision);
    let goal = if is_lost { None } else { stored.next() };
    Choice { upkeep, goal, earlier: stored.collect(), shared, lost: is_lost }
}

/// The digest and `ts` of a revision that was the goal and is later than all that storage holds: somebody deleted its blob or wrote
/// something else there.
fn lost<'a>(rollout: &'a Rollout, latest: Option<&Revision>) -> Option<(&'a str, Timestamp)> {
    let before = rollout.before.asset.as_ref()?;
    let ts = parse_ts(&before.ts)?;
    latest.is_none_or(|latest| latest.ts < ts).then_some((before.sha256.as_str(), ts))
}

/// A blob is a revision of this rollout if it is named by the digest that its metadata records, and knows its `ts`.
fn revision(path: &str, blob: &StoredBlob) -> Option<Revision> {
    let digest = blob.name.strip_prefix(path)?.strip_prefix('/')?;
    let recorded = blob.metadata.sha256.as_deref()?;
    (digest == recorded).then_some(())?;
    let ts = blob.metadata.ts?;
    Some(Revision {
        name: blob.name.clone(),
        sha256: recorded.into(),
        size: blob.size,
        ts,
        // Never later than the last time, or no twin would be told enough.
        first_ts: blob.metadata.first_ts.map_or(ts, |first| first.min(ts)),
        content_type: blob.content_type.clone().unwrap_or_default(),
    })
}

/// A blob of another object at the same path. The object of a former one that was deleted and made again finds the former one's, which
/// was created earlier; one that was created later is alive in another cluster, and goes on.
fn shared(rollout: &Rollout, path: &str, blob: &StoredBlob) -> Option<Fault> {
    let uid = blob.metadata.uid.as_ref().filter(|uid| **uid != rollout.uid)?;
    let later = match blob.metadata.created {
        Some(created) => (created, uid.as_str()) > (rollout.created, rollout.uid.as_str()),
        // Stored by somebody who does not say when its object was created: at least it was alive after this one was.
        None => blob.metadata.ts? > rollout.created,
    };
    let message = format!(
        "the blob {} belongs to another live BlobRollout (uid {uid}), which was created later than this one: two clusters share the \
         path {path}. This one writes nothing any more: delete it, or create it again with another spec.storage.prefix; or delete the other one and \
         the blobs that it has left there",
        blob.name
    );
    later.then(|| Fault::user(Reason::PathShared, message))
}

fn upkeep(
    rollout: &Rollout,
    path: &str,
    blobs: &[StoredBlob],
    asset: &Asset,
    content_type: &str,
    latest: Option<(&str, Timestamp)>,
) -> Option<Upkeep> {
    let name = format!("{path}/{}", asset.sha256);
    let whole = |blob: &&StoredBlob| {
        blob.name == name
            && blob.metadata.sha256.as_ref() == Some(&asset.sha256)
            && blob.size == asset.bytes.len() as u64
    };
    let there = blobs.iter().find(whole);
    let first = there.and_then(|blob| blob.metadata.first_ts.or(blob.metadata.ts));
    let times = match latest {
        Some((sha256, ts)) if sha256 == asset.sha256 => {
            Times::Stay(ts, first.map_or(ts, |first| first.min(ts)))
        }
        Some((_, ts)) => Times::Move { past: Some(ts), first },
        None => Times::Move { past: None, first },
    };
    let stays = match times {
        Times::Stay(ts, _) => there.is_some_and(|blob| blob.metadata.ts == Some(ts)),
        Times::Move { .. } => false,
    };
    let as_wanted = there.is_some_and(|blob| {
        // An object of this name that was deleted and made again finds the former one's.
        blob.metadata.uid.as_ref() == Some(&rollout.uid) && blob.content_type.as_deref() == Some(content_type)
    });
    (!stays || !as_wanted).then(|| Upkeep {
        name,
        etag: there.map(|blob| blob.etag.clone()),
        asset: asset.clone(),
        content_type: content_type.to_owned(),
        metadata: BlobMetadata {
            sha256: Some(asset.sha256.clone()),
            uid: Some(rollout.uid.clone()),
            created: Some(rollout.created),
            generation: Some(rollout.generation),
            ..BlobMetadata::default()
        },
        times,
    })
}
