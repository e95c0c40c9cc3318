//! What is built or installed once for all clones and all versions of this workspace: a folder in the user's cache.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::progress::say;
use crate::{Error, Result};

/// The folder `blobrollout` in the user's cache directory. An entry is there whole or not at all.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// By the XDG base directory specification: `$XDG_CACHE_HOME` if it is an absolute path, else `~/.cache`.
    pub fn of_user() -> Result<Self> {
        let absolute = |path: &PathBuf| path.is_absolute();
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(absolute);
        let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache"))).filter(absolute);
        let base = base.ok_or_else(|| Error::Io {
            what: "finding the cache directory: set XDG_CACHE_HOME or HOME".to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        Ok(Self { root: base.join("blobrollout") })
    }

    /// Where the entry `key` is, or will be.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// The entry `key`. If it is not there, `make` gets an empty scratch folder and returns the folder inside it that becomes
    /// the entry. Of several processes that want the same entry at the same time, one makes it.
    pub async fn entry(
        &self,
        key: &str,
        make: impl AsyncFnOnce(&Path) -> Result<PathBuf>,
    ) -> Result<PathBuf> {
        let entry = self.path(key);
        if entry.exists() {
            return Ok(entry);
        }
        let _lock = self.lock(key).await?;
        if entry.exists() {
            return Ok(entry);
        }
        let scratch = self.root.join("scratch").join(key);
        // What an interrupted attempt left; nobody else works here, for the lock is ours.
        if scratch.exists() {
            std::fs::remove_dir_all(&scratch).map_err(Error::io("removing", &scratch))?;
        }
        std::fs::create_dir_all(&scratch).map_err(Error::io("making", &scratch))?;
        let outcome = make(&scratch).await.and_then(|result| {
            if let Some(parent) = entry.parent() {
                std::fs::create_dir_all(parent).map_err(Error::io("making", parent))?;
            }
            std::fs::rename(&result, &entry).map_err(Error::io("putting in place", &entry))
        });
        std::fs::remove_dir_all(&scratch).map_err(Error::io("removing", &scratch))?;
        outcome.map(|()| entry)
    }

    /// An exclusive lock for `key` among processes, which the system releases when its holder is gone. It is asked for again
    /// and again rather than waited for, so that a caller who is dropped leaves no thread behind.
    async fn lock(&self, key: &str) -> Result<File> {
        let path = self.root.join("locks").join(key.replace('/', "-"));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("making", parent))?;
        }
        let file = File::create(&path).map_err(Error::io("opening", &path))?;
        let mut asked = 0;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(Error::io("locking", &path)(source)),
            }
            asked += 1;
            if asked == 5 {
                say(&format!("{key}: another process is making it; waiting for that"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What tells an entry apart from those that are made of other texts: the start of their common SHA-256.
pub(crate) fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let digest = texts.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize();
    format!("{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("blobrollout");
        (folder, Cache { root })
    }

    fn write(scratch: &Path) -> PathBuf {
        let made = scratch.join("made");
        std::fs::create_dir(&made).unwrap();
        std::fs::write(made.join("file"), "whole").unwrap();
        made
    }

    #[tokio::test]
    async fn one_of_many_makes_the_entry_and_all_get_it() {
        let (_folder, cache) = cache();
        let made = AtomicUsize::new(0);
        let all = futures::future::join_all((0..8).map(|_| {
            cache.entry("kind/key", async |scratch| {
                made.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(write(scratch))
            })
        }));
        for entry in all.await {
            assert_eq!(std::fs::read_to_string(entry.unwrap().join("file")).unwrap(), "whole");
        }
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failed_or_interrupted_attempt_leaves_no_entry_and_does_not_stand_in_the_way() {
        let (_folder, cache) = cache();
        let failed = cache.entry("key", async |scratch| {
            write(scratch);
            Err(Error::Failed { what: "it".into(), output: String::new() })
        });
        assert!(failed.await.is_err());
        assert!(!cache.path("key").exists());
        let (starts, started) = tokio::sync::oneshot::channel();
        let interrupted = cache.entry("key", async |scratch| {
            write(scratch);
            starts.send(()).unwrap();
            std::future::pending().await
        });
        tokio::select! {
            _ = interrupted => panic!("it cannot end"),
            said = started => said.unwrap(),
        }
        assert!(cache.root.join("scratch/key/made").exists() && !cache.path("key").exists());
        let entry = cache.entry("key", async |scratch| Ok(write(scratch))).await.unwrap();
        assert!(entry.join("file").exists());
        assert!(!cache.root.join("scratch/key").exists());
    }
}
