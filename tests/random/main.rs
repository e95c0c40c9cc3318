//! Random sequences of facts, edits, failures, clock jumps, stale caches and restarts, against the pure heart of the operator.
//!
//! A simulated world takes the place of the API server, storage and the hub, and time passes in it as it is told. Two operators, each
//! with a memory of its own, plan with [`blobrollout::rollout::plan`] and do their tasks with the product's pure functions, one call at
//! a time, so that everything can be cut anywhere. Invariants are checked at every write and every status; at the end faults cease and
//! the world must come to rest.
//!
//! A run that fails prints its seed and its steps. `SEED=<n> cargo test --test random` replays that one alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

mod checks;
mod count;
mod devices;
mod edits;
mod hub;
mod object;
mod operator;
mod random;
mod rest;
mod storage;
mod sweep;
mod work;
mod world;

use std::{
    panic::catch_unwind,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use world::World;

/// Runs in the suite.
const RUNS: u64 = 2_000;
/// The first seed. Others are as good; `RUNS` and `FIRST` in the environment try more.
const FIRST_SEED: u64 = 1;

/// One run: random steps, then rest.
fn run(seed: u64, told: bool) {
    let mut world = World::new(seed, told);
    let steps = 30 + world.random.below(60);
    for _ in 0..steps {
        edits::step(&mut world);
    }
    rest::come_to_rest(&mut world);
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn whatever_happens_the_invariants_hold_and_the_world_comes_to_rest() {
    if let Some(seed) = setting("SEED") {
        return run(seed, true);
    }
    let first = setting("FIRST").unwrap_or(FIRST_SEED);
    let runs = setting("RUNS").unwrap_or(RUNS);
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(u64::MAX);
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= first + runs || failed.load(Ordering::Relaxed) != u64::MAX {
            return;
        }
        if catch_unwind(|| run(seed, false)).is_err() {
            failed.fetch_min(seed, Ordering::Relaxed);
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner();
    if failed != u64::MAX {
        eprintln!("seed {failed} fails; its steps:");
        run(failed, true);
        panic!("seed {failed} fails, and not when it is run again");
    }
}
