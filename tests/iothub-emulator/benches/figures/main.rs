//! What the emulator takes, as a program of its own under load: `cargo bench -p iothub-emulator`. Each figure is printed
//! with its limit; the exit code tells whether all were kept.
//!
//! `cargo bench -p iothub-emulator -- mqtt` runs the parts whose names follow: memory, patch, query, mqtt.

// A figure that cannot be taken ends the run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod constant;
mod fleet;
mod http;
mod memory;
mod mqtt;
mod patch;
mod process;
mod query;
mod report;

use std::process::ExitCode;

use report::Report;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [mode, ca] = arguments.as_slice()
        && mode == constant::MODE
    {
        constant::serve(ca).await;
        return ExitCode::SUCCESS;
    }
    let _ = iothub_emulator::raise_open_files_limit();
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    let mut report = Report::default();
    if wanted("memory") {
        memory::own_links(&mut report).await;
    }
    if wanted("memory") || wanted("query") {
        let hub = memory::one_link(&mut report).await;
        if wanted("query") {
            query::figures(&hub, &mut report).await;
        }
    }
    if wanted("patch") {
        patch::figures(&mut report).await;
    }
    if wanted("mqtt") {
        mqtt::figures(&mut report).await;
    }
    report.end()
}
