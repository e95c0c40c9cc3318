//! The program: the line that it prints, the file that it writes, and its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Ends the program also when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn it_says_when_it_is_ready_and_stops_when_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("devices");
    for signal in [Signal::TERM, Signal::INT] {
        let arguments = [
            "--devices",
            "120",
            "--tags",
            r#"{"site": "a"}"#,
            "--devices-file",
            file.to_str().unwrap(),
            "--tier",
            "S1",
            "--units",
            "2",
            "--limit",
            "twin-updates=500/s",
            "--ca-dir",
            directory.path().to_str().unwrap(),
        ];
        let mut running = Running(program(&arguments).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let host = format!("localhost:{}", ready["httpsPort"]);
        assert_eq!(ready["hostName"], host.as_str());
        let service = ready["serviceConnectionString"].as_str().unwrap();
        assert!(service.starts_with(&format!("HostName={host};SharedAccessKeyName=iothubowner;")));
        let devices = ready["devices"].as_array().unwrap();
        assert_eq!(devices.len(), 100);
        let gateway = format!(";GatewayHostName=localhost:{}", ready["mqttPort"]);
        assert!(devices.iter().all(|device| device.as_str().unwrap().ends_with(&gateway)));
        assert!(ready["adminPort"].as_u64().is_some_and(|port| port > 0));
        let ca = std::fs::read_to_string(ready["caFile"].as_str().unwrap()).unwrap();
        assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"));
        let written = std::fs::read_to_string(&file).unwrap();
        assert_eq!(written.lines().count(), 120);
        assert!(written.lines().zip(devices).all(|(line, device)| device == line));

        let pid = Pid::from_raw(running.0.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let status: ExitStatus = running.0.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[test]
fn it_says_why_it_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let table: [(&[&str], &str); 5] = [
        (&["--https-port", &port, "--ca-dir", here], "cannot listen on 127.0.0.1"),
        (&["--ca-dir", "/nonexistent/directory"], "cannot write /nonexistent/directory/ca.pem"),
        (&["--tags", "{", "--ca-dir", here], "--tags"),
        (&["--limit", "twins=1/s", "--ca-dir", here], "--limit twins=1/s: 'twins' is no limit"),
        (&["--devices", "1", "--tags", r#"{"a.b": 1}"#, "--ca-dir", here], "invalid characters"),
    ];
    for (arguments, reason) in table {
        let output = program(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(reason) && output.stdout.is_empty(), "{said}");
    }
}
