//! Reads and decodes the rows of one file, on a thread of its own, ahead of who folds them.

use std::fs::{self, File};
use std::io::{BufReader, Read as _, Take};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::Scope;

use super::plausible::PlausibleRows;
use crate::error::Mistake;
use crate::fact::{Entry, row};
use crate::journal::lines::WholeLines;

/// Entries that are handed over at once, and bound on such parts of a file that wait.
const PART_ENTRIES: usize = 512;
const PARTS_AHEAD: usize = 4;

/// Bytes that are read of a file at once.
const BUFFER_BYTES: usize = 1 << 16;

/// Rows of one file.
pub(super) struct Rows {
    pub(super) file: row::File,
    pub(super) lines: WholeLines<BufReader<Take<File>>>,
    plausible: PlausibleRows,
    /// Count of whole rows that cannot be decoded, or that no run writes.
    pub(super) unknown: u64,
    /// Reason why the first of them cannot.
    pub(super) first_unknown: Option<String>,
    /// System's error where the file could not be read any further.
    pub(super) unreadable: Option<String>,
}

/// Opens a regular file; a read from a pipe would never end.
pub(super) fn opened(path: &Path) -> std::io::Result<File> {
    if fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file"))
}

impl Rows {
    /// Opens a file up to `length`, of which the first `sealed` bytes have a checksum in the
    /// manifest; a missing file has no rows, since a power cut may have come first.
    pub(super) fn open(
        dir: &Path,
        file: row::File,
        length: u64,
        sealed: u64,
    ) -> Result<Option<Rows>, Mistake> {
        let path = dir.join(file.name());
        let source = match opened(&path) {
            Ok(source) => source,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Mistake::new(format!("the run folder cannot be read: {error}"))
                    .at(path.display().to_string()));
            }
        };
        let source = BufReader::with_capacity(BUFFER_BYTES, source.take(length));
        Ok(Some(Rows {
            file,
            lines: WholeLines::new(source, sealed),
            plausible: PlausibleRows::default(),
            unknown: 0,
            first_unknown: None,
            unreadable: None,
        }))
    }
}

/// Entries of the rows that can be decoded.
impl Iterator for Rows {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while self.unreadable.is_none() {
            match self.lines.next() {
                Ok(Some(line)) => match row::decode(self.file, line)
                    .and_then(|entry| self.plausible.check(entry))
                {
                    Ok(entry) => return Some(entry),
                    Err(words) => {
                        self.unknown += 1;
                        let name = self.file.name();
                        self.first_unknown.get_or_insert_with(|| format!("{name}: {words}"));
                    }
                },
                Ok(None) => return None,
                Err(error) => self.unreadable = Some(format!("{}: {error}", self.file.name())),
            }
        }
        None
    }
}

/// Entries of one file, which another thread decodes ahead.
pub(super) struct RowsAhead {
    decoded: Receiver<Vec<Entry>>,
    /// Parts that were folded go back to the thread that made their entries: it frees them, and
    /// the two threads do not wait for each other's memory.
    folded: Sender<Vec<Entry>>,
    part: Vec<Entry>,
    /// Index of the next entry in the part.
    next: usize,
}

impl RowsAhead {
    /// Begins to read, decode and prepare rows on a thread.
    pub(super) fn of<'scope>(
        rows: &'scope mut Rows,
        prepare: fn(&Entry),
        scope: &'scope Scope<'scope, '_>,
    ) -> RowsAhead {
        let (give, decoded) = mpsc::sync_channel(PARTS_AHEAD);
        let (folded, take) = mpsc::channel();
        scope.spawn(move || {
            loop {
                let mut part: Vec<Entry> = take.try_recv().unwrap_or_default();
                part.clear();
                part.extend(rows.by_ref().take(PART_ENTRIES).inspect(prepare));
                if part.is_empty() || give.send(part).is_err() {
                    return;
                }
            }
        });
        RowsAhead { decoded, folded, part: Vec::new(), next: 0 }
    }

    /// Returns the next entry; `None` at the end.
    pub(super) fn head(&mut self) -> Option<&Entry> {
        if self.next == self.part.len() {
            let part = self.decoded.recv().unwrap_or_default();
            let before = std::mem::replace(&mut self.part, part);
            self.next = 0;
            // At the end of the file nobody takes it, and it is freed here.
            let _ = self.folded.send(before);
        }
        self.part.get(self.next)
    }

    /// Goes on to the entry after the next one.
    pub(super) fn advance(&mut self) {
        self.next += 1;
    }
}
