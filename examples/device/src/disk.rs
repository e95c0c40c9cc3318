//! The asset's file: replaced in one step, so that a power cut leaves the old or the new one and never half of one.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};

/// A new file beside the real one. It becomes that by [`Draft::keep`], and is removed by the next draft if it never does.
pub(crate) struct Draft {
    file: File,
    path: PathBuf,
    digest: Sha256,
    size: u64,
}

impl Draft {
    /// Begins one for `target`.
    pub async fn new(target: &Path) -> std::io::Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let path = target.with_file_name(name);
        Ok(Self { file: File::create(&path).await?, path, digest: Sha256::new(), size: 0 })
    }

    /// Adds bytes to it.
    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).await
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-256 of what was written so far, in lower-case hex.
    pub fn sha256(&self) -> String {
        hex(self.digest.clone())
    }

    /// Puts it in `target`'s place, after the bytes have reached the disk.
    pub async fn keep(mut self, target: &Path) -> std::io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        tokio::fs::rename(&self.path, target).await
    }
}

/// The SHA-256 of the file, in lower-case hex; none if there is no such file.
pub(crate) async fn sha256(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer).await? {
            0 => return Ok(Some(hex(digest))),
            count => digest.update(&buffer[..count]),
        }
    }
}

fn hex(digest: Sha256) -> String {
    format!("{:x}", Bytes::copy_from_slice(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("asset.json");
        assert_eq!(sha256(&target).await.unwrap(), None);
        std::fs::write(&target, "old").unwrap();
        let mut draft = Draft::new(&target).await.unwrap();
        draft.write(b"ne").await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        drop(draft);
        let mut draft = Draft::new(&target).await.unwrap();
        draft.write(b"n").await.unwrap();
        draft.write(b"ew").await.unwrap();
        let digest = draft.sha256();
        draft.keep(&target).await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(sha256(&target).await.unwrap(), Some(digest));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
