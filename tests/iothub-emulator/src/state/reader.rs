//! Reads a state file back, line by line.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{Refusal, StateError};
use super::line::{End, FORMAT, Header, HubLine, Line, VERSION};
use super::secrets::Secrets;
use super::writer::hex;
use crate::hub::Hub;

/// Longest header: what is no such file may have no lines.
const HEADER_MAX: u64 = 4096;
/// Longest line: far more than a twin can be, also one of nothing but characters that are not counted and escaped.
const LINE_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// A file whose header was read. As long as it is open, no other emulator takes it.
pub(crate) struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    lines: u64,
    digest: Sha256,
    buffer: Vec<u8>,
}

impl Reader {
    /// Opens a file; none if there is none.
    pub fn open(path: &Path) -> Result<Option<Self>, StateError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| StateError::Read { path: path.to_owned(), error })?,
        };
        let mut reader = Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(1 << 16, file),
            lines: 0,
            digest: Sha256::new(),
            buffer: Vec::new(),
        };
        // A file system without locks is no reason not to start.
        if let Err(TryLockError::WouldBlock) = reader.file.get_ref().try_lock() {
            return Err(reader.refused(Refusal::InUse));
        }
        reader.read_header()?;
        Ok(Some(reader))
    }

    fn read_header(&mut self) -> Result<(), StateError> {
        self.read_line(HEADER_MAX)?;
        let header: Option<Header> = serde_json::from_slice(&self.buffer).ok();
        match header.filter(|header| header.format == FORMAT) {
            None => Err(self.refused(Refusal::Foreign)),
            Some(Header { version: VERSION, .. }) => {
                self.take_line();
                Ok(())
            }
            Some(Header { version, .. }) => Err(self.refused(Refusal::Version(version))),
        }
    }

    /// Reads the second line, which says what the hub is to be made with, and what to go on after.
    pub fn hub(&mut self) -> Result<(Secrets, [u64; 2]), StateError> {
        match self.next()? {
            Some(Line::Hub(HubLine { secrets, last_generations })) => Ok((secrets, last_generations)),
            _ => Err(self.damaged("it should be about the hub")),
        }
    }

    /// Reads the rest into a hub that is new, to its end. Gives back the file, which is locked as long as it is open.
    pub fn restore(mut self, hub: &Hub) -> Result<File, StateError> {
        while let Some(line) = self.next()? {
            let taken = match line {
                Line::Job(job) => hub.jobs.put_back(job, &hub.queries),
                Line::JobDevice(row) => hub.jobs.put_back_row(row),
                Line::JobTurns(turns) => {
                    hub.jobs.go_on(turns);
                    Ok(())
                }
                Line::Device(device) => {
                    hub.registry.put_back(*device);
                    Ok(())
                }
                Line::Module(module) => {
                    // Its device was made, or removed, while the file was written.
                    if hub.registry.read(module.identity.id.device(), |_| ()).is_ok() {
                        hub.modules.put_back(*module);
                    }
                    Ok(())
                }
                Line::Configuration(configuration) => {
                    hub.configurations.put_back(&configuration, &hub.queries)
                }
                Line::Hub(_) | Line::End(_) => return Err(self.damaged("it should not be here")),
            };
            taken.map_err(|error| self.damaged(&error.text))?;
        }
        Ok(self.file.into_inner())
    }

    /// The next line; none when the last one has proved that all was there.
    fn next(&mut self) -> Result<Option<Line>, StateError> {
        self.read_line(LINE_MAX)?;
        let line = serde_json::from_slice(&self.buffer).map_err(|error| {
            // Its own text would quote the line.
            let why = format!("it makes no sense at column {}", error.column());
            self.refused(Refusal::Line { line: self.lines + 1, why })
        })?;
        if let Line::End(end) = line {
            return self.check_end(&end).map(|()| None);
        }
        self.take_line();
        Ok(Some(line))
    }

    /// Reads a line, which is not counted yet.
    fn read_line(&mut self, max: u64) -> Result<(), StateError> {
        self.buffer.clear();
        let read = self.file.by_ref().take(max).read_until(b'\n', &mut self.buffer);
        read.map_err(|error| StateError::Read { path: self.path.clone(), error })?;
        match self.buffer.last() {
            Some(b'\n') => Ok(()),
            _ if self.lines == 0 => Err(self.refused(Refusal::Foreign)),
            _ => Err(self.refused(Refusal::EndsEarly { lines: self.lines })),
        }
    }

    fn take_line(&mut self) {
        self.digest.update(&self.buffer);
        self.lines += 1;
    }

    fn check_end(&mut self, end: &End) -> Result<(), StateError> {
        if end.lines != self.lines || end.sha256 != hex(self.digest.clone()) {
            return Err(self.refused(Refusal::Digest));
        }
        let rest = self.file.fill_buf().map(<[u8]>::is_empty);
        let at_end = rest.map_err(|error| StateError::Read { path: self.path.clone(), error })?;
        if at_end { Ok(()) } else { Err(self.refused(Refusal::GoesOn)) }
    }

    /// The line that was read last is wrong.
    fn damaged(&self, why: &str) -> StateError {
        self.refused(Refusal::Line { line: self.lines.max(1), why: why.to_owned() })
    }

    fn refused(&self, refusal: Refusal) -> StateError {
        StateError::Refused { path: self.path.clone(), refusal }
    }
}
