//! The end of a run: faults cease, one operator goes on, and the world must come to rest, be right, and cost nothing (N4, N7, N10).

use blobrollout::{
    api::{
        conditions::{READY, STALLED, find, is_true},
        status::BlobRolloutStatus,
    },
    rollout::task::Kind,
    time::{parse_ts, plus},
};

use crate::{
    checks, devices, edits,
    hub::{Device, picks},
    world::World,
};

const MINUTE: i64 = 60_000;
/// Within so many intervals everything is done that no grudge holds up.
const MOST_INTERVALS: usize = 60;
/// A device that was refused or contested is tried again after so long at most.
const GRUDGE: i64 = 85 * MINUTE;

/// Comes to rest, and stays there.
pub fn come_to_rest(world: &mut World) {
    world.say(|| "faults cease".into());
    edits::quiet(world);
    (0..2).for_each(|n| edits::go_on(world, n));
    let other = world.random.below(2);
    world.operators[other].stopped = true;
    world.operators[other].running.clear();
    world.operators[other].wire.clear();
    if world.random.chance(20) {
        edits::restart(world, 1 - other);
    }
    if checks::somebody_is_excused(world) {
        world.pass(GRUDGE);
    }
    settle(world);
    world.say(|| "everything must be right now".into());
    is_right(world);
    if world.random.chance(30) {
        restart_costs_nothing(world, 1 - other);
        settle(world);
    }
    if world.random.chance(25) {
        costs_nothing(world, 1 - other);
    }
}

fn interval(world: &World) -> i64 {
    i64::try_from(world.spec.interval.as_millis()).unwrap()
}

fn effects(world: &World) -> (u64, u64, u64) {
    (world.twin_writes, world.storage.writes, world.status_writes)
}

/// Devices answer, and time passes until three intervals in a row have changed nothing.
fn settle(world: &mut World) {
    let (mut idle, interval) = (0, interval(world));
    for _ in 0..MOST_INTERVALS {
        let before = effects(world);
        devices::all_answer(world);
        world.pass(interval);
        idle = if effects(world) == before { idle + 1 } else { 0 };
        if idle == 3 {
            return;
        }
    }
    panic!("N10: the world does not come to rest");
}

/// What the status must say, and what the twins must hold.
fn is_right(world: &World) {
    let object = &world.api.object;
    let status = object.status.clone().unwrap_or_default();
    assert_eq!(status.observed_generation, object.metadata.generation, "N1: the last generation is reached");
    let ready = find(&status.conditions, READY).unwrap();
    let said = (ready.status.as_str(), ready.reason.as_str());
    let spec = &world.spec;
    if object.metadata.deletion_timestamp.is_some() {
        assert_eq!(said, ("False", "Terminating"));
        return;
    }
    let targeted: Vec<(&String, &Device)> = match &spec.target {
        Ok(target) => world.hub.devices.iter().filter(|(id, device)| picks(target, id, device)).collect(),
        Err(_) => Vec::new(),
    };
    let refused = spec.target.as_ref().is_ok_and(|target| target.conditions(3000)[0].contains("refused"));
    let unread = spec.source.as_ref().is_ok_and(|source| world.api.read(source).is_err());
    let stands = world.storage.blobs.values().any(|blob| blob.metadata.ts.is_some());
    let many = spec.max_devices.is_some_and(|most| targeted.len() as u64 > most);
    links_live(world, &targeted);
    let stalled = match () {
        () if !spec.errors.is_empty() => Some("InvalidSpec"),
        () if unread && !spec.suspend => Some("SourceUnavailable"),
        () if refused && stands => Some("QueryRefused"),
        () if many && stands => Some("TooManyDevices"),
        () => None,
    };
    if let Some(reason) = stalled {
        assert_eq!(said, ("False", reason), "{}", ready.message);
        assert!(is_true(&status.conditions, STALLED), "{reason} needs a user");
        return;
    }
    if spec.suspend {
        suspended(world, said, &targeted);
    } else {
        delivered(world, said, &targeted, &status);
    }
}

/// N5: no targeted device is left with a link that is not good, whatever else is wrong.
fn links_live(world: &World, targeted: &[(&String, &Device)]) {
    let links = world.links();
    for (id, device) in targeted {
        let Some(link) = device.link() else { continue };
        let name = link.blob().as_str().split_once("/rollouts/").map(|(_, name)| name.to_owned());
        if name.is_some_and(|name| world.storage.blobs.contains_key(&name)) {
            assert!(links.is_good(&link, world.now()), "N5: {id} is left with a link that is not good");
        }
    }
}

fn suspended(world: &World, said: (&str, &str), targeted: &[(&String, &Device)]) {
    let ours = |device: &Device| device.uri().is_some_and(|uri| uri.contains("/rollouts/ns/recipes/"));
    let holders = targeted.iter().filter(|(_, device)| ours(device)).count();
    // Where no revision is left nobody can be counted, and what was told of their links stands.
    let gone = world.storage.blobs.is_empty()
        || targeted.iter().filter(|(_, device)| ours(device)).any(|(_, device)| {
            let name = device.uri().and_then(|uri| uri.split_once("/rollouts/")).map(|(_, rest)| rest);
            let name = name.and_then(|rest| rest.split_once('?')).map(|(name, _)| name);
            !world.storage.blobs.contains_key(name.unwrap_or_default())
        });
    let want = if holders == 0 { ("False", "Suspended") } else { ("True", "Delivered") };
    assert!(gone || said == want, "suspended with {holders} links: {said:?}");
}

fn delivered(world: &World, said: (&str, &str), targeted: &[(&String, &Device)], status: &BlobRolloutStatus) {
    let asset = world.api.read(world.spec.source.as_ref().unwrap()).unwrap();
    let name = format!("ns/recipes/{}", asset.sha256);
    let blob = &world.storage.blobs[&name];
    assert_eq!(blob.content_type.as_ref(), world.spec.content_type.as_ref().ok(), "the blob's type");
    assert_eq!(blob.metadata.uid, world.api.object.metadata.uid, "the blob's owner");
    let links = world.links();
    for (id, device) in targeted {
        let object = device.property().cloned().unwrap_or_default();
        let link = device.link().unwrap_or_else(|| panic!("N4: {id} holds no link"));
        assert!(link.blob().as_str().ends_with(&name), "N4: {id} holds {:?}", link.blob());
        assert!(links.is_good(&link, world.now()), "N5: {id} holds a link that is not good");
        assert_eq!(object["contentType"].as_str(), world.spec.content_type.as_deref().ok(), "N4: {id}");
        let told = object["ts"].as_str().and_then(parse_ts);
        assert!(told >= blob.metadata.first_ts, "N4: the ts of {id}");
        let twin = world.spec.twin.as_ref().unwrap();
        assert_eq!(object.get("sha256").is_some(), twin.with_sha256, "N4: {id}");
        assert_eq!(object.get("size").is_some(), twin.with_size, "N4: {id}");
    }
    let want = if targeted.is_empty() { "NoDevices" } else { "Delivered" };
    assert_eq!(said, ("True", want), "{status:?}");
    let devices = status.devices.clone().unwrap();
    let number = i64::try_from(targeted.len()).unwrap();
    assert_eq!((devices.targeted, devices.linked, devices.remaining), (number, number, 0), "N4");
}

/// N7: who begins anew finds everything as it is to be, and writes no twin and no blob.
fn restart_costs_nothing(world: &mut World, n: usize) {
    let (twins, blobs, _) = effects(world);
    let (interval, now) = (interval(world), world.now());
    edits::restart(world, n);
    world.pass(3 * interval);
    let renewed = world.links().next_change(now) <= world.now();
    let (twins_after, blobs_after, _) = effects(world);
    assert!(renewed || (twins, blobs) == (twins_after, blobs_after), "N7: a restart costs twins or blobs");
}

/// N7: ten intervals of an unchanged world, between two renewals.
fn costs_nothing(world: &mut World, n: usize) {
    let interval = interval(world);
    let soak = 11 * interval;
    let now = world.now();
    let end = plus(now, std::time::Duration::from_millis(u64::try_from(soak).unwrap()));
    // A link that nobody can renew any more dies on the way, and that is told.
    let sas = world.api.object.status.as_ref().and_then(|status| status.sas.clone()).unwrap_or_default();
    let dies = sas.expiry_time.is_some_and(|expiry| expiry.0 > now && expiry.0 <= end);
    if dies || world.links().next_change(now) < plus(end, world.spec.interval) {
        return;
    }
    let before = effects(world);
    world.say(|| "from here on nothing is to be written".into());
    world.pass(soak);
    assert_eq!(effects(world), before, "N7: an unchanged world costs twins, blobs or statuses");
    let wanted: &[Kind] = &world.operators[n].wanted;
    assert!(wanted.is_empty(), "N10: {wanted:?} is wanted at rest");
}
