//! Writes and reads the fields of one row, in the order of its columns.

use std::fmt::Display;
use std::str::FromStr;

use csv::ByteRecord;

use crate::escape::one_line;

/// Writes the fields of a row, quoted where they must be.
pub(super) struct Fields<'a> {
    writer: csv::Writer<&'a mut Vec<u8>>,
}

/// Buffer size for a row of a few hundred bytes; the csv crate's default is 8 KiB for each.
const BUFFER_BYTES: usize = 512;

impl<'a> Fields<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Fields<'a> {
        let writer = csv::WriterBuilder::new().buffer_capacity(BUFFER_BYTES).from_writer(out);
        Fields { writer }
    }

    fn raw(&mut self, field: &str) {
        // Writing into memory cannot fail.
        let _ = self.writer.write_field(field);
    }

    /// Writes a number or a word of longhaul's own.
    pub(super) fn put(&mut self, value: impl Display) {
        self.raw(&value.to_string());
    }

    /// Writes a value, or an empty field for `None`.
    pub(super) fn put_option(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.put(value),
            None => self.raw(""),
        }
    }

    /// Writes a float in the shortest form that parses back to the same value.
    pub(super) fn put_float(&mut self, value: f64) {
        let magnitude = value.abs();
        if magnitude != 0.0 && !(1e-6..1e16).contains(&magnitude) && value.is_finite() {
            self.raw(&format!("{value:e}"));
        } else {
            self.put(value);
        }
    }

    /// Writes outside text, escaped onto one line and cut.
    pub(super) fn put_text(&mut self, text: &str, chars_max: usize) {
        self.raw(&one_line(text, chars_max));
    }

    /// Writes JSON, which contains no raw line ends.
    pub(super) fn put_json(&mut self, json: &str) {
        self.raw(json);
    }

    /// Ends the row, and with it its last field.
    pub(super) fn end(mut self) {
        let _ = self.writer.write_record(None::<&[u8]>);
    }
}

/// Reader of the fields of a row, one column after the other.
pub(super) struct FieldReader<'a> {
    columns: &'static [&'static str],
    record: &'a ByteRecord,
    next: usize,
}

impl<'a> FieldReader<'a> {
    /// Creates the reader of a row with at least so many columns, the checksum among them.
    pub(super) fn new(
        columns: &'static [&'static str],
        least: usize,
        record: &'a ByteRecord,
    ) -> Result<FieldReader<'a>, String> {
        if record.len() < least {
            return Err(format!("{} columns instead of {}", record.len(), columns.len()));
        }
        Ok(FieldReader { columns, record, next: 0 })
    }

    fn name(&self) -> &'static str {
        self.columns.get(self.next.saturating_sub(1)).copied().unwrap_or("?")
    }

    /// Returns the error text for the column that was read last.
    pub(super) fn wrong(&self, found: &str) -> String {
        format!("column {}: `{}`", self.name(), one_line(found, 60))
    }

    /// Returns the next column as text; a row of an earlier version has empty later columns. The
    /// last field is the checksum and not a column that is read.
    pub(super) fn text(&mut self) -> Result<&'a str, String> {
        let is_there = self.next + 1 < self.record.len();
        let bytes = self.record.get(self.next).filter(|_| is_there).unwrap_or_default();
        self.next += 1;
        std::str::from_utf8(bytes).map_err(|_| format!("column {}: not UTF-8", self.name()))
    }

    /// Skips columns that repeat others.
    pub(super) fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    /// Parses the next column, which must not be empty.
    pub(super) fn value<T: FromStr>(&mut self) -> Result<T, String> {
        let text = self.text()?;
        text.parse().map_err(|_| self.wrong(text))
    }

    /// Parses the next column; `None` where it is empty.
    pub(super) fn option<T: FromStr>(&mut self) -> Result<Option<T>, String> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| self.wrong(text))
    }

    /// Parses the next column as one of longhaul's words.
    pub(super) fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let text = self.text()?;
        parse(text).ok_or_else(|| self.wrong(text))
    }
}
