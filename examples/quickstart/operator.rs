//! The operator as a process of its own, under the chart's service account and nothing more.

use std::{path::PathBuf, process::Command, time::Duration};

use standins::{Guarded, Signal};

use crate::{
    Outcome,
    stage::{self, Stage},
};

/// How long its token lives: longer than anybody keeps a quickstart.
const TOKEN: Duration = Duration::from_hours(24);

/// A running operator.
pub struct Operator {
    process: Guarded,
    log: PathBuf,
}

impl Operator {
    /// Starts it.
    pub async fn start(stage: &Stage) -> Outcome<Self> {
        let account = stage::RELEASE;
        let kubeconfig =
            stage.control_plane.service_account_kubeconfig(stage::NAMESPACE, account, TOKEN).await?;
        let log = stage.folder().join("operator.log");
        let mut command = Command::new(std::env::current_exe()?);
        // Clocks on one machine do not differ, and port 0 is always free.
        command.args(["run", "--clock-skew", "0s", "--health-address", "127.0.0.1:0"]);
        command.env("KUBECONFIG", kubeconfig).env("SSL_CERT_FILE", stage.ca_file());
        let process = Guarded::spawn(&command, &log, None)?;
        println!("The operator runs as process {} under the service account {}.", process.pid(), account);
        Ok(Self { process, log })
    }

    /// Whether it has ended, which it must not.
    pub fn check(&self) -> Outcome {
        match self.process.exited() {
            None => Ok(()),
            Some(code) => Err(format!("the operator has ended with code {code}").into()),
        }
    }

    /// Waits until it ends, which is an error.
    pub async fn until_it_ends(&self) -> Outcome {
        let code = self.process.wait().await;
        Err(format!("the operator has ended with code {code}").into())
    }

    /// The most memory that it has had, in MiB, by the kernel's count (`VmHWM` of proc(5)).
    pub fn peak_memory_mib(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the kernel does not tell")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024)
    }

    /// The last lines of its log.
    pub fn log_end(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Asks it to stop; it must do so cleanly.
    pub async fn stop(&mut self) -> Outcome {
        self.process.signal(Signal::Terminate);
        match self.process.wait().await {
            0 => Ok(()),
            code => Err(format!("the operator stopped with code {code}").into()),
        }
    }
}
