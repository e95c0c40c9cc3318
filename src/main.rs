//! The operator's process.

use std::process::ExitCode;

use blobrollout::cli::Cli;
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blobrollout: {error}");
            ExitCode::FAILURE
        }
    }
}
