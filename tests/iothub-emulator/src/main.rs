//! The emulator as a program.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use iothub_emulator::{Emulator, Settings, raise_open_files_limit};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

/// Connection strings that the line on standard output shows at most.
const SHOWN_DEVICES: usize = 100;

/// An Azure IoT Hub emulator: service REST, twin queries and device MQTT, in memory.
///
/// Prints one line of JSON when it is ready, and stops on SIGTERM or Ctrl-C.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Devices to create at the start, named `device-00001` and so on, with keys of their own
    #[arg(long, value_name = "N", default_value_t = 0)]
    devices: u32,

    /// Write the connection strings of all these devices to this file, one a line
    #[arg(long, value_name = "FILE")]
    devices_file: Option<PathBuf>,

    /// Tags of these devices, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    tags: String,

    /// Address to listen on; clients that can only dial port 443 can be given a loopback address of their own
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    address: IpAddr,

    /// Port of the service API; 0 takes a free one. Node's service SDK dials 443 only
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    https_port: u16,

    /// Port of device MQTT; 0 takes a free one. Python's device SDK dials 8883 only
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    mqtt_port: u16,

    /// Name of the hub in certificate and connection strings, instead of `localhost` or the address
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,

    /// Existing directory to write `ca.pem` to, the certificate that clients must trust
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca_dir: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let log = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).init();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    // Before the line is printed: who reads it may stop the emulator at once.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    if let Err(error) = raise_open_files_limit() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let tags: Value = serde_json::from_str(&arguments.tags).map_err(|error| format!("--tags: {error}"))?;
    let emulator = Emulator::start(Settings {
        address: arguments.address,
        https_port: arguments.https_port,
        mqtt_port: arguments.mqtt_port,
        host_name: arguments.host_name,
        ca_directory: Some(arguments.ca_dir),
        ..Settings::default()
    })
    .await?;
    let mut devices = Vec::new();
    for number in 1..=arguments.devices {
        devices.push(emulator.create_device(&format!("device-{number:05}"), &tags)?);
    }
    if let Some(file) = &arguments.devices_file {
        write_lines(file, &devices).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    devices.truncate(SHOWN_DEVICES);
    let ready = json!({
        "hostName": emulator.host_name(),
        "httpsPort": emulator.https_port(),
        "mqttPort": emulator.mqtt_port(),
        "caFile": emulator.ca_file(),
        "serviceConnectionString": emulator.service_connection_string(),
        "devices": devices,
    });
    writeln!(io::stdout(), "{ready}")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    emulator.shutdown().await;
    Ok(())
}

fn write_lines(file: &Path, lines: &[String]) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create(file)?);
    for line in lines {
        writeln!(writer, "{line}")?;
    }
    writer.flush()
}
