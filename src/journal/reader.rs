//! Reads a run folder: three files of rows, merged by their numbers, with
//! memory that does not depend on their length. A row that is not whole is not
//! a row: a torn or NUL-filled end is cut in reading and told, on disk nothing
//! is changed.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::manifest::{self, Manifest};
use crate::error::Mistake;
use crate::fact::Entry;
use crate::fact::row::{self, File as Rows};

/// What was wrong with a run folder. All zero for a whole one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Bytes cut from the end of each file, by its name, where any were.
    pub torn: Vec<(String, u64)>,
    /// Rows in the middle that are not whole, or do not say what they should.
    pub damaged_rows: u64,
    /// Numbers between the first and the last that no row has.
    pub missing_seqs: u64,
}

/// A run folder.
pub struct Reader {
    folder: PathBuf,
    manifest: Manifest,
}

/// Opens a run folder.
///
/// # Errors
/// It is not one, or its manifest cannot be read.
pub fn open(folder: &Path) -> Result<Reader, Mistake> {
    let manifest = manifest::read(folder).map_err(|why| {
        let what = match why.kind() {
            io::ErrorKind::NotFound => format!("{} is no run folder", folder.display()),
            _ => format!("{} cannot be read: {why}", folder.join(manifest::NAME).display()),
        };
        Mistake::new(what).hint("a folder that `longhaul run` has made, such as runs/…")
    })?;
    Ok(Reader { folder: folder.to_path_buf(), manifest })
}

impl Reader {
    /// What the run is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// All entries, in the order of the run.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn entries(&self) -> Result<Entries, Mistake> {
        let mut sources = Vec::new();
        for rows in Rows::ALL {
            let path = self.folder.join(rows.name());
            let file = match File::open(&path) {
                Ok(file) => file,
                // A cut in the first second may have left no file; that is an empty one.
                Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                Err(why) => return Err(Mistake::new(format!("{}: {why}", path.display()))),
            };
            sources.push(RowsOf::new(rows, file));
        }
        Ok(Entries { sources, next: Vec::new(), last: None, missing_seqs: 0, started: false })
    }
}

/// The entries of a run folder, in the order of the run.
pub struct Entries {
    sources: Vec<RowsOf>,
    next: Vec<Option<Entry>>,
    last: Option<u64>,
    missing_seqs: u64,
    started: bool,
}

impl Entries {
    /// What was wrong with the folder, as far as it was read.
    pub fn told(&self) -> Told {
        let mut told = Told { missing_seqs: self.missing_seqs, ..Told::default() };
        for source in &self.sources {
            let seen = source.seen.borrow();
            told.damaged_rows += seen.damaged + source.damaged;
            if seen.torn > 0 {
                told.torn.push((source.rows.name().to_owned(), seen.torn));
            }
        }
        told
    }
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if !self.started {
            self.started = true;
            self.next = self.sources.iter_mut().map(RowsOf::next_entry).collect();
        }
        let index = (0..self.next.len())
            .filter(|index| self.next[*index].is_some())
            .min_by_key(|index| self.next[*index].as_ref().map(|entry| entry.seq))?;
        let entry = self.next[index].take()?;
        self.next[index] = self.sources[index].next_entry();
        let expected = self.last.map_or(0, |last| last + 1);
        self.missing_seqs += entry.seq.saturating_sub(expected);
        self.last = Some(entry.seq);
        Some(entry)
    }
}

/// The rows of one file: one CSV reader over the lines that are whole.
struct RowsOf {
    rows: Rows,
    reader: csv::Reader<WholeLines>,
    record: csv::StringRecord,
    seen: Rc<RefCell<Seen>>,
    damaged: u64,
}

impl RowsOf {
    fn new(rows: Rows, file: File) -> RowsOf {
        let seen = Rc::new(RefCell::new(Seen::default()));
        let lines = WholeLines {
            source: BufReader::with_capacity(1 << 16, file),
            line: Vec::new(),
            given: 0,
            suspect: 0,
            suspects: 0,
            head: true,
            seen: seen.clone(),
        };
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(lines);
        RowsOf { rows, reader, record: csv::StringRecord::new(), seen, damaged: 0 }
    }

    fn next_entry(&mut self) -> Option<Entry> {
        loop {
            match self.reader.read_record(&mut self.record) {
                Ok(true) => match row::decode(self.rows, &self.record) {
                    Ok(entry) => return Some(entry),
                    Err(_) => self.damaged += 1,
                },
                Ok(false) => return None,
                Err(why) if why.is_io_error() => return None,
                Err(_) => self.damaged += 1,
            }
        }
    }
}

#[derive(Default)]
struct Seen {
    torn: u64,
    damaged: u64,
}

/// Gives on only the lines whose checksum is right. Lines that are not whole are held
/// against it as damaged if a whole one follows, as torn if none does.
struct WholeLines {
    source: BufReader<File>,
    line: Vec<u8>,
    given: usize,
    suspect: u64,
    suspects: u64,
    head: bool,
    seen: Rc<RefCell<Seen>>,
}

impl WholeLines {
    /// The next whole line, with its newline, in `line`; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        loop {
            self.line.clear();
            self.given = 0;
            let read = self.source.read_until(b'\n', &mut self.line)?;
            if read == 0 {
                self.seen.borrow_mut().torn = self.suspect;
                return Ok(false);
            }
            if std::mem::take(&mut self.head) {
                // A head that a cut has shortened is no row either.
                if self.line.last() != Some(&b'\n') {
                    self.suspect += read as u64;
                }
                continue;
            }
            let whole = self.line.strip_suffix(b"\n").is_some_and(row::is_whole);
            if whole {
                self.seen.borrow_mut().damaged += std::mem::take(&mut self.suspects);
                self.suspect = 0;
                return Ok(true);
            }
            self.suspect += read as u64;
            self.suspects += 1;
        }
    }
}

impl Read for WholeLines {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.line.len() && !self.advance()? {
            self.line.clear();
            self.given = 0;
            return Ok(0);
        }
        let rest = &self.line[self.given..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}
