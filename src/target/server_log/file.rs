//! Reads a log file from its end on, over rotation: a file that was renamed and created anew, a link
//! to another file, and a file that was cut to nothing. What could not be read is a gap. Does no
//! waiting.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::arrivals::NameWatch;
use crate::error::Mistake;

/// Limit of one read.
const READ_BYTES: u64 = 256 << 10;
/// Number of bytes before the position by which a file is recognised that was written anew.
const KNOWN_BYTES: usize = 256;
/// Limit of the files that wait to be read.
const FILES_MAX: usize = 16;

/// Log file.
#[derive(Debug)]
pub(crate) struct FollowedFile {
    path: PathBuf,
    /// Files that have had the name, oldest first; the first one is being read. They stay open when
    /// they are renamed or removed.
    files: VecDeque<File>,
    /// Bytes of the first file that were read or left out.
    position: u64,
    /// Last bytes before the position.
    known: Vec<u8>,
    arrivals: NameWatch,
    /// Files that got the name since the last of `files`.
    arrived: u64,
    gap: Option<String>,
}

/// Result of a look at the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FileLook {
    /// New bytes.
    pub bytes: Vec<u8>,
    /// Whether they are the beginning of a file, so that a line before them is complete.
    pub begins: bool,
    /// Number of bytes that are there and not yet read.
    pub behind_bytes: u64,
    /// Reason why nothing can be read.
    pub blind: Option<String>,
    /// Reason why something before these bytes may not have been read.
    pub gap: Option<String>,
}

impl FollowedFile {
    /// Opens a log at its end.
    ///
    /// # Errors
    /// There is no such file, it is none that can be followed, or it cannot be read.
    pub(super) fn open_at_end(path: &Path) -> Result<FollowedFile, Mistake> {
        let mistake = |what: String| Mistake::new(what).at("--server-log");
        let shown = path.display();
        let arrivals = NameWatch::of(path);
        let seen = fs::metadata(path).map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => mistake(format!("there is no file {shown}"))
                .hint("the file that the server writes its log to")
                .hint("journal:UNIT, if systemd keeps the log")
                .hint("create it empty, if the server will only then be started"),
            _ => mistake(format!("{shown}: {why}")),
        })?;
        if !seen.is_file() {
            return Err(mistake(format!(
                "{shown} is {}, and only a file can be followed",
                kind(&seen)
            ))
            .hint("a file that the server writes its log to: vllm serve … >> vllm.log 2>&1"));
        }
        let refused = |why: io::Error| mistake(format!("{shown}: {why}"));
        let file = File::open(path).map_err(refused)?;
        let position = seen.len();
        let known = before(&file, position, KNOWN_BYTES).map_err(refused)?;
        let path = path.to_owned();
        Ok(FollowedFile {
            path,
            files: VecDeque::from([file]),
            position,
            known,
            arrivals,
            arrived: 0,
            gap: None,
        })
    }

    /// Reads what is new. The next file is read once it has a first byte: until then a server may
    /// still write to the one before, which is read to its end first.
    pub(super) fn look(&mut self) -> FileLook {
        let found = self.find_next();
        let mut look = match self.read() {
            Ok(look) => look,
            Err(why) => self.blind(&why.to_string()),
        };
        if let Err(why) = found
            && look.bytes.is_empty()
            && look.blind.is_none()
        {
            look = FileLook { begins: look.begins, ..self.blind(&why) };
        }
        FileLook { gap: self.gap.take(), ..look }
    }

    /// Opens the file that now has the log's name, if it is another one.
    ///
    /// # Errors
    /// In words: there is none, or it cannot be opened.
    fn find_next(&mut self) -> Result<(), String> {
        let seen = fs::metadata(&self.path).map_err(|why| why.to_string())?;
        if !seen.is_file() {
            return Err(format!("it is {}", kind(&seen)));
        }
        let last = self.files.back().map(File::metadata).transpose();
        let last = last.map_err(|why| why.to_string())?;
        let is_known =
            last.is_some_and(|last| (seen.dev(), seen.ino()) == (last.dev(), last.ino()));
        let next = if is_known {
            None
        } else {
            Some(File::open(&self.path).map_err(|why| why.to_string())?)
        };
        let arrived = self.arrivals.count().map(|count| self.arrived + count);
        match (&next, arrived) {
            (Some(_), Some(1)) => self.arrived = 0,
            (None, Some(arrived @ 0..=1)) => self.arrived = arrived,
            // A file system that reports nothing is noticed when a file is replaced.
            (None, None) => {}
            _ => {
                self.arrived = 0;
                self.lose("it was replaced, and there may have been another file in between");
            }
        }
        self.files.extend(next);
        if self.files.len() > FILES_MAX {
            let left_out = self.files.remove(1).and_then(|file| file.metadata().ok());
            if left_out.is_none_or(|file| file.len() > 0) {
                self.lose("it was replaced too often");
            }
        }
        Ok(())
    }

    /// Reads on, in the next file where the present one is at its end.
    fn read(&mut self) -> io::Result<FileLook> {
        let mut begins = false;
        loop {
            let Some(file) = self.files.front() else { return Ok(FileLook::default()) };
            let length = file.metadata()?.len();
            if length < self.position || length > self.position && !self.goes_on()? {
                self.lose("it was cut, and what was written just before may not have been read");
                begins = true;
                self.begin();
                continue;
            }
            let later =
                self.files.iter().skip(1).map(|file| file.metadata().map(|seen| seen.len()));
            let later: u64 = later.sum::<io::Result<u64>>()?;
            if length == self.position && later > 0 {
                begins = true;
                self.files.pop_front();
                self.begin();
                continue;
            }
            let bytes = self.read_on(length)?;
            let behind_bytes = length.saturating_sub(self.position) + later;
            return Ok(FileLook { bytes, begins, behind_bytes, ..FileLook::default() });
        }
    }

    /// Reads on in the present file, up to a length.
    fn read_on(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let Some(file) = self.files.front() else { return Ok(Vec::new()) };
        let mut bytes = vec![0; (length - self.position).min(READ_BYTES) as usize];
        let read = file.read_at(&mut bytes, self.position)?;
        bytes.truncate(read);
        self.position += read as u64;
        self.known.extend_from_slice(&bytes[read.saturating_sub(KNOWN_BYTES)..]);
        self.known.drain(..self.known.len().saturating_sub(KNOWN_BYTES));
        // A server that does not append goes on at its old place in a file that was cut: what is
        // before that place reads as zeros.
        bytes.retain(|byte| *byte != 0);
        Ok(bytes)
    }

    /// Whether the present file still has the bytes that were read last.
    fn goes_on(&self) -> io::Result<bool> {
        let Some(file) = self.files.front() else { return Ok(true) };
        Ok(before(file, self.position, self.known.len())? == self.known)
    }

    /// Goes to the start of the present file.
    fn begin(&mut self) {
        self.position = 0;
        self.known.clear();
    }

    fn lose(&mut self, why: &str) {
        self.gap = Some(format!("{}: {why}", self.path.display()));
    }

    fn blind(&self, why: &str) -> FileLook {
        let blind = Some(format!("{}: {why}", self.path.display()));
        FileLook { blind, ..FileLook::default() }
    }
}

/// Returns up to `bytes_max` bytes of a file before a position.
fn before(file: &File, position: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
    let from = position.saturating_sub(bytes_max as u64);
    let mut bytes = vec![0; (position - from) as usize];
    let read = file.read_at(&mut bytes, from)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn kind(seen: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let of = seen.file_type();
    if of.is_dir() {
        "a folder"
    } else if of.is_fifo() {
        "a named pipe"
    } else {
        "no regular file"
    }
}
