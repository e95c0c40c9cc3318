//! Child processes that cannot outlive this one.
//!
//! `kill_on_drop` is not enough: statics are never dropped, and nothing is dropped on SIGINT or SIGKILL. So each child runs
//! under a small shell script that reads from a pipe held here. When this process is gone the kernel closes the pipe, and the
//! script kills the child and removes its folder.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;
use tokio::sync::watch;

use crate::{Error, Result};

const WATCHDOG: &str = include_str!("watchdog.sh");

/// A running program that is killed when this value is dropped and when this process ends, in whatever way.
///
/// It has a process group of its own, so Ctrl-C at the terminal reaches this process alone, which can then end its children in
/// the order that it wants. It is bound to no async runtime: tests with a runtime each can share one.
#[derive(Debug)]
pub struct Guarded {
    pid: u32,
    watchdog: Option<(Child, ChildStdin)>,
    exit: watch::Receiver<Option<i32>>,
}

/// What [`Guarded::signal`] can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ask to end.
    Terminate,
    /// End at once.
    Kill,
    /// Stand still, as a machine that is out of memory or asleep does.
    Stop,
    /// Go on after that.
    Continue,
}

impl Guarded {
    /// Starts `command` (its program, arguments, folder, and changes to our own environment; nothing else of it is looked at), with all
    /// output appended to the file `log`. `remove` is a folder that goes after the program.
    ///
    /// A program that cannot be executed is seen as one that ends with code 126 or 127 and says why in `log`.
    pub fn spawn(command: &Command, log: &Path, remove: Option<TempDir>) -> Result<Self> {
        Self::spawn_into(command, log, log, remove)
    }

    /// Like [`Self::spawn`], with a file for each of the two output streams.
    pub(crate) fn spawn_into(
        command: &Command,
        stdout: &Path,
        stderr: &Path,
        remove: Option<TempDir>,
    ) -> Result<Self> {
        for path in [stdout, stderr] {
            // There from the start, for those who look into it while the program comes up.
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            file.map_err(Error::io("opening", path))?;
        }
        let mut watchdog = Command::new("sh");
        watchdog.arg("-c").arg(WATCHDOG).arg("watchdog").arg(stdout).arg(stderr);
        watchdog.arg(remove.as_ref().map_or(Path::new(""), TempDir::path));
        watchdog.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => watchdog.env(name, value),
                None => watchdog.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            watchdog.current_dir(folder);
        }
        watchdog.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);

        let starting = || Error::io("starting", Path::new(command.get_program()));
        let mut watchdog = watchdog.spawn().map_err(starting())?;
        // From here on the folder is the watchdog's to remove.
        let _ = remove.map(TempDir::keep);
        let (Some(orders), Some(reports)) = (watchdog.stdin.take(), watchdog.stdout.take()) else {
            return Err(starting()(std::io::ErrorKind::BrokenPipe.into()));
        };
        let mut reports = BufReader::new(reports);
        let pid = read_number(&mut reports).map_err(starting())?;
        let (sender, exit) = watch::channel(None);
        std::thread::spawn(move || {
            if let Ok(code) = read_number(&mut reports) {
                let _ = sender.send(Some(code));
            }
        });
        Ok(Self { pid, watchdog: Some((watchdog, orders)), exit })
    }

    /// The program's process id (not the watchdog's), for instance to read its memory from `/proc`.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends `signal` to the program; nothing happens if it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if let Some((_, orders)) = &mut self.watchdog {
            let name = match signal {
                Signal::Terminate => "TERM",
                Signal::Kill => "KILL",
                Signal::Stop => "STOP",
                Signal::Continue => "CONT",
            };
            // A watchdog that does not listen any more has seen the program end.
            let _ = writeln!(orders, "{name}");
        }
    }

    /// The exit code, if the program has ended: 128 + n where signal n ended it.
    pub fn exited(&self) -> Option<i32> {
        *self.exit.borrow()
    }

    /// Waits for the program's end and gives its exit code as [`Self::exited`] does; -1 if its watchdog was killed.
    pub async fn wait(&self) -> i32 {
        let mut exit = self.exit.clone();
        exit.wait_for(Option::is_some).await.ok().and_then(|code| *code).unwrap_or(-1)
    }

    /// Kills the program if it still runs, and returns when it is gone and its folder removed.
    pub async fn stop(mut self) {
        if let Some((mut watchdog, orders)) = self.watchdog.take() {
            drop(orders);
            let _ = tokio::task::spawn_blocking(move || watchdog.wait()).await;
        }
    }
}

impl Drop for Guarded {
    /// Lets go of the pipe; the watchdog does the rest on its own time, and is collected by a thread.
    fn drop(&mut self) {
        if let Some((mut watchdog, orders)) = self.watchdog.take() {
            drop(orders);
            std::thread::spawn(move || watchdog.wait());
        }
    }
}

fn read_number<N: std::str::FromStr>(reports: &mut BufReader<ChildStdout>) -> std::io::Result<N> {
    let mut line = String::new();
    reports.read_line(&mut line)?;
    line.trim().parse().map_err(|_| std::io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command
    }

    #[tokio::test]
    async fn exit_codes_signals_and_output_come_through() {
        let folder = tempfile::tempdir().unwrap();
        for (script, signal, code) in [
            ("exit 0", None, 0),
            ("exit 7", None, 7),
            ("exec no-such-program-anywhere", None, 127),
            ("exec sleep 1000", Some(Signal::Kill), 128 + 9),
            ("exec sleep 1000", Some(Signal::Terminate), 128 + 15),
        ] {
            let mut guarded = Guarded::spawn(&shell(script), &folder.path().join("log"), None).unwrap();
            if let Some(signal) = signal {
                guarded.signal(signal);
            }
            assert_eq!(guarded.wait().await, code, "{script}");
            assert_eq!(guarded.exited(), Some(code));
            guarded.stop().await;
        }
        let mut command = shell("echo $WORD; pwd");
        command.env("WORD", "hello").current_dir(folder.path());
        let guarded = Guarded::spawn(&command, &folder.path().join("said"), None).unwrap();
        guarded.wait().await;
        let said = std::fs::read_to_string(folder.path().join("said")).unwrap();
        assert_eq!(said, format!("hello\n{}\n", folder.path().canonicalize().unwrap().display()));
    }

    #[tokio::test]
    async fn stop_ends_the_program_and_removes_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let guarded = Guarded::spawn(&shell("exec sleep 1000"), &path.join("log"), Some(folder)).unwrap();
        let mut exit = guarded.exit.clone();
        assert!(path.is_dir());
        guarded.stop().await;
        assert!(!path.exists());
        assert_eq!(*exit.wait_for(Option::is_some).await.unwrap(), Some(128 + 9));
    }
}
