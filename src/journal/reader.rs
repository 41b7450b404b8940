//! Reads a run folder: the manifest, and the entries of all three files in the order of the run.
//! Torn or damaged rows are left out and counted; reading continues, and its memory does not depend
//! on the size.
//!
//! A folder that is still being written reads as it was when it was opened.

use std::fs::{self, File};
use std::io::{BufReader, Read, Take};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use super::folder::MANIFEST;
use super::lines::WholeLines;
use super::manifest::{Manifest, SCHEMA};
use crate::error::Mistake;
use crate::fact::{Entry, Fact, Segment, Seq, row};

/// Limit of a manifest, in bytes: a recipe, a scenario and a profile of a megabyte each are in it,
/// with every byte escaped.
const MANIFEST_BYTES_MAX: u64 = 32 << 20;

/// Limit of the attempts to see the same lengths of the three files twice in a row. A writer that
/// changes them between so many attempts writes faster than any run.
const LOOKS_MAX: usize = 32;

/// Entries that are handed over at once to the thread that folds them, and bound on such parts that
/// wait.
const PART_ENTRIES: usize = 512;
const PARTS_AHEAD: usize = 4;

/// Bytes that are read of a file at once.
const BUFFER_BYTES: usize = 1 << 16;

/// Summary of what is missing in a run folder, complete once the entries have been read to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadSummary {
    /// Files with a torn end, and the bytes of it that were left out.
    pub torn: Vec<(&'static str, u64)>,
    /// Rows within a file that are not whole, or that this longhaul cannot decode.
    pub damaged_rows: u64,
    /// Reason why the first whole row that failed could not be decoded.
    pub first_damage: Option<String>,
    /// Entry numbers within the range that are in no file.
    pub missing_seqs: u64,
    /// Count of these at the end of a segment that was cut short: a kill or a power cut took them.
    pub cut_seqs: u64,
    /// Rows within each file that are not whole, or that this longhaul cannot decode, torn ends
    /// among them: the entry numbers that this file is known to have lost.
    pub known_lost: Vec<(row::File, u64)>,
    /// System's error where a file could not be read any further.
    pub unreadable: Option<String>,
    /// Reason why the files are not those of one run, as longhaul wrote them.
    pub changed: Option<String>,
    /// Whether the folder is of a schema without seals, so that a change would not be seen.
    pub unsealed: bool,
}

/// Run folder: its manifest, and its entries by iteration.
pub(crate) struct Reader {
    dir: PathBuf,
    manifest: Manifest,
    /// What shows that manifest or journal is not as longhaul wrote it.
    changed: Option<String>,
    lengths: [u64; 3],
    rows: Vec<Rows>,
    next_seq: Seq,
    missing: MissingSeqs,
}

/// Opens a run folder.
///
/// # Errors
/// The folder is not a run folder, cannot be read, or comes from a newer longhaul.
pub(crate) fn open(dir: &Path) -> Result<Reader, Mistake> {
    let (manifest, changed) = sealed_manifest(dir)?;
    let lengths = lengths(dir);
    Reader::new(dir.to_owned(), manifest, changed, lengths)
}

/// Reads only the manifest of a run folder.
///
/// # Errors
/// Same as [`open`].
pub(crate) fn read_manifest(dir: &Path) -> Result<Manifest, Mistake> {
    sealed_manifest(dir).map(|(manifest, _)| manifest)
}

/// Reads a manifest, and what shows that it was changed.
fn sealed_manifest(dir: &Path) -> Result<(Manifest, Option<String>), Mistake> {
    let path = dir.join(MANIFEST);
    let place = path.display().to_string();
    let text = text_of(&path).map_err(|error| {
        let what = if dir.is_file() {
            "this is a file, not a run folder".to_owned()
        } else if !dir.exists() {
            "there is no such run folder".to_owned()
        } else if error.kind() == std::io::ErrorKind::NotFound {
            format!("this is not a run folder: it holds no {MANIFEST}")
        } else {
            format!("this is not a run folder: {error}")
        };
        Mistake::new(what)
            .at(dir.display().to_string())
            .hint("give the folder that `longhaul run` named at its end, as runs/tonight")
    })?;
    let (manifest, changed) = Manifest::parse(&text).map_err(|error| {
        Mistake::new(format!("the manifest of the run cannot be read: {error}")).at(place.clone())
    })?;
    if manifest.schema > SCHEMA {
        let schema = manifest.schema;
        return Err(Mistake::new(format!(
            "this run folder has schema {schema}, newer than {SCHEMA}"
        ))
        .at(place)
        .hint("read it with the longhaul that wrote it, or a newer one"));
    }
    Ok((manifest, changed))
}

/// Reads a text file of bounded length.
fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    opened(path)?.take(MANIFEST_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Returns the lengths of the files at one moment: rows that are written to different files between
/// two looks would otherwise seem to be missing.
fn lengths(dir: &Path) -> [u64; 3] {
    let look = || {
        row::File::ALL.map(|file| fs::metadata(dir.join(file.name())).map_or(0, |meta| meta.len()))
    };
    let mut before = look();
    for _ in 0..LOOKS_MAX {
        let now = look();
        if now == before {
            break;
        }
        before = now;
    }
    before
}

impl Reader {
    fn new(
        dir: PathBuf,
        manifest: Manifest,
        changed: Option<String>,
        lengths: [u64; 3],
    ) -> Result<Reader, Mistake> {
        let mut rows = Vec::new();
        for (file, length) in row::File::ALL.into_iter().zip(lengths) {
            let seal = manifest.files.get(file.name());
            rows.extend(Rows::open(&dir, file, length, seal.map_or(0, |seal| seal.bytes))?);
        }
        let missing = MissingSeqs::default();
        Ok(Reader { dir, manifest, changed, lengths, rows, next_seq: 0, missing })
    }

    /// Returns the manifest.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads the same entries from the start, for a second pass, without those that were written
    /// since the first was opened.
    ///
    /// # Errors
    /// The folder cannot be read any more.
    pub(crate) fn again(self) -> Result<Reader, Mistake> {
        Reader::new(self.dir, self.manifest, self.changed, self.lengths)
    }

    /// Hands every entry to `fold`. Rows are read and decoded on another thread meanwhile.
    pub(crate) fn read_ahead(&mut self, mut fold: impl FnMut(&Entry)) {
        thread::scope(|scope| {
            let (give, take) = mpsc::sync_channel(PARTS_AHEAD);
            scope.spawn(move || {
                loop {
                    let part: Vec<Entry> = self.by_ref().take(PART_ENTRIES).collect();
                    if part.is_empty() || give.send(part).is_err() {
                        return;
                    }
                }
            });
            for part in take {
                part.iter().for_each(&mut fold);
            }
        });
    }

    /// Returns the summary of what is missing, as far as has been read.
    pub(crate) fn reported(&self) -> ReadSummary {
        let mut reported = ReadSummary {
            missing_seqs: self.missing.all,
            cut_seqs: self.missing.cut(),
            ..ReadSummary::default()
        };
        for rows in &self.rows {
            let tally = rows.lines.tally();
            if tally.torn_bytes > 0 {
                reported.torn.push((rows.file.name(), tally.torn_bytes));
            }
            reported.damaged_rows += tally.damaged_rows + rows.unknown;
            let torn = u64::from(tally.torn_bytes > 0);
            let lost = tally.damaged_rows + rows.unknown - rows.repeated + torn;
            if lost > 0 {
                reported.known_lost.push((rows.file, lost));
            }
            reported.first_damage = reported.first_damage.or_else(|| rows.first_unknown.clone());
            reported.unreadable = reported.unreadable.or_else(|| rows.unreadable.clone());
        }
        reported.unsealed = self.manifest.is_unsealed();
        reported.changed.clone_from(&self.changed);
        // Rows that are known to be lost are judged as lost, and explain another checksum.
        if reported.changed.is_none() && reported.damaged_rows + reported.missing_seqs == 0 {
            let other = self.rows.iter().find(|rows| {
                let seal = self.manifest.files.get(rows.file.name());
                seal.is_some_and(|seal| rows.lines.crc() != seal.crc)
            });
            reported.changed =
                other.map(|rows| format!("{} was changed after the run's end", rows.file.name()));
        }
        reported
    }
}

impl Reader {
    /// Compares the identity in the row that begins a segment with the manifest's.
    fn check_identity(&mut self, fact: &Fact) {
        let Fact::Opened(opened) = fact else { return };
        let (run, wall_us) = (&self.manifest.run, opened.wall_us);
        // Schema 1 has no identity; its anchors are those of its segments.
        let is_own = if self.manifest.is_unsealed() {
            self.manifest.segments.is_empty()
                || self.manifest.segments.iter().any(|anchor| anchor.wall_us == wall_us)
        } else {
            opened.run == *run
        };
        if !is_own {
            self.changed.get_or_insert_with(|| "run.json is of another run".to_owned());
        }
    }
}

impl Iterator for Reader {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            for rows in &mut self.rows {
                rows.fill();
            }
            let first = self
                .rows
                .iter_mut()
                .filter(|rows| rows.ahead.is_some())
                .min_by_key(|rows| rows.ahead.as_ref().map(|entry| entry.seq))?;
            let entry = first.ahead.take()?;
            if entry.seq < self.next_seq {
                // A number that occurs twice: somebody edited the file.
                first.unknown += 1;
                first.repeated += 1;
                first
                    .first_unknown
                    .get_or_insert_with(|| format!("the number {} twice", entry.seq));
                continue;
            }
            let missing = entry.seq - self.next_seq;
            self.missing.fold(&entry, missing);
            self.check_identity(&entry.fact);
            self.next_seq = entry.seq.saturating_add(1);
            return Some(entry);
        }
    }
}

/// Entry numbers that no file has.
#[derive(Clone, Copy, Debug, Default)]
struct MissingSeqs {
    all: u64,
    /// Count of those at the ends of earlier segments that were cut short.
    cut_before: u64,
    segment: Segment,
    /// Whether the present segment has its end.
    is_closed: bool,
    /// Numbers missing in the present segment, by the files that have a later row in it: a bit for
    /// each. Where a file has none, its end may have been cut off.
    by_files: [u64; 1 << row::File::ALL.len()],
}

impl MissingSeqs {
    /// Folds an entry before which `missing` numbers are in no file.
    fn fold(&mut self, entry: &Entry, missing: u64) {
        self.all += missing;
        self.by_files[0] += missing;
        if entry.segment != self.segment {
            let (all, cut_before) = (self.all, self.cut_before + self.cut_here());
            *self = MissingSeqs { all, cut_before, segment: entry.segment, ..Self::default() };
        }
        let file = row::file_of(&entry.fact);
        let bit = row::File::ALL.iter().position(|it| *it == file).map_or(0, |at| 1 << at);
        for files in 0..self.by_files.len() {
            if files & bit == 0 {
                self.by_files[files | bit] += std::mem::take(&mut self.by_files[files]);
            }
        }
        self.is_closed |= matches!(entry.fact, Fact::Closed(_));
    }

    /// Returns the number of those that a kill or a power cut took at the end of a segment, and that
    /// the next segment asks again. What the last segment lost, nobody asks again.
    fn cut(&self) -> u64 {
        self.cut_before
    }

    fn cut_here(&self) -> u64 {
        let every = self.by_files.len() - 1;
        let at_end: u64 = self.by_files[..every].iter().sum();
        if self.is_closed { 0 } else { at_end }
    }
}

/// Rows of one file.
struct Rows {
    file: row::File,
    lines: WholeLines<BufReader<Take<File>>>,
    /// Next entry, read ahead for the merge.
    ahead: Option<Entry>,
    ended: bool,
    unknown: u64,
    /// Count of these whose number another row has.
    repeated: u64,
    first_unknown: Option<String>,
    unreadable: Option<String>,
}

/// Opens a regular file; a read from a pipe would never end.
fn opened(path: &Path) -> std::io::Result<File> {
    if fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file"))
}

impl Rows {
    /// Opens a file up to `length`, of which the first `sealed` bytes have a checksum in the
    /// manifest; a missing file has no rows, since a power cut may have come first.
    fn open(
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
            ahead: None,
            ended: false,
            unknown: 0,
            repeated: 0,
            first_unknown: None,
            unreadable: None,
        }))
    }

    /// Reads ahead to the next row that can be decoded.
    fn fill(&mut self) {
        while self.ahead.is_none() && !self.ended {
            match self.lines.next() {
                Ok(Some(line)) => match row::decode(self.file, line) {
                    Ok(entry) => self.ahead = Some(entry),
                    Err(words) => {
                        self.unknown += 1;
                        let name = self.file.name();
                        self.first_unknown.get_or_insert_with(|| format!("{name}: {words}"));
                    }
                },
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    self.unreadable = Some(format!("{}: {error}", self.file.name()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MissingSeqs;
    use crate::fact::Phase;
    use crate::incident::fixture::Story;

    /// Returns how many numbers are missing, and how many of these a cut took, in a run of two
    /// segments without these entries.
    fn missing(closes: bool, without: &[u64]) -> (u64, u64) {
        let mut story = Story::new();
        story
            .opened()
            .phase(0.0, Phase::Soak)
            .up(1.0, true)
            .good(2.0, 0)
            .up(3.0, true)
            .good(4.0, 0);
        story.up(5.0, true).phase(6.0, Phase::Drain).up(7.0, true);
        if closes {
            story.closed(8.0, crate::fact::ClosedBecause::Interrupted);
        }
        story.segment = 1;
        story.opened().up(1.0, true).good(2.0, 0).phase(3.0, Phase::Soak);
        let mut fold = MissingSeqs::default();
        let mut next = 0;
        for entry in story.entries.iter().filter(|entry| !without.contains(&entry.seq)) {
            fold.fold(entry, entry.seq - next);
            next = entry.seq + 1;
        }
        (fold.all, fold.cut())
    }

    #[test]
    fn what_a_power_cut_took_at_the_end_of_a_segment_is_told_from_what_was_lost_within() {
        assert_eq!(missing(false, &[]), (0, 0));
        assert_eq!(missing(false, &[8]), (1, 1), "the last row");
        assert_eq!(missing(false, &[5, 7]), (2, 2), "the last rows of two files");
        assert_eq!(missing(false, &[3, 5]), (2, 2), "all requests from there on");
        assert_eq!(missing(false, &[2]), (1, 0), "every file goes on after it");
        assert_eq!(missing(true, &[5, 7]), (2, 0), "a segment with its end was not cut short");
    }
}
