//! The figures, as they come.

use std::process::ExitCode;

#[derive(Default)]
pub struct Report {
    missed: usize,
}

impl Report {
    /// A figure that should be at most `limit`.
    pub fn at_most(&mut self, what: &str, figure: f64, limit: f64, unit: &str) {
        self.line(what, figure, "at most", limit, unit, figure <= limit);
    }

    /// A figure that should be at least `limit`.
    pub fn at_least(&mut self, what: &str, figure: f64, limit: f64, unit: &str) {
        self.line(what, figure, "at least", limit, unit, figure >= limit);
    }

    fn line(&mut self, what: &str, figure: f64, word: &str, limit: f64, unit: &str, kept: bool) {
        let verdict = if kept { "ok" } else { "MISSED" };
        self.missed += usize::from(!kept);
        println!("{what:<66} {figure:>10.2} {unit:<5} {word} {limit:>8.2}  {verdict}");
    }

    pub fn end(self) -> ExitCode {
        if self.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// A figure without a limit.
pub fn plain(what: &str, figure: f64, unit: &str) {
    println!("{what:<66} {figure:>10.2} {unit}");
}
