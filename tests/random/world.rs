//! The world: everything that is there, and how time passes in it.

use blobrollout::rollout::{
    Rollout,
    links::{LinkPolicy, Links},
    validate::Validated,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    checks::{self, Checks},
    devices,
    hub::{Device, Hub},
    object::Api,
    operator::{Operator, SKEW},
    random::Random,
    storage::Storage,
};

/// When every run begins, in seconds since 1970.
const BEGIN: i64 = 1_795_000_000;
/// Devices at the beginning.
const DEVICES: usize = 10;
/// What one call or reconcile takes, in milliseconds.
const STEP_TIME: i64 = 60;
/// Calls and reconciles that one wake-up may lead to. More are a livelock.
const MOST_STEPS: usize = 4_000;

/// Everything that is there.
pub struct World {
    /// Where all chance comes from.
    pub random: Random,
    /// Milliseconds that have passed; timers follow it.
    pub elapsed: i64,
    /// How far the wall clock is from it, in milliseconds.
    pub offset: i64,
    /// The API server.
    pub api: Api,
    /// The spec as it stands there.
    pub spec: Validated,
    /// Blob storage.
    pub storage: Storage,
    /// The hub.
    pub hub: Hub,
    /// The operators.
    pub operators: [Operator; 2],
    /// What is known for the invariants.
    pub checks: Checks,
    /// Twins that operators have written.
    pub twin_writes: u64,
    /// Statuses that operators have written.
    pub status_writes: u64,
    /// Whether devices answer at once.
    answering: bool,
    told: bool,
}

impl World {
    /// The world of a seed; its steps are told or not.
    pub fn new(seed: u64, told: bool) -> Self {
        let mut random = Random::new(seed);
        let api = Api::new(Timestamp::from_second(BEGIN).unwrap());
        let lag = if random.chance(40) { *random.pick(&[2_000, 30_000, 240_000]) } else { 0 };
        let answering = random.chance(70);
        let mut world = Self {
            spec: Rollout::of(&api.object).spec,
            random,
            elapsed: 0,
            offset: 0,
            api,
            storage: Storage::default(),
            hub: Hub::new(lag),
            operators: [Operator::new("one"), Operator::new("two")],
            checks: Checks::default(),
            twin_writes: 0,
            status_writes: 0,
            answering,
            told,
        };
        for n in 0..DEVICES {
            world.add_device(&format!("d{n}"));
        }
        world.hub.catch_up(i64::MAX);
        world.operators[1].stopped = world.random.chance(50);
        for n in 0..2 {
            world.operators[n].cache = Some(world.api.object.clone());
        }
        world
    }

    /// A device joins, with desired keys of somebody else.
    pub fn add_device(&mut self, id: &str) {
        let site = *self.random.pick(&["a", "a", "b"]);
        let other = json!({"interval": self.random.below(9), "nested": {"a": 1}});
        let desired: Map<String, Value> = [("other".to_owned(), other)].into_iter().collect();
        let connected = self.random.chance(80);
        let device = Device { etag: 0, site, desired, reported: None, connected };
        self.hub.put(id, self.elapsed, Some(device));
        checks::touched(self, id);
    }

    /// The time that clocks show.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(BEGIN * 1000 + self.elapsed + self.offset).unwrap()
    }

    /// The links that are to be in the twins.
    pub fn links(&self) -> Links {
        let rollout = Rollout::of(&self.api.object);
        let policy = LinkPolicy {
            uid: rollout.uid,
            account: self.api.account(),
            container: "rollouts".into(),
            lifetime: rollout.spec.sas.lifetime,
            renew_request: rollout.renew_request,
            skew: SKEW,
        };
        policy.links(rollout.spec.sas.renew_before)
    }

    /// Tells a step, where somebody listens.
    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.told {
            eprintln!("{} {}", self.now(), what());
        }
    }

    /// Time passes.
    pub fn advance(&mut self, milliseconds: i64) {
        self.elapsed += milliseconds;
        self.hub.catch_up(self.elapsed);
        checks::time_passed(self);
    }

    /// Time passes, and operators get none of it.
    pub fn stand_still(&mut self, milliseconds: i64) {
        self.elapsed += milliseconds;
        checks::disturbed(self, true);
        self.advance(0);
    }

    /// One operator does one thing; false where none has anything to do.
    pub fn do_one_thing(&mut self) -> bool {
        let busy = |world: &Self, n: usize| world.operators[n].has_something_to_do(world.elapsed);
        let n = match (busy(self, 0), busy(self, 1)) {
            (false, false) => return false,
            (true, false) => 0,
            (false, true) => 1,
            (true, true) => self.random.below(2),
        };
        crate::operator::act(self, n);
        self.advance(STEP_TIME);
        true
    }

    /// Operators work until they have nothing to do.
    pub fn work(&mut self) {
        for _ in 0..MOST_STEPS {
            if !self.do_one_thing() {
                return;
            }
        }
        panic!("the operators never come to rest");
    }

    /// Time passes, and operators do what is due.
    pub fn pass(&mut self, milliseconds: i64) {
        let end = self.elapsed + milliseconds;
        loop {
            self.work();
            if self.answering {
                devices::all_answer(self);
            }
            let timers = self.operators.iter().filter_map(Operator::timer);
            let next = timers.min().unwrap_or(end).min(end);
            if self.elapsed >= end {
                return;
            }
            self.advance((next - self.elapsed).max(1));
        }
    }
}
