//! The invariants that hold at every moment (N1, N3, N5 and the brake), and what must be known to judge them.

use std::collections::{BTreeMap, BTreeSet};

use blobrollout::{
    api::{
        BlobRollout, BlobRolloutStatus,
        conditions::{DEVICES_REFUSED, READY, find, is_true},
    },
    fleet::Goal,
    storage::link::{BlobUri, Link},
    time::{minus, parse_ts, plus},
};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::{
    hub::{Device, PROPERTY, picks},
    world::World,
};

/// Longest that a failure is waited out before the next attempt, with all that follows, in milliseconds.
const RECOVERY: i64 = 30 * 60_000;
/// As long is a count old at most beyond the interval, where nothing is in its way.
const COUNT_AGE: i64 = 8 * 60_000;
/// As long is a device left alone that was refused or contested: an hour, another where the clock is set back, and a sweep.
const GRUDGE: i64 = 150 * 60_000;

/// What is known for the invariants.
#[derive(Default)]
pub struct Checks {
    /// Since when nothing is in the operators' way.
    quiet_since: i64,
    /// Blobs that somebody has deleted: who holds one holds nothing that has an order, also where it was stored again.
    deleted: BTreeSet<String>,
    devices: BTreeMap<String, Watch>,
}

/// What is known of a device.
#[derive(Default)]
struct Watch {
    /// The link that it got from an operator and still has.
    ours: Option<Given>,
    /// When somebody else changed it last.
    touched: i64,
    /// Until when operators may leave it alone.
    excused: i64,
    /// When operators had last had all the time they need.
    served: Option<Timestamp>,
    /// Whether operators have had time to count it as it is.
    counted: bool,
}

/// What an operator gave.
struct Given {
    goal: Goal,
    expiry: Timestamp,
    property: Option<Value>,
}

/// What an operator does to a device.
pub struct Gift<'a> {
    /// The operator.
    pub operator: usize,
    /// The device.
    pub device: &'a str,
    /// The twin before.
    pub before: &'a Device,
    /// The revision.
    pub goal: &'a Goal,
    /// When the link dies.
    pub expiry: Timestamp,
}

/// Something is in the operators' way now. They may have to begin anew (`hard`).
pub fn disturbed(world: &mut World, hard: bool) {
    world.checks.quiet_since = world.elapsed;
    if hard {
        world.checks.devices.values_mut().for_each(|watch| watch.served = None);
    }
}

/// Somebody else has changed a device.
pub fn touched(world: &mut World, id: &str) {
    let (elapsed, property) = (world.elapsed, world.hub.devices.get(id).and_then(Device::property).cloned());
    let watch = world.checks.devices.entry(id.to_owned()).or_default();
    watch.touched = elapsed;
    watch.counted = false;
    watch.served = None;
    if watch.ours.as_ref().is_some_and(|ours| ours.property != property) {
        watch.ours = None;
        watch.excused = elapsed + GRUDGE;
    }
}

/// Whether operators may leave a device alone yet.
pub fn somebody_is_excused(world: &World) -> bool {
    world.checks.devices.values().any(|watch| watch.excused > world.elapsed)
}

/// Somebody has deleted a blob: who holds it holds nothing that has an order.
pub fn blob_deleted(world: &mut World, name: &str) {
    world.checks.deleted.insert(name.to_owned());
    for watch in world.checks.devices.values_mut() {
        watch.ours.take_if(|ours| ours.goal.name == name);
        watch.counted = false;
    }
    disturbed(world, true);
}

/// Whether something is in the operators' way.
fn is_disturbed(world: &World) -> bool {
    let serving = |n: usize| {
        let operator = &world.operators[n];
        !operator.stopped && !is_stale(world, operator.cache.as_ref())
    };
    let stale = |n: usize| {
        let operator = &world.operators[n];
        !operator.stopped && is_stale(world, operator.cache.as_ref())
    };
    // Where there is no blob nobody counts.
    let nothing = world.storage.blobs.is_empty();
    nothing || world.storage.away || world.hub.away || !(serving(0) || serving(1)) || stale(0) || stale(1)
}

/// Whether a cache shows another object than there is.
pub fn is_stale(world: &World, cache: Option<&BlobRollout>) -> bool {
    let seen = |object: &BlobRollout| {
        let meta = &object.metadata;
        (meta.uid.clone(), meta.generation, meta.annotations.clone(), meta.deletion_timestamp.is_some())
    };
    cache.map(seen) != Some(seen(&world.api.object))
}

fn milliseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// N5: whoever had all the time they need since a renewal was due has renewed it.
pub fn time_passed(world: &mut World) {
    if is_disturbed(world) {
        world.checks.quiet_since = world.elapsed;
    }
    let now = world.now();
    let interval = milliseconds(world.spec.interval) + world.hub.lag;
    let (elapsed, quiet) = (world.elapsed, world.checks.quiet_since);
    for (id, watch) in &mut world.checks.devices {
        if world.hub.failing.contains(id) {
            watch.touched = elapsed;
        }
        if world.hub.refusing.contains(id) {
            watch.excused = elapsed + GRUDGE;
        }
        let calm = elapsed - quiet.max(watch.touched);
        watch.counted |= calm > interval + COUNT_AGE;
        if calm > interval + RECOVERY && elapsed - watch.excused > interval + RECOVERY {
            watch.served = Some(now);
        }
        let Some(ours) = watch.ours.as_ref().filter(|ours| ours.expiry <= now) else { continue };
        let due = minus(ours.expiry, world.spec.sas.renew_before);
        let wait = u64::try_from(interval + RECOVERY).unwrap();
        let late =
            watch.served.is_some_and(|served| served > plus(due, std::time::Duration::from_millis(wait)));
        let device = world.hub.devices.get(id);
        let targeted = device
            .is_some_and(|device| world.spec.target.as_ref().is_ok_and(|target| picks(target, id, device)));
        let stored = world.storage.blobs.contains_key(&ours.goal.name);
        let deleted = world.api.object.metadata.deletion_timestamp.is_some();
        assert!(
            !(late && targeted && stored) || deleted,
            "N5: {id} holds a link of ours that died at {}",
            ours.expiry
        );
    }
}

/// The brake: checked where a write can no more be called back.
pub fn sends(world: &World, gift: &Gift<'_>) {
    let Some(object) = &world.operators[gift.operator].cache else { panic!("a write without an object") };
    assert!(
        object.metadata.deletion_timestamp.is_none(),
        "the brake: {} is written after a deletion",
        gift.device
    );
    let held = gift.before.uri().and_then(BlobUri::of);
    let new = held.as_ref() != Some(&gift.goal.blob);
    assert!(!(object.spec.suspend && new), "the brake: {} gets a revision while suspended", gift.device);
}

/// N3 and the reason of every write.
pub fn written(world: &mut World, gift: &Gift<'_>) {
    let Gift { device: id, before, goal, .. } = gift;
    let after = &world.hub.devices[*id];
    let others = |device: &Device| {
        let mut desired = device.desired.clone();
        desired.remove(PROPERTY);
        (desired, device.site, device.reported.clone())
    };
    assert_eq!(others(before), others(after), "N3: {id} has lost something of somebody else");
    let said = |device: &Device| device.property()?.get("ts")?.as_str().and_then(parse_ts);
    let (was, is) = (said(before), said(after).unwrap());
    let content = |device: &Device| device.uri().and_then(BlobUri::of);
    let same = content(before) == content(after);
    let later = was.is_none_or(|was| if same { is >= was } else { is > was });
    assert!(later, "N3: the ts of {id} goes from {was:?} to {is}");
    assert_ne!(before.property(), after.property(), "N7: {id} is given what it has");
    let property = after.property().cloned();
    let watch = world.checks.devices.entry((*id).to_owned()).or_default();
    if let Some(ours) = &watch.ours {
        // A renewal keeps the ts of the time before, and the twin tells nobody that its content has become the goal again.
        let held = was.map_or(ours.goal.ts, |was| was.min(ours.goal.ts));
        let backwards = !same && held > goal.ts && !world.checks.deleted.contains(&ours.goal.name);
        assert!(
            !backwards,
            "N3: {id} goes back from {} of {} to {} of {}",
            ours.goal.name, ours.goal.ts, goal.name, goal.ts
        );
        let but_ts = |value: Option<&Value>| {
            let mut value = value.cloned().unwrap_or_default();
            value.as_object_mut().map(|object| object.remove("ts"));
            value
        };
        // A blob that was lost and stored again asks for a later ts.
        let same = but_ts(ours.property.as_ref()) == but_ts(property.as_ref());
        assert!(!same || ours.goal.first_ts < goal.first_ts, "N7: {id} is given the same again");
    }
    // Neither the index nor another operator sees at once what was written.
    let alone = world.operators.iter().filter(|operator| !operator.stopped).count() == 1;
    watch.counted &= world.hub.lag == 0 && alone;
    watch.ours = Some(Given { goal: (*goal).clone(), expiry: gift.expiry, property });
    world.twin_writes += 1;
}

/// N1: what a status says of a generation is so.
pub fn reported(world: &World, operator: usize, status: &BlobRolloutStatus) {
    let (generation, uid) = (world.api.object.metadata.generation, &world.api.object.metadata.uid);
    let other = world.operators[operator].cache.as_ref().is_none_or(|cache| cache.metadata.uid != *uid);
    assert!(other || status.observed_generation <= generation, "N1: a generation that is not there");
    let operator = &world.operators[operator];
    let fresh = !is_stale(world, operator.cache.as_ref());
    let rested = world.elapsed - operator.resumed > milliseconds(world.spec.interval) + COUNT_AGE;
    // Who refuses a link may hold a live one all the same, and then the numbers hide somebody else for an interval.
    let refused = is_true(&status.conditions, DEVICES_REFUSED);
    if !is_true(&status.conditions, READY) || !fresh || !rested || refused {
        return;
    }
    let Ok(target) = &world.spec.target else { panic!("N1: Ready with a target that cannot be read") };
    let wanted = world.spec.source.as_ref().ok().and_then(|source| world.api.read(source).ok());
    let said = find(&status.conditions, READY).map(|ready| &ready.message);
    let links = world.links();
    let mut judged: BTreeMap<Option<&str>, bool> = BTreeMap::new();
    for (id, watch) in &world.checks.devices {
        let Some(device) = world.hub.devices.get(id).filter(|device| picks(target, id, device)) else {
            continue;
        };
        if !watch.counted || watch.excused > world.elapsed {
            continue;
        }
        // Who has just begun repeats what was told, and no status tells of a key.
        let genuine = |link: &Link| operator.found.count.done.is_none() || links.is_genuine(link);
        let live = *judged.entry(device.uri()).or_insert_with(|| {
            device.link().is_some_and(|link| link.expiry() > world.now() && genuine(&link))
        });
        if world.spec.suspend {
            assert!(watch.ours.is_none() || live, "N1: Ready, and {id} holds a dead link");
            continue;
        }
        let leads_to = |name: &str| device.uri().is_some_and(|uri| uri.contains(&format!("/{name}?")));
        let right = live && wanted.as_ref().is_none_or(|asset| leads_to(&asset.sha256));
        assert!(right, "N1: {} says {said:?}, and {id} holds {:?}", operator.name, device.uri());
    }
}
