//! What devices do, and another writer of their twins.

use blobrollout::time::ts;
use serde_json::{Value, json};

use crate::{
    checks::touched,
    hub::{Device, PROPERTY},
    world::World,
};

/// Devices answer, come and go.
pub fn device(world: &mut World) {
    let id = format!("d{}", world.random.below(12));
    let there = world.hub.devices.contains_key(&id);
    match world.random.below(10) {
        _ if !there => world.add_device(&id),
        0..6 => answer(world, &id),
        6 => world.hub.change(&id, world.elapsed, |device| device.connected = !device.connected),
        7..9 => {
            let site = *world.random.pick(&["a", "b"]);
            world.say(|| format!("{id} moves to {site}"));
            world.hub.change(&id, world.elapsed, |device| device.site = site);
            touched(world, &id);
        }
        _ => {
            world.say(|| format!("{id} is deleted"));
            world.hub.put(&id, world.elapsed, None);
            touched(world, &id);
        }
    }
}

/// All devices answer for what they have, unless they have done so.
pub fn all_answer(world: &mut World) {
    let silent = |(_, device): &(&String, &Device)| {
        let said = device.reported.as_ref().and_then(|said| said["acknowledged"].as_str());
        said != device.uri()
    };
    let ids: Vec<String> = world.hub.devices.iter().filter(silent).map(|(id, _)| id.clone()).collect();
    for id in &ids {
        answer(world, id);
    }
}

/// The device answers for what it has.
fn answer(world: &mut World, id: &str) {
    let failed = world.random.chance(5);
    let link = world.hub.devices[id].uri().map(str::to_owned);
    let status = if failed { "failed" } else { "received" };
    let reported = json!({"current": link, "acknowledged": link, "status": status});
    if link.is_some() && world.hub.devices[id].reported.as_ref() != Some(&reported) {
        world.hub.change(id, world.elapsed, |device| device.reported = Some(reported));
    }
}

/// Another writer of the same twins.
pub fn somebody_else(world: &mut World) {
    let ids: Vec<String> = world.hub.devices.keys().cloned().collect();
    if ids.is_empty() {
        return;
    }
    let id = world.random.pick(&ids).clone();
    let n = world.random.below(10);
    let interval = world.random.below(9);
    let now = world.elapsed;
    if n < 6 {
        world.hub.change(&id, now, |device| device.desired["other"]["interval"] = interval.into());
        return;
    }
    let there = world.hub.devices[&id].property().cloned();
    let new: Option<Value> = match (n, there) {
        (6, Some(Value::Object(mut there))) => {
            let late = ["2099-01-01T00:00:00.0000000Z", "yesterday"][world.random.below(2)];
            there.insert("ts".into(), late.into());
            Some(there.into())
        }
        (7, Some(Value::Object(mut there))) => {
            there.insert("stray".into(), 5.into());
            Some(there.into())
        }
        (8, _) => Some(json!({"uri": "https://elsewhere/a/b", "ts": ts(world.now())})),
        _ => None,
    };
    world.say(|| format!("somebody else writes {id}: {new:?}"));
    world.hub.change(&id, now, |device| match new {
        Some(new) => drop(device.desired.insert(PROPERTY.into(), new)),
        None => drop(device.desired.remove(PROPERTY)),
    });
    touched(world, &id);
}
