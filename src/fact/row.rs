//! Entries as rows and back. The columns are final: they may be added to,
//! never renamed. `docs/formats/run-folder.md` says what each means.
//!
//! A row ends with the CRC-32 of everything before its last comma, so that a
//! torn or damaged row is known for what it is. It never contains a raw newline.

mod event;
mod request;

use super::{Entry, Fact};
use crate::timeline::wall_text;
use crate::unit::At;

/// Columns of `requests.csv`.
pub const REQUEST_COLUMNS: [&str; 40] = [
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
    "crc",
];

/// Columns of `events.csv`.
pub const EVENT_COLUMNS: [&str; 9] =
    ["seq", "segment", "at_us", "wall", "kind", "subject", "cause", "detail", "crc"];

/// Columns of `readings.csv`.
pub const READING_COLUMNS: [&str; 12] = [
    "seq", "segment", "at_us", "source", "instance", "name", "n", "min", "mean", "max", "last",
    "crc",
];

/// The files that rows go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum File {
    /// A row per request.
    Requests,
    /// A row per other fact.
    Events,
    /// A row per reading.
    Readings,
}

impl File {
    /// All of them.
    pub const ALL: [File; 3] = [File::Requests, File::Events, File::Readings];

    /// Its name in the run folder.
    pub fn name(self) -> &'static str {
        match self {
            File::Requests => "requests.csv",
            File::Events => "events.csv",
            File::Readings => "readings.csv",
        }
    }

    /// Its columns.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            File::Requests => &REQUEST_COLUMNS,
            File::Events => &EVENT_COLUMNS,
            File::Readings => &READING_COLUMNS,
        }
    }

    /// The file that a fact goes to.
    pub fn of(fact: &Fact) -> File {
        match fact {
            Fact::Request(_) => File::Requests,
            Fact::Reading(_) => File::Readings,
            _ => File::Events,
        }
    }
}

/// Adds the row of an entry to `out`, newline included. `wall_anchor_us` is the wall time
/// of the segment's anchor, microseconds since 1970.
pub fn encode(entry: &Entry, wall_anchor_us: u64, out: &mut Vec<u8>) {
    let mut fields = vec![entry.seq.to_string(), entry.segment.to_string()];
    match &entry.fact {
        Fact::Request(request) => request::fields(request, &mut fields),
        Fact::Reading(reading) => {
            fields.push(entry.at.0.to_string());
            event::reading_fields(reading, &mut fields);
        }
        fact => {
            fields.push(entry.at.0.to_string());
            fields.push(wall_text(wall_anchor_us.saturating_add(entry.at.0)));
            event::fields(fact, &mut fields);
        }
    }
    let start = out.len();
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(field, out);
    }
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(format!(",{crc:08x}\n").as_bytes());
}

/// Writes a field, quoted where it must be, without raw newlines.
fn push(field: &str, out: &mut Vec<u8>) {
    let quoted = field.contains([',', '"']);
    if quoted {
        out.push(b'"');
    }
    for byte in field.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\"\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(byte),
        }
    }
    if quoted {
        out.push(b'"');
    }
}

/// Whether a line, without its newline, is a whole row: it ends with the checksum of what
/// stands before.
pub fn is_whole(line: &[u8]) -> bool {
    let Some(comma) = line.len().checked_sub(9).filter(|comma| line[*comma] == b',') else {
        return false;
    };
    let crc = crc32fast::hash(&line[..comma]);
    line[comma + 1..] == *format!("{crc:08x}").as_bytes()
}

/// Reads a row back.
///
/// # Errors
/// In words: which column is not what it should be.
pub fn decode(file: File, row: &csv::StringRecord) -> Result<Entry, String> {
    let mut fields = Fields { file, row, next: 0 };
    let (seq, segment) = (fields.need()?, fields.need()?);
    let (at, fact) = match file {
        File::Requests => {
            let request = request::read(&mut fields)?;
            (request.done, Fact::Request(Box::new(request)))
        }
        File::Readings => {
            let at = At(fields.need()?);
            (at, Fact::Reading(event::read_reading(&mut fields)?))
        }
        File::Events => {
            let at = At(fields.need()?);
            fields.text()?;
            (at, event::read(&mut fields)?)
        }
    };
    Ok(Entry { segment, seq, at, fact })
}

/// The fields of a row, taken one after the other.
struct Fields<'a> {
    file: File,
    row: &'a csv::StringRecord,
    next: usize,
}

impl<'a> Fields<'a> {
    fn text(&mut self) -> Result<&'a str, String> {
        let text = self.row.get(self.next).ok_or_else(|| format!("{} columns", self.row.len()))?;
        self.next += 1;
        Ok(text)
    }

    fn wrong(&self, text: &str) -> String {
        let column = self.file.columns().get(self.next - 1).copied().unwrap_or("?");
        format!("`{text}` in column {column}")
    }

    fn need<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let text = self.text()?;
        text.parse().map_err(|_| self.wrong(text))
    }

    /// A value that may not be there.
    fn may<T: std::str::FromStr>(&mut self) -> Result<Option<T>, String> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| self.wrong(text))
    }

    fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let text = self.text()?;
        parse(text).ok_or_else(|| self.wrong(text))
    }
}
