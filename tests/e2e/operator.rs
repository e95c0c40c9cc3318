//! An operator as a process of its own.

use std::{path::PathBuf, process::Command, time::Instant};

use standins::{Guarded, Signal};

use crate::case::{LOOK, PATIENCE};

/// A running operator. Dropping it kills it.
pub struct Operator {
    process: Guarded,
    kubeconfig: PathBuf,
    log: PathBuf,
}

impl Operator {
    /// Starts one; it logs into the file `log`.
    pub fn start(command: &Command, kubeconfig: PathBuf, log: PathBuf) -> Self {
        Self { process: Guarded::spawn(command, &log, None).unwrap(), kubeconfig, log }
    }

    /// The token that it shows the API server.
    pub fn token(&self) -> String {
        let kubeconfig = std::fs::read_to_string(&self.kubeconfig).unwrap();
        let token = kubeconfig.split("\"token\":").nth(1).or(kubeconfig.split("token:").nth(1)).unwrap();
        token.trim().trim_start_matches('"').split(['"', '\n', ' ']).next().unwrap().to_owned()
    }

    /// What it is started with, as everybody on the machine can see.
    pub fn command_line(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/cmdline", self.process.pid())).unwrap().replace('\0', " ")
    }

    /// Its address for probes and metrics, which it logs when it starts.
    pub async fn health_address(&self) -> String {
        let begun = Instant::now();
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap();
            if let Some((_, told)) = log.split_once("health_address") {
                // `health_address=1.2.3.4:5` in text, `"health_address":"1.2.3.4:5"` in JSON.
                let told = told.trim_start_matches(|c: char| !c.is_ascii_digit());
                return told
                    .split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')
                    .next()
                    .unwrap()
                    .to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "it does not tell its address:\n{log}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What it answers under `/metrics`.
    pub async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.health_address().await);
        reqwest::get(url).await.unwrap().error_for_status().unwrap().text().await.unwrap()
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub async fn kill(mut self) {
        self.process.signal(Signal::Kill);
        self.process.wait().await;
    }

    /// Asks it to stop, and returns its exit code.
    pub async fn stop(mut self) -> i32 {
        self.process.signal(Signal::Terminate);
        self.process.wait().await
    }

    /// Lets it stand still, and waits until it does.
    pub async fn freeze(&mut self) {
        self.process.signal(Signal::Stop);
        let begun = Instant::now();
        while self.state() != "T" {
            assert!(begun.elapsed() < PATIENCE, "it does not stand still");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.process.signal(Signal::Continue);
    }

    /// Its state, as the kernel names it.
    fn state(&self) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.pid())).unwrap();
        let (_, after) = stat.rsplit_once(") ").unwrap();
        after.split(' ').next().unwrap().to_owned()
    }
}
