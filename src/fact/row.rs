//! Turns an entry into a row of a file, and back. Every row begins with its
//! `seq` and ends with a checksum of itself, so that a torn row is detected;
//! standard CSV readers see one more column.
//!
//! Pure text: knows columns and words, no files. The columns are documented in
//! `docs/formats/run-folder.md`; later versions add columns before `crc` and
//! never rename one.

mod event;
mod field;
mod reading;
mod request;
#[cfg(test)]
mod tests;

use std::io::Write;

use field::{FieldReader, Fields};

use super::{Entry, Fact};

/// Longest line with its line end, bytes. Bounds a reader's memory when a file has no line ends,
/// and the lines that a writer accepts.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 20;

/// Columns of `requests.csv`.
pub(crate) const REQUEST_COLUMNS: [&str; 45] = [
    "seq",
    "segment",
    "phase",
    "workload",
    "class",
    "lane",
    "slot",
    "session",
    "turn",
    "cell",
    "lap",
    "repeat",
    "depth",
    "load",
    "asked_prompt",
    "asked_output",
    "due_us",
    "sent_us",
    "done_us",
    "first_byte_us",
    "ttft_us",
    "ttft_content_us",
    "last_us",
    "prompt_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "first_tokens",
    "chunks",
    "max_gap_us",
    "peak_tokens",
    "idle_us",
    "ended",
    "stage",
    "finish",
    "http_status",
    "error",
    "checks",
    "answer",
    "resent",
    "retry_after_us",
    "first_delay_us",
    "last_delay_us",
    "gap_delay_us",
    "crc",
];

/// Columns of `events.csv`.
pub(crate) const EVENT_COLUMNS: [&str; 9] =
    ["seq", "segment", "at_us", "wall", "kind", "subject", "cause", "detail", "crc"];

/// Columns of `readings.csv`.
pub(crate) const READING_COLUMNS: [&str; 12] = [
    "seq", "segment", "at_us", "source", "instance", "name", "n", "min", "mean", "max", "last",
    "crc",
];

/// File that holds rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum File {
    /// A row per request.
    Requests,
    /// A row per other fact.
    Events,
    /// A row per reading.
    Readings,
}

impl File {
    pub(crate) const ALL: [File; 3] = [File::Requests, File::Events, File::Readings];

    /// Returns its name in the run folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            File::Requests => "requests.csv",
            File::Events => "events.csv",
            File::Readings => "readings.csv",
        }
    }

    /// Returns its columns, in order; the last is always the checksum.
    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            File::Requests => &REQUEST_COLUMNS,
            File::Events => &EVENT_COLUMNS,
            File::Readings => &READING_COLUMNS,
        }
    }

    /// Returns the number of columns in the first version, the checksum among them. Rows of that
    /// version have no later columns.
    fn first_columns(self) -> usize {
        match self {
            File::Requests => 40,
            File::Events => EVENT_COLUMNS.len(),
            File::Readings => READING_COLUMNS.len(),
        }
    }

    /// Returns its header line, the only line without a checksum.
    pub(crate) fn header(self) -> String {
        let mut line = self.columns().join(",");
        line.push('\n');
        line
    }
}

/// Returns the file that a fact's row belongs to.
pub(crate) fn file_of(fact: &Fact) -> File {
    match fact {
        Fact::Request(_) => File::Requests,
        Fact::Reading(_) => File::Readings,
        _ => File::Events,
    }
}

/// Appends an entry to `out` as one whole line, checksum and line end included.
/// `wall_anchor_us` is the wall time of the segment's anchor, microseconds since
/// 1970, and only serves the column `wall`.
///
/// [`decode`] gives back the same entry, provided that a request's and a reading's texts are on
/// one line (others are escaped), its `done` is the entry's stamp, and none of its optional texts
/// is empty.
pub(crate) fn encode(entry: &Entry, wall_anchor_us: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut fields = Fields::new(out);
    fields.put(entry.seq);
    fields.put(entry.segment);
    match &entry.fact {
        Fact::Request(request) => request::write(request, entry.at, &mut fields),
        Fact::Reading(reading) => reading::write(reading, entry.at, &mut fields),
        fact => event::write(fact, entry.at, wall_anchor_us, &mut fields),
    }
    let crc = crc32fast::hash(&out[start..]);
    // Writing into memory cannot fail.
    let _ = writeln!(out, ",{crc:08x}");
}

/// Whether a line (with or without its line end) carries a correct checksum.
pub(crate) fn is_whole(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let Some((before, crc)) = line.len().checked_sub(9).map(|at| line.split_at(at)) else {
        return false;
    };
    let told = crc.strip_prefix(b",").and_then(hex);
    told.is_some_and(|told| told == crc32fast::hash(before))
}

/// Returns the number of lowercase hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u32::from(digit))
    })
}

/// Reads an entry from a line whose checksum has been verified, with or without its line end.
///
/// # Errors
/// The column that is wrong or missing.
pub(crate) fn decode(file: File, line: &[u8]) -> Result<Entry, String> {
    let line = std::str::from_utf8(line).map_err(|_| "a row that is not UTF-8")?;
    let mut row = FieldReader::new(file.columns(), file.first_columns(), line);
    let seq = row.value()?;
    let segment = row.value()?;
    let (at, fact) = match file {
        File::Requests => request::read(&mut row)?,
        File::Events => event::read(&mut row)?,
        File::Readings => reading::read(&mut row)?,
    };
    Ok(Entry { segment, seq, at, fact })
}
