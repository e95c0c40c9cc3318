//! The emulator as a program.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use iothub_emulator::{
    ConfigurationSettings, Emulator, JobSettings, Limits, QuerySettings, Seed, Settings, Tier, TwinSettings,
    raise_open_files_limit,
};
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
    /// Devices to create at the start, with keys of their own
    #[arg(long, value_name = "N", default_value_t = 0)]
    devices: u32,

    /// Template of their ids: `{n:05}` is the device's number with leading zeros, `{n%10}` the remainder of a division, and
    /// n in braces alone the number as it is
    #[arg(long, value_name = "TEMPLATE", default_value = "device-{n:05}")]
    device_ids: String,

    /// Write the connection strings of all these devices to this file, one a line
    #[arg(long, value_name = "FILE")]
    devices_file: Option<PathBuf>,

    /// Tags of these devices, a JSON object whose texts are templates as well
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

    /// Port of the admin API, plain HTTP on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    admin_port: u16,

    /// Name of the hub in certificate and connection strings, instead of `localhost` or the address
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,

    /// Delay and refuse what a hub of this tier would: Free, S1, S2 or S3. Without it nothing is, but jobs and
    /// configurations are as on S1
    #[arg(long, value_name = "TIER")]
    tier: Option<Tier>,

    /// Units of the tier
    #[arg(long, value_name = "N", default_value_t = 1, requires = "tier", value_parser = clap::value_parser!(u32).range(1..=200))]
    units: u32,

    /// Another value for one limit, as often as needed: `twin-updates=500/s`, `queries=none`, `daily-messages=1000`,
    /// `max-wait=0s`.
    /// Rates: registry, queries, connections, telemetry, twin-reads, twin-updates, jobs, job-devices (what all jobs
    /// together reach), configurations. Without a tier job-devices is 10/s, and the others are none.
    /// Numbers: active-jobs (without a tier 1), max-configurations (without a tier 100; as many Edge deployments
    /// beside them), daily-messages, meter-bytes (bytes of a message).
    /// Times: burst (how long twice the rate is served at once), max-wait (the longest delay before 429).
    /// bulk-twins: whether twins written by bulk calls take from `registry`, or from `twin-updates`
    #[arg(long = "limit", value_name = "NAME=VALUE", verbatim_doc_comment)]
    limits: Vec<String>,
    #[command(flatten)]
    service: ServiceArguments,

    /// Keep the hub in this file across runs: read at the start if it is there, written at the end and about every second
    /// while something changes. It has the keys of the hub and its devices. Give ports as well, for connection strings to
    /// stay valid
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// Existing directory to write `ca.pem` to, the certificate that clients must trust
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca_dir: PathBuf,
}

/// Numbers of the service side, and what the documents leave open about it.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct ServiceArguments {
    /// Most rows of a page of a query
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = positive)]
    page_rows: usize,

    /// Let queries see twins as they were so many seconds ago
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    index_lag: u64,

    /// Take NOT of an undefined value for true; else it is undefined, and there is no row
    #[arg(long)]
    not_undefined_is_true: bool,

    /// Answer COUNT and other aggregates on `devices.modules` too
    #[arg(long)]
    module_aggregates: bool,

    /// Take a desired patch that names another `$version` than the current one; else it is refused with 412
    #[arg(long)]
    ignore_stale_version: bool,

    /// Let the twin of a job have any character, links included
    #[arg(long)]
    job_any_characters: bool,

    /// Seconds between two evaluations of configurations
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    configuration_interval: u64,
}

impl ServiceArguments {
    fn settings(&self) -> Settings {
        Settings {
            queries: QuerySettings {
                page_rows: self.page_rows,
                index_lag: Duration::from_secs(self.index_lag),
                not_undefined_is_true: self.not_undefined_is_true,
                module_aggregates: self.module_aggregates,
            },
            twins: TwinSettings { ignore_stale_version: self.ignore_stale_version },
            jobs: JobSettings { any_characters: self.job_any_characters },
            configurations: ConfigurationSettings {
                interval: Duration::from_secs(self.configuration_interval),
            },
            ..Settings::default()
        }
    }
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "it must be a positive number".to_owned())
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
    let limits = limits(&arguments)?;
    let emulator = Emulator::start(Settings {
        address: arguments.address,
        https_port: arguments.https_port,
        mqtt_port: arguments.mqtt_port,
        admin_port: Some(arguments.admin_port),
        host_name: arguments.host_name,
        limits,
        ca_directory: Some(arguments.ca_dir),
        state: arguments.state,
        ..arguments.service.settings()
    })
    .await?;
    let seed = Seed { count: arguments.devices, id: arguments.device_ids, tags, ..Seed::default() };
    // On a state file they are there already, but for those that are new.
    emulator.seed_missing(&seed)?;
    let string_of = |id: String| emulator.device_connection_string(&id);
    if let Some(file) = &arguments.devices_file {
        let strings = seed.ids().map(string_of).collect::<Result<Vec<_>, _>>()?;
        write_lines(file, &strings).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let devices = seed.ids().take(SHOWN_DEVICES).map(string_of).collect::<Result<Vec<_>, _>>()?;
    let ready = json!({
        "hostName": emulator.host_name(),
        "httpsPort": emulator.https_port(),
        "mqttPort": emulator.mqtt_port(),
        "adminPort": emulator.admin_port(),
        "caFile": emulator.ca_file(),
        "serviceConnectionString": emulator.service_connection_string(),
        "devices": devices,
    });
    writeln!(io::stdout(), "{ready}")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(emulator.shutdown_and_save().await?)
}

fn limits(arguments: &Arguments) -> Result<Limits, String> {
    let mut limits = arguments.tier.map_or_else(Limits::unlimited, |tier| Limits::of(tier, arguments.units));
    for limit in &arguments.limits {
        let (name, value) =
            limit.split_once('=').ok_or_else(|| format!("--limit {limit}: write NAME=VALUE"))?;
        limits.set(name, value).map_err(|error| format!("--limit {limit}: {error}"))?;
    }
    Ok(limits)
}

fn write_lines(file: &Path, lines: &[String]) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create(file)?);
    for line in lines {
        writeln!(writer, "{line}")?;
    }
    writer.flush()
}
