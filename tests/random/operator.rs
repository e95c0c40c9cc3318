//! An operator: a process with a memory and a cache of its own. It reconciles, supervises and reports as the controller does.

use std::{mem, time::Duration};

use blobrollout::{
    api::{
        BlobRollout,
        conditions::{OURS, READY, find},
    },
    fleet::attempts::Attempts,
    rollout::{
        Plan, Rollout,
        facts::Facts,
        fault::Fault,
        found::{Found, Outcome, Reached},
        plan,
        schedule::may_go_on,
        task::{Kind, Task},
    },
    time::until,
};
use k8s_openapi::jiff::Timestamp;

use crate::{
    checks,
    object::Api,
    sweep::{self, Sent},
    work::{self, Work},
    world::World,
};

/// The installer's allowance for clocks that differ.
pub const SKEW: Duration = Duration::from_mins(15);
/// Shortest pause between two reconciles, as the controller has it.
const SHORTEST_WAKE: Duration = Duration::from_millis(500);

/// An operator.
pub struct Operator {
    /// For people.
    pub name: &'static str,
    /// What its tasks have found.
    pub found: Found,
    /// Whom it has written in vain.
    pub attempts: Attempts,
    /// What runs.
    pub running: Vec<Running>,
    /// The object as it sees it.
    pub cache: Option<BlobRollout>,
    /// Its watch is silent.
    pub frozen: bool,
    /// It gets no time.
    pub stopped: bool,
    /// When it went on after it was stopped, in milliseconds.
    pub resumed: i64,
    /// Patches on the wire that cannot be called back.
    pub wire: Vec<Sent>,
    woken: bool,
    due: i64,
    /// What the last plan wanted.
    pub wanted: Vec<Kind>,
}

/// A task under way.
pub struct Running {
    /// What it is for.
    pub task: Task,
    began: Timestamp,
    /// How far it is.
    pub reached: Reached,
    work: Work,
}

impl Operator {
    /// A process that has just begun.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            found: Found::default(),
            attempts: Attempts::default(),
            running: Vec::new(),
            cache: None,
            frozen: false,
            stopped: false,
            resumed: i64::MIN / 2,
            wire: Vec::new(),
            woken: true,
            due: 0,
            wanted: Vec::new(),
        }
    }

    /// Whether it would do something now.
    pub fn has_something_to_do(&self, elapsed: i64) -> bool {
        let work = !self.running.is_empty() || !self.wire.is_empty();
        !self.stopped && self.cache.is_some() && (self.woken || self.due <= elapsed || work)
    }

    /// When it wakes by itself.
    pub fn timer(&self) -> Option<i64> {
        (!self.stopped && self.cache.is_some()).then_some(self.due)
    }

    /// Its watch tells of `object`; what that does not want ends at once.
    pub fn sees(&mut self, object: &BlobRollout) {
        let same = self.cache.as_ref().is_some_and(|cache| cache.metadata.uid == object.metadata.uid);
        if !same {
            self.found = Found::default();
            self.attempts = Attempts::default();
            self.cut(|_| false);
        }
        self.cache = Some(object.clone());
        self.cut(|task| match task {
            Task::Sweep(key, _) => may_go_on(key, object),
            Task::Inventory(_) | Task::Store(..) | Task::Count(..) => {
                object.metadata.deletion_timestamp.is_none()
            }
        });
        self.woken = true;
    }

    /// Its timers and watches ask for a reconcile.
    pub fn wake(&mut self) {
        self.woken = true;
    }

    /// Ends what is not to be kept. What is on the wire arrives all the same.
    fn cut(&mut self, keep: impl Fn(&Task) -> bool) {
        let (kept, ended): (Vec<_>, Vec<_>) =
            mem::take(&mut self.running).into_iter().partition(|running| keep(&running.task));
        self.running = kept;
        self.wire.extend(ended.into_iter().flat_map(|running| running.work.sent()));
    }

    fn found(&self) -> Found {
        let mut found = self.found.clone();
        for running in &self.running {
            found.running(&running.task, &running.reached);
        }
        found
    }
}

/// One operator does one of the things that it could do.
pub fn act(world: &mut World, n: usize) {
    let operator = &world.operators[n];
    let reconciles = operator.woken || operator.due <= world.elapsed;
    let others = operator.running.len() + operator.wire.len();
    let choice = world.random.below(others + usize::from(reconciles) * (1 + others));
    let operator = &mut world.operators[n];
    if choice >= others {
        reconcile(world, n);
    } else if choice < operator.wire.len() {
        let sent = operator.wire.remove(choice);
        let _nobody_asks = sweep::land(world, n, &sent);
    } else {
        let choice = choice - operator.wire.len();
        let mut running = operator.running.remove(choice);
        let outcome = work::go_on(world, n, &running.task, &mut running.work, &mut running.reached);
        match outcome {
            None => world.operators[n].running.push(running),
            Some(outcome) => end(world, n, running, outcome),
        }
    }
}

fn end(world: &mut World, n: usize, running: Running, outcome: Result<Outcome, Fault>) {
    let ended = world.now();
    let name = world.operators[n].name;
    world.say(|| match &outcome {
        Ok(Outcome::Swept(tally)) => {
            format!("{name}: a sweep has ended: {} written, {:?}", tally.written, tally.round)
        }
        Ok(_) => format!("{name}: {:?} has ended", running.task.kind()),
        Err(fault) => format!("{name}: {:?} has failed: {}", running.task.kind(), fault.message),
    });
    let operator = &mut world.operators[n];
    operator.wire.extend(running.work.sent());
    operator.found.note(&running.task, running.began, ended, outcome, running.reached);
    operator.woken = true;
}

/// Observe, plan, supervise, report.
fn reconcile(world: &mut World, n: usize) {
    let now = world.now();
    let operator = &mut world.operators[n];
    operator.woken = false;
    let Some(object) = operator.cache.clone() else { return };
    let found = operator.found();
    let rollout = Rollout::of(&object);
    let invalid = |error: &dyn ToString| {
        Fault::user(blobrollout::api::conditions::Reason::InvalidSpec, error.to_string())
    };
    let asset = match &rollout.spec.source {
        Ok(source) => world.api.read(source),
        Err(error) => Err(invalid(error)),
    };
    let facts = Facts {
        unseen: u32::from(asset.is_err()),
        asset,
        account: Ok(world.api.account()),
        hub: Ok(Api::hub()),
        skew: SKEW,
        secrets_watched: true,
        found,
    };
    let plan = plan(&rollout, &facts, now);
    supervise(world, n, &plan);
    report(world, n, &object, &plan);
    let wake = until(plan.wake, now).max(SHORTEST_WAKE);
    world.operators[n].due = world.elapsed + i64::try_from(wake.as_millis()).unwrap();
}

fn supervise(world: &mut World, n: usize, plan: &Plan) {
    let began = world.now();
    let operator = &mut world.operators[n];
    operator.cut(|task| plan.tasks.iter().any(|wanted| wanted.same_key(task)));
    operator.wanted = plan.tasks.iter().map(Task::kind).collect();
    for task in &plan.tasks {
        if operator.running.iter().all(|running| running.task.kind() != task.kind()) {
            let work = Work::begin(task);
            let reached = Reached::default();
            operator.running.push(Running { task: task.clone(), began, reached, work });
        }
    }
}

fn report(world: &mut World, n: usize, object: &BlobRollout, plan: &Plan) {
    let name = world.operators[n].name;
    let mut before = object.status.clone().unwrap_or_default();
    before.conditions.retain(|condition| OURS.contains(&condition.type_.as_str()));
    let same = plan.status == before;
    // What stays as it was is judged now and then.
    if !same || world.random.chance(25) {
        checks::reported(world, n, &plan.status);
    }
    if same || world.api.object.metadata.uid != object.metadata.uid {
        return;
    }
    world.say(|| {
        let ready = find(&plan.status.conditions, READY)
            .map(|ready| format!("Ready {} {}: {}", ready.status, ready.reason, ready.message));
        format!(
            "{name}: reports generation {:?}, {}; wants {:?}, wakes at {}",
            plan.status.observed_generation,
            ready.unwrap_or_default(),
            world.operators[n].wanted,
            plan.wake
        )
    });
    world.status_writes += 1;
    world.api.object.status = Some(plan.status.clone());
    for operator in world.operators.iter_mut().filter(|operator| !operator.frozen && !operator.stopped) {
        if let Some(cache) = &mut operator.cache {
            cache.status = Some(plan.status.clone());
        }
    }
}
