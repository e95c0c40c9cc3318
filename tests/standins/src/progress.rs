//! Says on stderr what takes so long.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::Result;

const EVERY: Duration = Duration::from_secs(15);

/// Writes a line to the process's stderr itself, not by `eprintln!`: the test harness would keep that to itself until the test
/// has failed, and a first run that stays silent for minutes looks like one that hangs.
pub fn say(line: &str) {
    // With nobody to tell there is nothing to do about it.
    let _ = writeln!(std::io::stderr(), "[stand-ins] {line}");
}

/// Awaits `work`, step `number` of `of`, and says at its start what is done `how`, and then that it goes on every 15 s.
pub(crate) async fn step<T>(
    (number, of): (usize, usize),
    what: &str,
    how: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let start = Instant::now();
    say(&format!("{number}/{of} {what}: {how}"));
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + EVERY, EVERY);
    let mut work = std::pin::pin!(work);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = ticks.tick() => say(&format!("{number}/{of} {what}: {} s", start.elapsed().as_secs())),
        }
    };
    let end = if result.is_ok() { "done" } else { "failed" };
    say(&format!("{number}/{of} {what}: {end} after {} s", start.elapsed().as_secs()));
    result
}
