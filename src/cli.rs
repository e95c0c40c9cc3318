//! The command line.

use std::{io::Write, net::SocketAddr, time::Duration};

use clap::{Args, Parser, Subcommand};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api,
    clock::Clock,
    controller::{context::Options, driver},
    health::{self, Health},
    metrics::Metrics,
    telemetry::{self, LogFormat},
    time::parse_duration,
};

/// Delivers configuration assets to Azure IoT Hub devices by blob and twin, and proves that they arrived.
#[derive(Debug, Parser)]
#[command(name = "blobrollout", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(RunArgs),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
}

/// What the installer decides.
#[derive(Args, Debug)]
struct RunArgs {
    /// Watch this namespace only; all where it is absent.
    #[arg(long, env = "BLOBROLLOUT_NAMESPACE")]
    namespace: Option<String>,
    /// The form of the log on standard error; `RUST_LOG` chooses its levels.
    #[arg(long, env = "BLOBROLLOUT_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Where /healthz, /readyz and /metrics are answered.
    #[arg(long, env = "BLOBROLLOUT_HEALTH_ADDRESS", default_value = "0.0.0.0:8080")]
    health_address: SocketAddr,
    /// How far the clocks of operator, storage and devices may differ: links begin that much earlier and are renewed that much earlier.
    #[arg(long, env = "BLOBROLLOUT_CLOCK_SKEW", default_value = "15m", value_parser = parse_duration)]
    clock_skew: Duration,
    /// Let storage be reached without TLS. For an emulator: links go over the wire in clear.
    #[arg(long, env = "BLOBROLLOUT_ALLOW_HTTP_STORAGE")]
    allow_http_storage: bool,
}

/// Why the process could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The API server's address or credentials could not be found.
    #[error("no way to a Kubernetes API server: {0}")]
    Kubernetes(#[source] Box<kube::Error>),
    /// The health address is taken.
    #[error("--health-address {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// Signals cannot be caught.
    #[error("signals cannot be caught: {0}")]
    Signal(#[source] std::io::Error),
    /// The TLS roots could not be loaded.
    #[error("the HTTP client could not be made: {0}")]
    Http(#[source] reqwest::Error),
    /// The CRD could not be written.
    #[error("the CRD could not be written as YAML: {0}")]
    Yaml(String),
    /// Whoever was to read it does not.
    #[error("the CRD could not be printed: {0}")]
    Output(#[source] std::io::Error),
}

/// The CustomResourceDefinition as YAML.
pub fn crd_yaml() -> Result<String, CliError> {
    serde_saphyr::to_string(&api::crd()).map_err(|error| CliError::Yaml(error.to_string()))
}

impl Cli {
    /// Does what the command line asks.
    pub async fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::Crd => std::io::stdout().write_all(crd_yaml()?.as_bytes()).map_err(CliError::Output),
            Command::Run(args) => operate(args).await,
        }
    }
}

async fn operate(args: RunArgs) -> Result<(), CliError> {
    telemetry::start(args.log_format);
    let shutdown = CancellationToken::new();
    stop_on_signal(shutdown.clone()).map_err(CliError::Signal)?;
    let listen = |error| CliError::Listen(args.health_address, error);
    let listener = TcpListener::bind(args.health_address).await.map_err(listen)?;
    // Port 0 takes a free one, which only this tells.
    let health_address = listener.local_addr().map_err(listen)?;
    let client = kube::Client::try_default().await.map_err(|error| CliError::Kubernetes(Box::new(error)))?;
    let (health, metrics) = (Health::default(), Metrics::default());
    let server = tokio::spawn(health::serve(listener, health.clone(), metrics.clone(), shutdown.clone()));
    let options = Options {
        namespace: args.namespace,
        clock_skew: args.clock_skew,
        allow_http_storage: args.allow_http_storage,
        clock: Clock::system(),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = options.namespace.as_deref().unwrap_or("all"),
        %health_address,
        "starting"
    );
    let ended = driver::run(client, options, metrics, health, shutdown.clone()).await;
    shutdown.cancel();
    // The server ends by itself once asked to.
    let _joined = server.await;
    ended.map_err(CliError::Http)?;
    tracing::info!("stopped");
    Ok(())
}

fn stop_on_signal(shutdown: CancellationToken) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
        tracing::info!("stopping");
        shutdown.cancel();
    });
    Ok(())
}
