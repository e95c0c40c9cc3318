//! The program: the line that it prints, the file that it writes, and its end.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

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

impl Running {
    /// Starts it, and gives the line that it prints.
    fn start(arguments: &[&str]) -> (Self, Value) {
        let mut running = Self(program(arguments).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (running, serde_json::from_str(&line).unwrap())
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.0.wait().unwrap()
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
        let (mut running, ready) = Running::start(&arguments);
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

        assert_eq!(running.end(signal).code(), Some(0), "{signal:?}");
    }
}

#[test]
fn what_was_written_outlives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap();
    let file = directory.path().join("hub.state");
    let arguments = |devices| {
        [
            "--state",
            file.to_str().unwrap(),
            "--ca-dir",
            here,
            "--tags",
            r#"{"n": "{n}"}"#,
            "--devices",
            devices,
        ]
    };
    let (mut running, first) = Running::start(&arguments("3"));
    let body = r#"{"tags": {"changed": "yes"}}"#;
    let mut admin =
        TcpStream::connect(("127.0.0.1", first["adminPort"].as_u64().unwrap().try_into().unwrap())).unwrap();
    let length = body.len();
    write!(
        admin,
        "POST /twins HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    admin.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let begun = Instant::now();
    while std::fs::read_to_string(&file).unwrap().matches("changed").count() < 3 {
        assert!(begun.elapsed() < Duration::from_mins(1), "it was never written");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What a killed process left half written is in nobody's way.
    std::fs::write(directory.path().join("hub.state.tmp"), "{\"format\":").unwrap();
    assert_eq!(running.end(Signal::KILL).code(), None);

    let (mut running, second) = Running::start(&arguments("4"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let key = |text: &Value| {
        let text =
            text.as_str().unwrap().split(';').find(|part| part.starts_with("SharedAccessKey=")).unwrap();
        text.to_owned()
    };
    assert_eq!(key(&first["serviceConnectionString"]), key(&second["serviceConnectionString"]));
    for n in 0..3 {
        assert_eq!(key(&first["devices"][n]), key(&second["devices"][n]));
    }
    assert_eq!(second["devices"].as_array().unwrap().len(), 4);
    assert_eq!(running.end(Signal::TERM).code(), Some(0));
    let state = std::fs::read_to_string(&file).unwrap();
    let count = |text| state.matches(text).count();
    assert_eq!((count(r#""changed":"yes""#), count(r#""n":"4""#)), (3, 1));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!directory.path().join("hub.state.tmp").exists());
}

#[test]
fn it_says_why_it_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let foreign = directory.path().join("foreign");
    std::fs::write(&foreign, "not a state").unwrap();
    let foreign = foreign.to_str().unwrap();
    let table: [(&[&str], &str); 6] = [
        (&["--https-port", &port, "--ca-dir", here], "cannot listen on 127.0.0.1"),
        (&["--ca-dir", "/nonexistent/directory"], "cannot write /nonexistent/directory/ca.pem"),
        (&["--tags", "{", "--ca-dir", here], "--tags"),
        (
            &["--state", foreign, "--ca-dir", here],
            "foreign is refused, and left as it is: it was not written by",
        ),
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
