//! Which revision a device is to have, and whether it gets it now: the last word before every write. Pure.
//!
//! One rule for all cases. Which revision follows from whether the rollout holds its devices where they are, and from what the device
//! holds; so delivery, renewal and suspension are one sweep.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::links::Links;
use crate::{
    fleet::{Goal, Owned},
    storage::link::{BlobUri, Link},
    time::{parse_ts, ts},
};

/// What devices are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Assignments<'a> {
    /// The revision to deliver.
    pub goal: &'a Goal,
    /// Everything that the inventory knows, the goal too.
    pub revisions: &'a [Goal],
    /// Blobs of the rollout that twins link to, and of which a listing since knows nothing later: those that it lacks are gone.
    pub gone: &'a BTreeSet<BlobUri>,
    /// Whether every device keeps the revision that it holds, and nobody gets a new one.
    pub hold: bool,
    /// Which links are good.
    pub links: &'a Links,
    /// The address below which all links of the rollout lead, without a slash at its end.
    pub path: &'a str,
}

/// A judgement.
#[derive(Clone, Debug, PartialEq)]
pub enum Assignment<'a> {
    /// The device gets this.
    Give {
        /// The revision.
        revision: &'a Goal,
        /// The `ts` that its twin is to say.
        ts: Timestamp,
        /// When the link to the same revision that it holds runs out, if it holds one.
        renewed: Option<Timestamp>,
    },
    /// It has what it is to have, with a good link.
    Keep,
    /// It is not its turn, and it holds nothing of this rollout.
    Wait,
    /// It holds a link of another live rollout, and is left alone.
    Conflict(Owned),
    /// It holds something later than what is known here: the inventory must be read again.
    Newer(BlobUri),
}

/// Judges what stands under the desired property. `owner` tells whose link a blob is; nobody's where it may be replaced.
pub fn assign<'a>(
    desired: Option<&Value>,
    rule: &Assignments<'a>,
    owner: impl Fn(&BlobUri) -> Option<Owned>,
    now: Timestamp,
) -> Assignment<'a> {
    let field = |name: &str| desired.and_then(|desired| desired.get(name));
    let uri = field("uri").and_then(Value::as_str);
    let link = uri.and_then(Link::parse);
    let said = field("ts").and_then(Value::as_str).and_then(parse_ts);
    let give = |revision: &'a Goal, held: bool| Assignment::Give {
        revision,
        ts: revision.ts_for(said, held),
        renewed: link.as_ref().filter(|_| held).map(Link::expiry),
    };
    let Some(blob) = uri.and_then(BlobUri::of) else {
        return if rule.hold { Assignment::Wait } else { give(rule.goal, false) };
    };
    if !is_below(&blob, rule.path) {
        return match owner(&blob).filter(|_| link.as_ref().is_some_and(|link| link.expiry() > now)) {
            Some(owner) => Assignment::Conflict(owner),
            None if rule.hold => Assignment::Wait,
            None => give(rule.goal, false),
        };
    }
    let Some(held) = rule.revisions.iter().find(|revision| revision.blob == blob) else {
        return match (rule.gone.contains(&blob), rule.hold) {
            (false, _) => Assignment::Newer(blob),
            (true, true) => Assignment::Wait,
            (true, false) => give(rule.goal, false),
        };
    };
    if held.ts > rule.goal.ts {
        return Assignment::Newer(blob);
    }
    let good = link.as_ref().is_some_and(|link| rule.links.is_good(link, now));
    if rule.hold {
        return if good { Assignment::Keep } else { give(held, true) };
    }
    if held.blob != rule.goal.blob {
        // Whoever goes back to earlier content tells devices a later `ts`. An inventory that is as old as the goal does not know that.
        let later = said.is_some_and(|said| said > rule.goal.ts) && !rule.gone.contains(&blob);
        return if later { Assignment::Newer(blob) } else { give(rule.goal, false) };
    }
    let told =
        said.is_some_and(|said| said >= rule.goal.first_ts && field("ts") == Some(&Value::from(ts(said))));
    let whole = rule.goal.fields().iter().all(|(name, wanted)| field(name) == wanted.as_ref());
    if good && told && whole { Assignment::Keep } else { give(rule.goal, true) }
}

/// Whether a blob is directly below `path`, as a rollout's are.
fn is_below(blob: &BlobUri, path: &str) -> bool {
    let name = blob.as_str().strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests;
