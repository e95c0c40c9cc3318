//! The main job on embedded stand-ins, from an empty machine to a fleet that has acknowledged two revisions of an asset.
//!
//! `cargo run --example quickstart [-- --devices N] [-- --keep]`

mod fleet;
mod operator;
mod rollout;
mod stage;
mod table;
mod verify;

use std::{process::ExitCode, time::Instant};

use clap::Parser;

use fleet::Fleet;
use operator::Operator;
use rollout::Rollout;
use stage::Stage;

/// Shows a rollout on a real API server, a real blob service and an emulated IoT Hub.
#[derive(Debug, Parser)]
#[command(name = "quickstart")]
struct Arguments {
    /// How many devices to start.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    devices: u32,
    /// Leave everything running at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// What may go wrong is told and ends the run.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    // An example does not build the operator's binary, so this one is the operator too when it is asked to be.
    if std::env::args().nth(1).as_deref() == Some("run") {
        return match blobrollout::cli::Cli::parse().run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        };
    }
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let ran = tokio::select! {
        ran = show(&arguments) => ran,
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) if arguments.keep => Ok(()),
            Ok(()) => Err("interrupted".into()),
            Err(error) => Err(error.into()),
        },
    };
    match ran {
        Ok(()) => {
            println!("\nDone in {} s; everything that was started has ended.", begun.elapsed().as_secs());
            ExitCode::SUCCESS
        }
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("quickstart: {error}");
    ExitCode::FAILURE
}

/// The whole story. Whatever it started ends when it returns or is dropped.
async fn show(arguments: &Arguments) -> Outcome {
    let stage = Stage::set(arguments.devices).await?;
    let mut operator = Operator::start(&stage).await?;
    let fleet = Fleet::start(&stage)?;
    let ran = act(arguments, &stage, &operator, &fleet).await;
    if let Err(error) = ran {
        return Err(format!("{error}\n\nThe operator's log ends with:\n{}", operator.log_end()).into());
    }
    fleet.stop().await;
    operator.stop().await?;
    stage.strike().await;
    Ok(())
}

async fn act(arguments: &Arguments, stage: &Stage, operator: &Operator, fleet: &Fleet) -> Outcome {
    let rollout = Rollout::apply(stage).await?;
    println!(
        "\nFirst revision: every device downloads it by the link in its twin, checks it and acknowledges."
    );
    let first = rollout.until_received(stage, operator).await?;
    verify::files(fleet, &first).await?;

    println!("\nThe asset changes: the ConfigMap gets other content.");
    rollout.change_asset(stage).await?;
    let second = rollout.until_received(stage, operator).await?;
    verify::files(fleet, &second).await?;

    println!("\nA renewal on request: every link is replaced, no device has to do anything.");
    rollout.renew(stage).await?;
    verify::files(fleet, &second).await?;

    println!("\n$ kubectl get blobrollouts -o wide");
    print!("{}", stage.kubectl(&["get", "blobrollouts", "-o", "wide"]).await?);
    println!(
        "\n{} devices, {} twin writes, operator's peak memory {} MiB.",
        arguments.devices,
        stage.twin_writes(),
        operator.peak_memory_mib()?
    );
    if arguments.keep {
        stage.tell_exports();
        operator.until_it_ends().await?;
    }
    Ok(())
}
