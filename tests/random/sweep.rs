//! A sweep, a call at a time, as the task does it: rows of a query that may be old, judgement, a patch on condition of the etag, and
//! another look where somebody was faster.

use blobrollout::{
    api::conditions::Reason,
    fleet::{Goal, Tally, attempts::Permission, tally::Round},
    rollout::{
        assignment::{Assignment, Assignments, assign},
        fault::Fault,
        found::{Outcome, Reached},
        links::Links,
        task::{SweepInput, SweepKey},
    },
    storage::link::{BlobUri, Link},
    time::ts,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::{
    checks::{self, Gift},
    hub::{Device, PROPERTY, PatchError, picks},
    work::{hub_is_away, storage_is_away},
    world::World,
};

/// As in the task.
const MOST_ROUNDS: usize = 5;
const MOST_JUDGEMENTS: u32 = 5;
const FAILURES_OF_A_HUB: u64 = 20;
const SETTLE_TIME: i64 = 1_000;
/// Devices that are served at once.
const AT_ONCE: usize = 3;

/// A sweep under way.
pub struct Sweeping {
    links: Links,
    path: String,
    round: usize,
    began: Option<Timestamp>,
    serving: Vec<Serving>,
    tally: Tally,
    failures: u64,
}

/// A device that is served.
struct Serving {
    device: String,
    twin: Device,
    is_fresh: bool,
    judgements: u32,
    patch: Option<Sent>,
    on_the_wire: bool,
}

/// A patch.
#[derive(Clone)]
pub struct Sent {
    device: String,
    before: Device,
    patch: Value,
    label: String,
    goal: Goal,
    expiry: Timestamp,
    renewed: bool,
    judged: Timestamp,
}

impl Sent {
    fn gift(&self, operator: usize) -> Gift<'_> {
        let Self { device, before, goal, expiry, .. } = self;
        Gift { operator, device, before, goal, expiry: *expiry }
    }
}

/// A patch arrives at the hub; a foreign writer may have been faster.
pub fn land(world: &mut World, n: usize, sent: &Sent) -> Result<(), PatchError> {
    let landed = world.hub.patch(&sent.device, sent.before.etag, &sent.patch, world.elapsed);
    let name = world.operators[n].name;
    world.say(|| {
        let (device, goal) = (&sent.device, &sent.goal);
        format!("{name}: writes {device}: {} of {} until {}: {landed:?}", goal.name, goal.ts, sent.expiry)
    });
    if landed.is_ok() {
        checks::written(world, &sent.gift(n));
        world.operators[n].attempts.written(&sent.device, &sent.label, sent.judged);
    }
    landed
}

impl Sweeping {
    /// A sweep that has not asked yet.
    pub fn begin(key: &SweepKey, input: &SweepInput) -> Self {
        Self {
            links: key.policy.links(input.lead),
            path: key.goal.blob.as_str().rsplit_once('/').unwrap().0.to_owned(),
            round: 0,
            began: None,
            serving: Vec::new(),
            tally: Tally::default(),
            failures: 0,
        }
    }

    /// What is on the wire.
    pub fn sent(self) -> Vec<Sent> {
        self.serving
            .into_iter()
            .filter(|serving| serving.on_the_wire)
            .filter_map(|serving| serving.patch)
            .collect()
    }

    /// The next call.
    pub fn go_on(
        &mut self,
        world: &mut World,
        n: usize,
        key: &SweepKey,
        input: &SweepInput,
        reached: &mut Reached,
    ) -> Option<Result<Outcome, Fault>> {
        let now = world.now();
        let Some(began) = self.began else {
            if world.hub.away {
                return Some(Err(hub_is_away()));
            }
            self.tally.round = Round::default();
            self.began = Some(now);
            self.serving = self.rows(world, key, input, now);
            return None;
        };
        if !self.serving.is_empty() {
            let choice = world.random.below(self.serving.len().min(AT_ONCE));
            let serving = self.serving.remove(choice);
            let went = self.serve(world, n, key, input, serving);
            *reached = Reached::Swept(self.tally.clone());
            return match went {
                Err(fault) => Some(Err(fault)),
                Ok(Some(serving)) => {
                    self.serving.insert(choice, serving);
                    None
                }
                Ok(None) => None,
            };
        }
        self.tally.round_began = Some(began);
        self.round += 1;
        if self.tally.round.written == 0 || self.round == MOST_ROUNDS {
            return Some(Ok(Outcome::Swept(self.tally.clone())));
        }
        self.began = None;
        world.advance(SETTLE_TIME);
        None
    }

    /// What the query answers, which mirrors the judgement on what the index shows.
    fn rows(&self, world: &World, key: &SweepKey, input: &SweepInput, now: Timestamp) -> Vec<Serving> {
        let begins = |uri: &str, blob: &BlobUri| {
            self.links.good_prefixes(blob, now).iter().any(|good| uri.starts_with(good))
        };
        let good = self.links.good_prefixes(&key.goal.blob, now);
        let wanted = |device: &Device| {
            if key.hold {
                let Some(uri) = device.uri() else { return false };
                let held = input.held.iter().find(|blob| uri.starts_with(&format!("{}?", blob.as_str())));
                return held.is_some_and(|blob| !begins(uri, blob));
            }
            !is_current(device, &key.goal, &good)
        };
        let picked = world.hub.index.iter().filter(|(id, device)| picks(&key.target, id, device));
        let row = |(id, device): (&String, &Device)| Serving {
            device: id.clone(),
            twin: device.clone(),
            is_fresh: false,
            judgements: 0,
            patch: None,
            on_the_wire: false,
        };
        picked.filter(|(_, device)| wanted(device)).map(row).collect()
    }

    /// One step for one device; nothing where it is done.
    fn serve(
        &mut self,
        world: &mut World,
        n: usize,
        key: &SweepKey,
        input: &SweepInput,
        mut serving: Serving,
    ) -> Result<Option<Serving>, Fault> {
        let Some(sent) = serving.patch.clone() else { return self.judge(world, n, key, input, serving) };
        if !serving.on_the_wire {
            checks::sends(world, &sent.gift(n));
            serving.on_the_wire = true;
            return Ok(Some(serving));
        }
        let lost = world.random.chance(2);
        match land(world, n, &sent) {
            Ok(()) if lost => return self.failed(&serving.device),
            Ok(()) => {
                self.tally.written += 1;
                self.tally.round.written += 1;
                self.tally.renewed += u64::from(sent.renewed);
                self.tally.first_expiry = self.tally.first_expiry.into_iter().chain([sent.expiry]).min();
                self.failures = 0;
            }
            Err(PatchError::Precondition) => {
                serving.patch = None;
                serving.on_the_wire = false;
                return self.look_again(world, serving);
            }
            Err(PatchError::Refused) => {
                world.operators[n].attempts.refused(&serving.device, &sent.label, "full", sent.judged);
                self.refused(&serving.device);
            }
            Err(PatchError::NotFound) => self.tally.round.gone += 1,
            Err(PatchError::Away) => return self.failed(&serving.device),
        }
        Ok(None)
    }

    fn judge(
        &mut self,
        world: &mut World,
        n: usize,
        key: &SweepKey,
        input: &SweepInput,
        mut serving: Serving,
    ) -> Result<Option<Serving>, Fault> {
        let now = world.now();
        let device = serving.device.clone();
        if serving.judgements == MOST_JUDGEMENTS {
            self.left(&device, "its twin keeps changing while it is written");
            return Ok(None);
        }
        serving.judgements += 1;
        let rule = Assignments {
            goal: &key.goal,
            revisions: &input.revisions,
            gone: &input.gone,
            hold: key.hold,
            links: &self.links,
            path: &self.path,
        };
        let (revision, at, renewed) = match assign(serving.twin.property(), &rule, |_| None, now) {
            Assignment::Keep | Assignment::Wait | Assignment::Conflict(_) => return Ok(None),
            Assignment::Newer(blob) => {
                self.tally.round.newer += 1;
                self.tally.round.unknown(blob);
                self.left(&device, "its twin links to a revision that is not known yet");
                return Ok(None);
            }
            Assignment::Give { revision, ts, renewed } => (revision, ts, renewed),
        };
        let link = self.links.mint(&revision.name, now).unwrap();
        let label = format!("{} {:?}", link.expose(), revision.fields());
        match world.operators[n].attempts.permission(&device, &label, now) {
            Permission::Write => (),
            Permission::Refused => {
                self.refused(&device);
                return Ok(None);
            }
            Permission::Contested(_) if !serving.is_fresh => return self.look_again(world, serving),
            Permission::Contested(_) => {
                self.tally.round.contested += 1;
                self.left(&device, "somebody else keeps writing it");
                return Ok(None);
            }
        }
        opens(world, key, &revision.name, &link, now)?;
        let patch = revision.patch(PROPERTY, &link, at, serving.twin.property());
        assert!(patch.to_string().contains(&ts(at)), "a patch tells its ts");
        serving.patch = Some(Sent {
            device,
            before: serving.twin.clone(),
            patch,
            label,
            goal: revision.clone(),
            expiry: link.expiry(),
            renewed: renewed.is_some(),
            judged: now,
        });
        Ok(Some(serving))
    }

    fn look_again(&mut self, world: &World, mut serving: Serving) -> Result<Option<Serving>, Fault> {
        match world.hub.twin(&serving.device) {
            Ok(twin) => {
                serving.twin = twin;
                serving.is_fresh = true;
                Ok(Some(serving))
            }
            Err(PatchError::NotFound) => {
                self.tally.round.gone += 1;
                Ok(None)
            }
            Err(_) => self.failed(&serving.device),
        }
    }

    fn failed(&mut self, device: &str) -> Result<Option<Serving>, Fault> {
        self.left(device, "no answer");
        self.failures += 1;
        if self.failures >= FAILURES_OF_A_HUB { Err(hub_is_away()) } else { Ok(None) }
    }

    fn left(&mut self, device: &str, reason: &str) {
        self.tally.round.left += 1;
        self.tally.round.sample(device, reason);
    }

    fn refused(&mut self, device: &str) {
        self.tally.round.refused += 1;
        self.tally.round.sample(device, "the hub refuses");
    }
}

/// One byte is read through every link before a twin gets it.
fn opens(world: &World, key: &SweepKey, name: &str, link: &Link, now: Timestamp) -> Result<(), Fault> {
    if world.storage.away || !world.storage.blobs.contains_key(name) {
        return Err(storage_is_away());
    }
    if key.policy.account != world.api.account() {
        return Err(Fault::user(Reason::StorageRefused, "the key is not in force"));
    }
    assert!(link.expiry() > now && link.start() < Some(now), "a link is dead on arrival");
    Ok(())
}

/// Whether the query for twins that are not current leaves this one out.
fn is_current(device: &Device, goal: &Goal, good: &[String]) -> bool {
    let Some(object) = device.property() else { return false };
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let linked = text("uri").is_some_and(|uri| good.iter().any(|good| uri.starts_with(good)));
    let told = text("ts").is_some_and(|at| at >= ts(goal.first_ts).as_str() && at < ":");
    linked && told && goal.fields().iter().all(|(name, value)| object.get(name) == value.as_ref())
}
