//! Nothing survives the process that started it, even when that is killed outright. The parent has to die for this, so this test
//! runs its own binary again as the victim.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use standins::Guarded;

const VICTIM: &str = "STANDINS_TEST_VICTIM";

/// The process that is killed: starts two children, one of them deaf to SIGTERM, says who and where they are, and waits.
#[test]
#[ignore = "not a test by itself: the process that the other test kills"]
fn victim() {
    assert!(std::env::var_os(VICTIM).is_some(), "only to be run by the other test");
    let start = |script: &str| {
        let folder = tempfile::tempdir().unwrap();
        let (path, log) = (folder.path().to_owned(), folder.path().join("log"));
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let guarded = Guarded::spawn(&command, &log, Some(folder)).unwrap();
        println!("CHILD {} {}", guarded.pid(), path.display());
        guarded
    };
    let _children = [start("exec sleep 1000"), start("trap '' TERM INT HUP; while :; do sleep 0.1; done")];
    println!("READY");
    if std::env::var(VICTIM).unwrap() == "exit" {
        // As a test binary ends: what is in statics or on other threads is not dropped.
        std::process::exit(101);
    }
    std::thread::sleep(Duration::from_secs(1000));
}

struct Started {
    parent: Child,
    children: Vec<(u32, PathBuf)>,
}

fn start_victim(how: &str) -> Started {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["victim", "--exact", "--ignored", "--nocapture"]).env(VICTIM, how).stdout(Stdio::piped());
    let mut parent = victim.spawn().unwrap();
    let mut output = BufReader::new(parent.stdout.take().unwrap());
    let mut started = Started { parent, children: Vec::new() };
    loop {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the victim ended early");
        if line.ends_with("READY\n") {
            return started;
        }
        if let Some((_, child)) = line.trim_end().split_once("CHILD ") {
            let (pid, folder) = child.split_once(' ').unwrap();
            started.children.push((pid.parse().unwrap(), PathBuf::from(folder)));
        }
    }
}

/// `kill -0` asks whether there is such a process.
fn lives(pid: u32) -> bool {
    Command::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

fn wait_until_gone(pid: u32, folder: &Path) {
    let start = Instant::now();
    while lives(pid) || folder.exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "{pid} or {} is still there", folder.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn however_the_parent_ends_its_children_and_their_folders_go() {
    for how in ["KILL", "TERM", "INT", "exit"] {
        let mut started = start_victim(how);
        assert_eq!(started.children.len(), 2);
        if how != "exit" {
            assert!(started.children.iter().all(|(pid, folder)| lives(*pid) && folder.exists()));
            let pid = started.parent.id().to_string();
            assert!(Command::new("kill").args(["-s", how, &pid]).status().unwrap().success());
        }
        assert!(!started.parent.wait().unwrap().success());
        for (pid, folder) in &started.children {
            wait_until_gone(*pid, folder);
        }
    }
}
