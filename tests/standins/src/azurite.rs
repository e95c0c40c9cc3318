//! Azurite, Microsoft's emulator of Blob Storage.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::access_log::{self, AccessEntry};
use crate::certificates::{Served, random_bytes};
use crate::commands::{last_lines, read_text};
use crate::{Error, Guarded, Result, Toolchain, ports};

const READY_WITHIN: Duration = Duration::from_mins(2);

/// Azurite reads its accounts at its start, so they are all made then: more than one test binary has tests.
const ACCOUNTS: usize = 64;

/// How Azurite is to be reached.
#[derive(Debug, Clone, Copy, Default)]
pub struct AzuriteOptions {
    /// https with a certificate of an authority of its own; bearer tokens are accepted then. Else plain http.
    pub https: bool,
}

/// A running Azurite that keeps everything in memory.
#[derive(Debug)]
pub struct Azurite {
    process: Guarded,
    folder: PathBuf,
    base: String,
    ca_pem: Option<String>,
    accounts: Vec<Account>,
    handed_out: AtomicUsize,
}

/// A storage account and its key.
#[derive(Clone)]
pub struct Account {
    /// Its name, which is the first segment of its blobs' paths.
    pub name: String,
    /// Its key, in base64.
    pub key: String,
    /// Where its blob service is: `http://127.0.0.1:<port>/<name>`.
    pub endpoint: String,
}

impl std::fmt::Debug for Account {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Account {
    /// What goes into a Secret for the operator.
    pub fn connection_string(&self) -> String {
        let Self { name, key, endpoint } = self;
        let protocol = endpoint.split(':').next().unwrap_or_default();
        format!(
            "DefaultEndpointsProtocol={protocol};AccountName={name};AccountKey={key};BlobEndpoint={endpoint};"
        )
    }
}

impl Azurite {
    /// Starts it and returns when it answers: after some two seconds, or ten where its files are not in memory yet.
    pub async fn start(toolchain: &Toolchain, options: AzuriteOptions) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_once(toolchain, options).await {
                Err(error) if attempt < ports::ATTEMPTS && ports::was_taken(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    async fn start_once(toolchain: &Toolchain, options: AzuriteOptions) -> Result<Self> {
        let [port] = ports::free()?;
        let folder = tempfile::Builder::new().prefix("blobrollout-azurite-").tempdir();
        let folder = folder.map_err(Error::io("making", &std::env::temp_dir()))?;
        let path = folder.path().to_owned();
        let mut command = Command::new(&toolchain.node);
        command.arg(toolchain.azurite.join("node_modules/azurite/dist/src/blob/main.js")).current_dir(&path);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command.args(["--inMemoryPersistence", "--disableTelemetry"]);
        let (scheme, ca_pem) = if options.https {
            let served = Served::make(&path)?;
            command.arg("--cert").arg(&served.certificate).arg("--key").arg(&served.key);
            command.args(["--oauth", "basic"]);
            ("https", Some(served.ca_pem))
        } else {
            ("http", None)
        };
        let base = format!("{scheme}://127.0.0.1:{port}");
        let accounts = (0..ACCOUNTS).map(|number| account(&base, number)).collect::<Result<Vec<_>>>()?;
        let keys: Vec<String> =
            accounts.iter().map(|account| format!("{}:{}", account.name, account.key)).collect();
        // In the environment, for an argument could be read by every user of the machine.
        command.env("AZURITE_ACCOUNTS", keys.join(";"));
        let process = Guarded::spawn(&command, &path.join("log"), Some(folder))?;
        let azurite = Self { process, folder: path, base, ca_pem, accounts, handed_out: AtomicUsize::new(0) };
        azurite.ready().await?;
        Ok(azurite)
    }

    /// Waits until its own log says that it listens: an answer on the port could come from a process that was faster there.
    async fn ready(&self) -> Result<()> {
        let log = self.folder.join("log");
        let listens = async {
            while !read_text(&log)?.contains(&format!("successfully listens on {}", self.base)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        let how = tokio::select! {
            ready = listens => return ready,
            code = self.process.wait() => format!("ended with code {code}"),
            () = tokio::time::sleep(READY_WITHIN) => format!("not ready after {} s", READY_WITHIN.as_secs()),
        };
        Err(Error::Failed {
            what: format!("starting Azurite ({how})"),
            output: last_lines(&read_text(&log)?),
        })
    }

    /// An account that nobody else was given, for tests that share one Azurite; there are 64.
    pub fn fresh_account(&self) -> Result<Account> {
        let number = self.handed_out.fetch_add(1, Ordering::Relaxed);
        self.accounts.get(number).cloned().ok_or_else(|| Error::Failed {
            what: "giving out an account".to_owned(),
            output: format!("all {ACCOUNTS} are taken: start another Azurite"),
        })
    }

    /// `http://127.0.0.1:<port>` or its https form; an account's blobs are below its name.
    pub fn endpoint(&self) -> &str {
        &self.base
    }

    /// The certificate, in PEM, of the authority that Azurite's own is signed by, where it serves https.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// A file with [`Self::ca_pem`], for `SSL_CERT_FILE` and `NODE_EXTRA_CA_CERTS`; it goes with Azurite.
    pub fn ca_path(&self) -> Option<PathBuf> {
        self.ca_pem.as_ref().map(|_| self.folder.join("ca.pem"))
    }

    /// Every request that has been answered, in that order; the newest may be logged a moment later than its answer.
    pub fn requests(&self) -> Result<Vec<AccessEntry>> {
        Ok(access_log::parse(&read_text(&self.folder.join("log"))?))
    }

    /// Those of [`Self::requests`] that concern one account.
    pub fn requests_of(&self, account: &Account) -> Result<Vec<AccessEntry>> {
        let mut entries = self.requests()?;
        entries.retain(|entry| entry.path.split('/').nth(1) == Some(&account.name));
        Ok(entries)
    }

    /// Ends it, and returns when it and its files are gone. Dropping does the same without waiting.
    pub async fn stop(self) {
        self.process.stop().await;
    }
}

fn account(base: &str, number: usize) -> Result<Account> {
    let name = format!("account{number}");
    let endpoint = format!("{base}/{name}");
    Ok(Account { name, key: STANDARD.encode(random_bytes()?), endpoint })
}
