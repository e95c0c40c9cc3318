//! The emulator as a process, and what the system knows of it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// Ticks of a second in /proc, on every Linux there is.
const TICKS: f64 = 100.0;

/// A process that ends with this value, and the line that it printed when it was ready.
pub struct Process {
    child: Child,
    pub ready: Value,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap() }
    }

    pub fn port(&self, name: &str) -> u16 {
        self.ready[name].as_u64().unwrap().try_into().unwrap()
    }

    /// Resident memory in MiB.
    pub fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// Processor time so far, in seconds.
    pub fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name in parentheses may have spaces; user and system time are the 12th and 13th field after it.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An emulator with its token for everything.
pub struct Hub {
    pub process: Process,
    pub token: String,
    pub ca: String,
    _directory: tempfile::TempDir,
}

impl Hub {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"));
        command.arg("--ca-dir").arg(directory.path());
        let process = Process::start(command);
        let ca = std::fs::read_to_string(directory.path().join("ca.pem")).unwrap();
        let connection = process.ready["serviceConnectionString"].as_str().unwrap();
        let key = connection.split_once(";SharedAccessKey=").unwrap().1;
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_hours(1);
        let signed = format!("localhost\n{}", expires.as_secs());
        let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
        mac.update(signed.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let token = format!(
            "SharedAccessSignature sr=localhost&sig={signature}&se={}&skn=iothubowner",
            expires.as_secs()
        );
        Self { process, token, ca, _directory: directory }
    }

    /// Calls the admin API.
    pub async fn admin(&self, path: &str, body: &Value) {
        let url = format!("http://127.0.0.1:{}{path}", self.process.port("adminPort"));
        let response = reqwest::Client::new().post(url).body(body.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    }
}
