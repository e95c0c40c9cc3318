//! Writes the lines of a state file, and the digest of them.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::line::{End, FORMAT, Header, LineToWrite, VERSION};

pub(super) struct Writer<W> {
    inner: W,
    lines: u64,
    digest: Sha256,
    /// The line that is being written.
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Starts with the header.
    pub fn start(inner: W) -> io::Result<Self> {
        let mut writer = Self { inner, lines: 0, digest: Sha256::new(), buffer: Vec::new() };
        writer.put(&Header { format: FORMAT.to_owned(), version: VERSION })?;
        Ok(writer)
    }

    pub fn line(&mut self, line: &LineToWrite<'_>) -> io::Result<()> {
        self.put(line)
    }

    /// Closes the file, and gives back what it was written to.
    pub fn end(mut self) -> io::Result<W> {
        let sha256 = hex(self.digest.clone());
        self.put(&LineToWrite::End(End { lines: self.lines, sha256 }))?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn put(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, line)?;
        self.buffer.push(b'\n');
        self.digest.update(&self.buffer);
        self.lines += 1;
        self.inner.write_all(&self.buffer)
    }
}

/// The digest so far, in hexadecimal digits.
pub(super) fn hex(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
