//! Reads a run folder: the manifest, and the entries of all three files in the order of the run.
//! Torn or damaged rows are left out and counted; reading continues, and its memory does not depend
//! on the size.
//!
//! A folder that is still being written reads as it was when it was opened.

mod missing;
mod plausible;
mod rows;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::thread;

use super::folder::MANIFEST;
use super::manifest::{Manifest, SCHEMA};
use crate::error::Mistake;
use crate::fact::{Entry, Fact, Segment, Seq, row};
use missing::MissingSeqs;
use rows::{Rows, RowsAhead, opened};

/// Limit of a manifest, in bytes: a recipe, a scenario and a profile of a megabyte each are in it,
/// with every byte escaped.
const MANIFEST_BYTES_MAX: u64 = 32 << 20;

/// Limit of the attempts to see the same lengths of the three files twice in a row. A writer that
/// changes them between so many attempts writes faster than any run.
const LOOKS_MAX: usize = 32;

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

/// Run folder: its manifest and its entries.
pub(crate) struct Reader {
    dir: PathBuf,
    manifest: Manifest,
    /// What shows that manifest or journal is not as longhaul wrote it.
    changed: Option<String>,
    lengths: [u64; 3],
    rows: Vec<Rows>,
    order: EntryOrder,
}

/// Check of the numbers of entries, in the order of the run.
#[derive(Default)]
struct EntryOrder {
    next_seq: Seq,
    missing: MissingSeqs,
    segment: Segment,
    /// Count of rows whose number another row has, or whose segment had ended.
    refused: u64,
    /// Reason why the first of them was refused.
    first_refused: Option<String>,
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
        Ok(Reader { dir, manifest, changed, lengths, rows, order: EntryOrder::default() })
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

    /// Hands every entry to `fold`, in the order of the run. The rows of each file are read and
    /// decoded on a thread of their own meanwhile.
    pub(crate) fn read(&mut self, fold: impl FnMut(&Entry)) {
        self.read_prepared(|_| (), fold);
    }

    /// Hands every entry to `fold`, as [`Reader::read`] does, and before to `prepare`, on the
    /// thread of its file.
    pub(crate) fn read_prepared(&mut self, prepare: fn(&Entry), mut fold: impl FnMut(&Entry)) {
        let Reader { manifest, changed, rows, order, .. } = self;
        thread::scope(|scope| {
            let mut files: Vec<RowsAhead> =
                rows.iter_mut().map(|rows| RowsAhead::of(rows, prepare, scope)).collect();
            while let Some(first) = first_of(&mut files) {
                if let Some(entry) = first.head().filter(|entry| order.follows(entry)) {
                    if !is_own(manifest, &entry.fact) {
                        changed.get_or_insert_with(|| "run.json is of another run".to_owned());
                    }
                    fold(entry);
                }
                first.advance();
            }
        });
    }

    /// Returns all entries.
    #[cfg(test)]
    pub(crate) fn entries(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.read(|entry| entries.push(entry.clone()));
        entries
    }

    /// Returns the summary of what is missing, as far as has been read.
    pub(crate) fn reported(&self) -> ReadSummary {
        let mut reported = ReadSummary {
            missing_seqs: self.order.missing.all,
            cut_seqs: self.order.missing.cut(),
            damaged_rows: self.order.refused,
            ..ReadSummary::default()
        };
        for rows in &self.rows {
            let tally = rows.lines.tally();
            if tally.torn_bytes > 0 {
                reported.torn.push((rows.file.name(), tally.torn_bytes));
            }
            reported.damaged_rows += tally.damaged_rows + rows.unknown;
            let torn = u64::from(tally.torn_bytes > 0);
            let lost = tally.damaged_rows + rows.unknown + torn;
            if lost > 0 {
                reported.known_lost.push((rows.file, lost));
            }
            reported.first_damage = reported.first_damage.or_else(|| rows.first_unknown.clone());
            reported.unreadable = reported.unreadable.or_else(|| rows.unreadable.clone());
        }
        reported.first_damage = reported.first_damage.or_else(|| self.order.first_refused.clone());
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

/// Returns the file with the entry that comes next; `None` after the last.
fn first_of(files: &mut [RowsAhead]) -> Option<&mut RowsAhead> {
    let seqs = files.iter_mut().enumerate().filter_map(|(at, rows)| Some((rows.head()?.seq, at)));
    let (_, at) = seqs.min()?;
    files.get_mut(at)
}

/// Whether the row that begins a segment has the manifest's identity.
fn is_own(manifest: &Manifest, fact: &Fact) -> bool {
    let Fact::Opened(opened) = fact else { return true };
    if !manifest.is_unsealed() {
        return opened.run == manifest.run;
    }
    // Schema 1 has no identity; its anchors are those of its segments.
    manifest.segments.is_empty()
        || manifest.segments.iter().any(|anchor| anchor.wall_us == opened.wall_us)
}

impl EntryOrder {
    /// Whether an entry has a number of its own, in the present segment or the next. Counts the
    /// numbers that are missing before it.
    fn follows(&mut self, entry: &Entry) -> bool {
        let Entry { seq, segment, .. } = *entry;
        // Somebody edited the file.
        let missing = match seq.checked_sub(self.next_seq) {
            None => return self.refuse(format!("the number {seq} twice")),
            Some(_) if segment < self.segment => {
                let last = self.segment;
                return self.refuse(format!("segment {segment} after segment {last}"));
            }
            Some(missing) => missing,
        };
        self.segment = segment;
        self.missing.fold(entry, missing);
        self.next_seq = seq.saturating_add(1);
        true
    }

    fn refuse(&mut self, why: String) -> bool {
        self.refused += 1;
        self.first_refused.get_or_insert(why);
        false
    }
}
