//! Scripts that drive an SDK, and what they say.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use standins::{Guarded, NodeSdks, Output, PythonSdks, Signal};
use tokio::sync::OnceCell;

/// How long a step may take to come. Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(50);

/// The SDKs for Node, installed by whoever asks first.
pub async fn node_sdks() -> &'static NodeSdks {
    static SHARED: OnceCell<NodeSdks> = OnceCell::const_new();
    SHARED.get_or_init(async || NodeSdks::locate_or_install().await.unwrap()).await
}

/// The SDKs for Python, the same way.
pub async fn python_sdks() -> &'static PythonSdks {
    static SHARED: OnceCell<PythonSdks> = OnceCell::const_new();
    SHARED.get_or_init(async || PythonSdks::locate_or_install().await.unwrap()).await
}

/// The path of a script, such as `node/device.cjs`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdks").join(name)
}

/// The steps of a script, in order.
#[derive(Debug)]
pub struct Steps(Vec<Value>);

impl Steps {
    /// Those of a script that has ended well.
    pub fn of(output: Output) -> Self {
        Self::parse(&output.success("the script").unwrap())
    }

    /// A last line may be half written yet, and warnings of the runtime are no JSON.
    fn parse(text: &str) -> Self {
        let whole = text.split_inclusive('\n').filter(|line| line.starts_with('{') && line.ends_with('\n'));
        Self(whole.map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// What every step of this name gave, failed ones left out.
    pub fn all(&self, step: &str) -> Vec<&Value> {
        self.0.iter().filter(|line| line["step"] == step).filter_map(|line| line.get("ok")).collect()
    }

    /// What the only step of this name gave.
    pub fn ok(&self, step: &str) -> &Value {
        let all = self.all(step);
        assert!(all.len() == 1, "{step}: {all:?} in {self:#?}");
        all[0]
    }

    /// The error of the only step of this name: kind, HTTP status (null where there is none), message.
    pub fn error(&self, step: &str) -> (&str, &Value, &str) {
        let mut all = self.0.iter().filter(|line| line["step"] == step).map(|line| &line["error"]);
        let (Some(error), None) = (all.next(), all.next()) else { panic!("not one {step} in {self:#?}") };
        let text =
            |name: &str| error[name].as_str().unwrap_or_else(|| panic!("{step} did not fail: {self:#?}"));
        (text("kind"), &error["status"], text("message"))
    }

    /// Sees to it that the only step of this name failed with an error of the SDK, a status, and a part of the hub's text.
    pub fn fails(&self, step: &str, kind: &str, status: u16, text: &str) {
        let (is, with, message) = self.error(step);
        assert_eq!((is, with), (kind, &Value::from(status)), "{step}: {message}");
        assert!(message.contains(text), "{step}: {message}");
    }

    /// How often a step was told, whatever came of it.
    pub fn count(&self, step: &str) -> usize {
        self.0.iter().filter(|line| line["step"] == step).count()
    }
}

/// A script that goes on while the test acts.
pub struct Running {
    process: Guarded,
    log: PathBuf,
}

impl Running {
    pub fn start(command: &Command, folder: &Path) -> Self {
        let log = folder.join("device.log");
        Self { process: Guarded::spawn(command, &log, None).unwrap(), log }
    }

    /// What it has said so far.
    pub fn steps(&self) -> Steps {
        Steps::parse(&self.text())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said a step `times` times.
    pub async fn said(&self, step: &str, times: usize) -> Steps {
        self.until(&format!("{times} times {step}"), || self.steps().count(step) >= times).await;
        self.steps()
    }

    /// Waits until `wanted` is true.
    pub async fn until(&self, what: &str, wanted: impl Fn() -> bool) {
        let begun = Instant::now();
        while !wanted() {
            let running = self.process.exited().is_none_or(|code| code == 0);
            assert!(running && begun.elapsed() < PATIENCE, "waiting for {what}:\n{}", self.text());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks it for an operation, which it takes SIGTERM for.
    pub fn ask(&mut self) {
        self.process.signal(Signal::Terminate);
    }

    /// Waits until it has ended well.
    pub async fn ended(&self) {
        self.until("its end", || self.process.exited() == Some(0)).await;
    }
}
