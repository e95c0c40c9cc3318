//! The file itself: when it is written, and how it is replaced.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::StateError;
use super::reader::Reader;
use super::secrets::Secrets;
use super::snapshot;
use crate::hub::Hub;

/// Shortest pause between two writings, in real time: what a process that is killed can lose.
const PAUSE: Duration = Duration::from_secs(1);
/// The pause is this much longer than what the last writing took, so that writing is a small part of the work.
const PAUSE_FACTOR: u32 = 10;
/// Nobody else reads it: it has the keys of the hub and of its devices.
const MODE: u32 = 0o600;

/// A state file that a hub is kept in.
pub(crate) struct Store {
    path: PathBuf,
    secrets: Secrets,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// The file as it was written or read last. As long as it is open, it is locked; none after the end.
    file: Option<File>,
    /// [`Hub::changes`] before that.
    changes: u64,
}

/// Not its secrets.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Fills a new hub from a file that was opened, or makes the file.
    pub async fn start(
        path: PathBuf,
        secrets: Secrets,
        found: Option<Reader>,
        hub: Arc<Hub>,
    ) -> Result<Self, StateError> {
        let name = path.clone();
        let start = move || {
            let file = match found {
                Some(reader) => {
                    let file = reader.restore(&hub)?;
                    can_write(&path)?;
                    file
                }
                None => write(&path, &secrets, &hub)?,
            };
            let written = Mutex::new(Written { file: Some(file), changes: hub.changes() });
            Ok(Self { path, secrets, written })
        };
        in_thread(&name, start).await
    }

    /// Writes the hub if it has changed since the last time.
    async fn save(self: Arc<Self>, hub: Arc<Hub>) -> Result<(), StateError> {
        let name = self.path.clone();
        in_thread(&name, move || self.save_now(&hub, &mut self.lock())).await
    }

    /// Writes the hub for the last time, and lets others have the file.
    pub async fn close(self: Arc<Self>, hub: Arc<Hub>) -> Result<(), StateError> {
        let name = self.path.clone();
        let close = move || {
            let mut written = self.lock();
            let saved = self.save_now(&hub, &mut written);
            written.file = None;
            saved
        };
        in_thread(&name, close).await
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save_now(&self, hub: &Hub, written: &mut Written) -> Result<(), StateError> {
        let changes = hub.changes();
        if written.file.is_some() && changes != written.changes {
            *written = Written { file: Some(write(&self.path, &self.secrets, hub)?), changes };
        }
        Ok(())
    }
}

/// A million twins take seconds, in which others want to work.
async fn in_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    let lost =
        |error: tokio::task::JoinError| StateError::Write { path: path.to_owned(), error: error.into() };
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

/// Keeps the file up to date for as long as the hub runs.
pub(crate) async fn keep(store: Arc<Store>, hub: Arc<Hub>) {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let begun = Instant::now();
        if let Err(error) = store.clone().save(hub.clone()).await {
            tracing::error!("{error}");
        }
        pause = PAUSE.max(begun.elapsed() * PAUSE_FACTOR);
    }
}

/// Replaces the file as a whole, or not at all: it is written beside it and renamed when it is on the disk.
fn write(path: &Path, secrets: &Secrets, hub: &Hub) -> Result<File, StateError> {
    let beside = beside(path);
    let replace = || {
        let file = create(&beside)?;
        let file = snapshot::write(hub, secrets, BufWriter::with_capacity(1 << 16, file))?.into_inner()?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(file)
    };
    replace().map_err(|error| {
        // What is left of it is of no use to anyone.
        let _ = fs::remove_file(&beside);
        StateError::Write { path: path.to_owned(), error }
    })
}

/// Finds out at the start, and not when there is something to lose.
fn can_write(path: &Path) -> Result<(), StateError> {
    let beside = beside(path);
    let tried = create(&beside).and_then(|_| fs::remove_file(&beside));
    tried.map_err(|error| StateError::Write { path: path.to_owned(), error })
}

/// `hub.state.tmp` for `hub.state`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// A new file, locked; what a process that was killed left there is removed.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    // A file system without locks is no reason not to write.
    let _ = file.try_lock();
    Ok(file)
}
