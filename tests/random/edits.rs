//! What may happen: one random step.

use blobrollout::{
    api::{
        BlobRollout, RECONCILE_REQUESTED_AT, RENEW_REQUESTED_AT,
        spec::{InlineSource, KeyRef, SourceSpec, TargetSpec},
    },
    rollout::Rollout,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    checks::{self, disturbed},
    devices,
    operator::Operator,
    world::World,
};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// One random step.
pub fn step(world: &mut World) {
    match world.random.below(100) {
        // Operators work, and are cut in the midst of it by what comes next.
        0..35 => {
            for _ in 0..=world.random.below(6) {
                world.do_one_thing();
            }
        }
        35..50 => {
            let time = world.random.between(SECOND, MINUTE);
            world.pass(time);
        }
        50..52 => {
            let time = world.random.between(10 * MINUTE, HOUR);
            world.say(|| format!("{} minutes pass", time / MINUTE));
            world.pass(time);
        }
        52..62 => edit(world),
        62..70 => devices::device(world),
        70..78 => devices::somebody_else(world),
        78..86 => fault(world),
        86..95 => process(world),
        95..98 => clock(world),
        _ => rare(world),
    }
}

/// The object is changed, and whoever watches sees it.
pub fn change(world: &mut World, what: &str, change: impl FnOnce(&mut BlobRollout)) {
    let object = &mut world.api.object;
    let spec = object.spec.clone();
    change(object);
    if object.spec != spec {
        object.metadata.generation = object.metadata.generation.map(|generation| generation + 1);
    }
    world.spec = Rollout::of(&world.api.object).spec;
    world.say(|| format!("{what}: generation {:?}", world.api.object.metadata.generation));
    tell(world);
    disturbed(world, true);
}

/// Watches tell of the object.
fn tell(world: &mut World) {
    let object = &world.api.object;
    for operator in world.operators.iter_mut().filter(|operator| !operator.frozen && !operator.stopped) {
        operator.sees(object);
    }
}

fn edit(world: &mut World) {
    let n = world.random.below(100);
    let any = world.random.below(3);
    match n {
        0..30 => change(world, "a content", |object| object.spec.source = inline(&format!("content {any}"))),
        30..36 => change(world, "the ConfigMap", |object| {
            let key = KeyRef { name: "asset".into(), key: "k".into() };
            object.spec.source = SourceSpec { config_map_key_ref: Some(key), ..SourceSpec::default() };
        }),
        36..46 => change(world, "suspend", |object| object.spec.suspend = !object.spec.suspend),
        46..60 => {
            let query = ["tags.site = 'a'", "tags.site = 'b'", "SELECT * FROM devices"][any];
            change(world, query, |object| target(object).query = Some(query.to_owned()));
        }
        60..64 => {
            let ids: Vec<String> = (any..any + 5).map(|n| format!("d{n}")).collect();
            change(world, "some ids", |object| target(object).device_ids = Some(ids));
        }
        64..66 => {
            change(world, "a bad query", |object| target(object).query = Some("tags.x = 'refused'".into()));
        }
        66..70 => {
            let most = [None, Some(3), Some(8)][any];
            change(world, "maxDevices", |object| object.spec.target.max_devices = most);
        }
        70..75 => {
            let interval = ["15m", "10m", "20m"][any];
            change(world, interval, |object| object.spec.interval = interval.into());
        }
        75..80 => {
            let lifetime = ["12h", "6h", "24h"][any];
            change(world, lifetime, |object| object.spec.sas.lifetime = Some(lifetime.into()));
        }
        80..84 => {
            let kind = ["text/plain", "application/json", "text/plain"][any];
            change(world, kind, |object| object.spec.content_type = kind.into());
        }
        84..87 => {
            let fields = [None, Some(vec!["size".to_owned()]), Some(vec!["sha256".to_owned()])][any].clone();
            change(world, "extraFields", |object| object.spec.twin.extra_fields = fields);
        }
        87..92 => annotate(world, RENEW_REQUESTED_AT),
        92..95 => annotate(world, RECONCILE_REQUESTED_AT),
        _ => change(world, "a typo", |object| match any {
            0 => object.spec.source = SourceSpec::default(),
            1 => object.spec.content_type = String::new(),
            _ => *target(object) = TargetSpec::default(),
        }),
    }
}

fn inline(text: &str) -> SourceSpec {
    let inline = InlineSource { text: Some(text.to_owned()), base64: None };
    SourceSpec { inline: Some(inline), ..SourceSpec::default() }
}

/// The target, without what it picks.
fn target(object: &mut BlobRollout) -> &mut TargetSpec {
    let target = &mut object.spec.target;
    (target.query, target.device_ids) = (None, None);
    target
}

fn annotate(world: &mut World, name: &str) {
    let value = world.random.below(1000).to_string();
    change(world, name, |object| {
        object.metadata.annotations.get_or_insert_default().insert(name.to_owned(), value);
    });
}

/// Services fail, and come back.
fn fault(world: &mut World) {
    let id = format!("d{}", world.random.below(10));
    match world.random.below(10) {
        0..2 => world.storage.away = !world.storage.away,
        2..4 => world.hub.away = !world.hub.away,
        4 => drop(world.hub.failing.insert(id)),
        5 => drop(world.hub.refusing.insert(id)),
        _ => quiet(world),
    }
    let (storage, hub) = (world.storage.away, world.hub.away);
    world.say(|| {
        let (failing, refusing) = (&world.hub.failing, &world.hub.refusing);
        format!("away: storage {storage}, hub {hub}; failing {failing:?}, refusing {refusing:?}")
    });
}

/// All services work.
pub fn quiet(world: &mut World) {
    world.storage.away = false;
    world.hub.away = false;
    world.hub.failing.clear();
    world.hub.refusing.clear();
}

/// Processes end, begin, stop and go on, and watches fall silent.
fn process(world: &mut World) {
    let n = world.random.below(2);
    match world.random.below(6) {
        0 => restart(world, n),
        1 => world.operators[n].stopped = true,
        2 => world.operators[n].frozen = true,
        3 => go_on(world, n),
        // It goes on, and its watch has not.
        4 => {
            world.operators[n].frozen |= world.operators[n].stopped;
            world.operators[n].resumed = world.elapsed;
            world.operators[n].stopped = false;
        }
        _ => (0..2).for_each(|n| go_on(world, n)),
    }
    world.say(|| {
        let how = |n: usize| (world.operators[n].name, world.operators[n].stopped, world.operators[n].frozen);
        format!("stopped, silent: {:?}, {:?}", how(0), how(1))
    });
}

/// Another process takes its place, which knows nothing. What was on the wire may arrive or not.
pub fn restart(world: &mut World, n: usize) {
    let name = world.operators[n].name;
    world.say(|| format!("{name} begins anew"));
    world.operators[n] = Operator::new(name);
    world.operators[n].sees(&world.api.object);
    disturbed(world, false);
}

/// The process goes on, and sees what there is.
pub fn go_on(world: &mut World, n: usize) {
    let (object, elapsed) = (world.api.object.clone(), world.elapsed);
    let operator = &mut world.operators[n];
    if operator.stopped {
        operator.resumed = elapsed;
    }
    if operator.stopped || operator.frozen {
        (operator.stopped, operator.frozen) = (false, false);
        operator.sees(&object);
    }
}

/// Clocks are set, and time passes in which no operator does anything.
fn clock(world: &mut World) {
    match world.random.below(4) {
        0 => world.offset += world.random.between(MINUTE, 10 * HOUR),
        1 => world.offset -= HOUR,
        _ => {
            let time = world.random.between(MINUTE, 3 * HOUR);
            world.say(|| format!("nobody does anything for {} minutes", time / MINUTE));
            world.stand_still(time);
        }
    }
    world.say(|| format!("the clock is {} minutes off", world.offset / MINUTE));
    disturbed(world, true);
}

/// What happens seldom.
fn rare(world: &mut World) {
    match world.random.below(8) {
        0 => {
            world.say(|| "somebody wipes the status".into());
            world.api.object.status = None;
            tell(world);
        }
        1 => {
            let names: Vec<String> = world.storage.blobs.keys().cloned().collect();
            if !names.is_empty() {
                let name = world.random.pick(&names).clone();
                world.say(|| format!("somebody deletes {name}"));
                world.storage.blobs.remove(&name);
                checks::blob_deleted(world, &name);
            }
        }
        2 => {
            world.api.key = (world.api.key + 1) % 4;
            world.say(|| "the account's key is another".into());
            world.operators.iter_mut().for_each(Operator::wake);
            disturbed(world, true);
        }
        3 => {
            let content = *world.random.pick(&[None, Some("map 1"), Some("map 2"), Some("map 0")]);
            world.say(|| format!("the ConfigMap is {content:?}"));
            world.api.config_map = content;
            world.operators.iter_mut().for_each(Operator::wake);
            disturbed(world, true);
        }
        4 => {
            let now = world.now();
            if world.random.chance(50) {
                change(world, "deleted", |object| object.metadata.deletion_timestamp = Some(Time(now)));
            }
        }
        5 => {
            let now = world.now();
            world.api.make(now);
            change(world, "made again", |_| ());
        }
        _ => sleeper(world),
    }
}

/// An operator is stopped in the midst of a sweep, the other one delivers something else, and the first goes on with what it knew.
fn sleeper(world: &mut World) {
    let n = world.random.below(2);
    for other in 0..2 {
        go_on(world, other);
    }
    for changes in 0..3 {
        let any = world.random.below(3);
        change(world, "back and forth", |object| object.spec.source = inline(&format!("content {any}")));
        if changes == 0 {
            for _ in 0..world.random.below(60) {
                world.do_one_thing();
            }
            world.operators[n].stopped = true;
        } else {
            world.pass(20 * SECOND);
        }
    }
    world.say(|| format!("{} goes on", world.operators[n].name));
    (world.operators[n].stopped, world.operators[n].frozen) = (false, true);
    world.operators[n].resumed = world.elapsed;
    for _ in 0..world.random.below(80) {
        world.do_one_thing();
    }
    go_on(world, n);
}
