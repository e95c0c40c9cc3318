//! One reference device as a program.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use reference_device::{Config, ConnectionString, Shared, run};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Keeps a file in step with the link in an IoT Hub device twin, and answers in the twin's reported properties.
#[derive(Parser)]
#[command(name = "device", version)]
struct Arguments {
    /// The device's connection string. Better in the environment: arguments are seen by everybody on the machine.
    #[arg(long, env = "DEVICE_CONNECTION_STRING", hide_env_values = true)]
    connection_string: String,
    /// Where the asset is kept.
    #[arg(long, default_value = "asset")]
    file: PathBuf,
    /// The desired property with the link.
    #[arg(long, default_value = "configurationBlob")]
    property: String,
    /// The reported property with the answer; the desired one's name if not given.
    #[arg(long)]
    reported_property: Option<String>,
    /// The largest asset that it takes, in bytes.
    #[arg(long, default_value_t = 64 * 1024 * 1024)]
    max_size: u64,
    /// A PEM file of authorities to trust beside the machine's, as an emulator's are.
    #[arg(long)]
    ca_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_target(false).init();
    match serve(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("device: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let connection = ConnectionString::parse(&arguments.connection_string)?;
    let authorities = match &arguments.ca_file {
        Some(file) => {
            Some(std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?)
        }
        None => None,
    };
    let shared = Shared::new(authorities.as_deref())?;
    let reported_property = arguments.reported_property.unwrap_or_else(|| arguments.property.clone());
    let (property, max_size) = (arguments.property, arguments.max_size);
    let config = Config { connection, file: arguments.file, property, reported_property, max_size };
    let stop = CancellationToken::new();
    let device = tokio::spawn(run(config, shared, stop.clone()));
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => (),
    }
    stop.cancel();
    Ok(device.await?)
}
