//! Writes and reads the fields of one row, in the order of its columns.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;
use std::str::FromStr;

use crate::escape::{json, one_line};

/// Writes the fields of a row, quoted where they must be.
pub(super) struct Fields<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Fields<'a> {
        Fields { out, is_first: true }
    }

    fn begin(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
    }

    fn raw(&mut self, field: &str) {
        self.begin();
        if !field.contains(['"', ',', '\r', '\n']) {
            self.out.extend_from_slice(field.as_bytes());
            return;
        }
        self.out.push(b'"');
        for (index, part) in field.split('"').enumerate() {
            if index > 0 {
                self.out.extend_from_slice(b"\"\"");
            }
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out.push(b'"');
    }

    /// Writes a number or a word of longhaul's own, which needs no quotes.
    pub(super) fn put(&mut self, value: impl Display) {
        self.begin();
        // Writing into memory cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// Writes a value, or an empty field for `None`.
    pub(super) fn put_option(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.put(value),
            None => self.begin(),
        }
    }

    /// Writes a float in the shortest form that parses back to the same value.
    pub(super) fn put_float(&mut self, value: f64) {
        let magnitude = value.abs();
        if magnitude != 0.0 && !(1e-6..1e16).contains(&magnitude) && value.is_finite() {
            self.put(format_args!("{value:e}"));
        } else {
            self.put(value);
        }
    }

    /// Writes outside text, escaped onto one line and cut.
    pub(super) fn put_text(&mut self, text: &str, chars_max: usize) {
        self.raw(&one_line(text, chars_max));
    }

    /// Writes JSON, which contains no raw line ends. Its value stays the same.
    pub(super) fn put_json(&mut self, text: &str) {
        self.raw(&json(text));
    }
}

/// Reader of the fields of a row, one column after the other. The checksum is no field.
pub(super) struct FieldReader<'a> {
    columns: &'static [&'static str],
    /// Number of columns that every row has, the checksum among them.
    least: usize,
    /// Fields that are still to be read; `None` after the last.
    rest: Option<&'a str>,
    next: usize,
}

impl<'a> FieldReader<'a> {
    /// Creates the reader of a line with at least so many columns, the checksum among them.
    pub(super) fn new(
        columns: &'static [&'static str],
        least: usize,
        line: &'a str,
    ) -> FieldReader<'a> {
        let rest = line.rsplit_once(',').map(|(fields, _)| fields);
        FieldReader { columns, least, rest, next: 0 }
    }

    fn name(&self) -> &'static str {
        self.columns.get(self.next.saturating_sub(1)).copied().unwrap_or("?")
    }

    /// Returns the error text for the column that was read last.
    fn wrong(&self, found: &str) -> String {
        format!("column {}: `{}`", self.name(), one_line(found, 60))
    }

    /// Returns the next column as text; a row of an earlier version has empty later columns.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, String> {
        let Some(row) = self.rest else {
            let found = self.next + 1;
            if found < self.least {
                return Err(format!("{found} columns instead of {}", self.columns.len()));
            }
            self.next += 1;
            return Ok(Cow::Borrowed(""));
        };
        let (field, rest) = split(row);
        self.rest = rest;
        self.next += 1;
        Ok(field)
    }

    /// Skips columns that repeat others.
    pub(super) fn skip(&mut self, columns: usize) -> Result<(), String> {
        (0..columns).try_for_each(|_| self.text().map(drop))
    }

    /// Parses the next column, which must not be empty.
    pub(super) fn value<T: FromStr>(&mut self) -> Result<T, String> {
        let text = self.text()?;
        text.parse().map_err(|_| self.wrong(&text))
    }

    /// Parses the next column; `None` where it is empty.
    pub(super) fn option<T: FromStr>(&mut self) -> Result<Option<T>, String> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| self.wrong(&text))
    }

    /// Parses the next column as one of longhaul's words.
    pub(super) fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let text = self.text()?;
        parse(&text).ok_or_else(|| self.wrong(&text))
    }
}

/// Splits the first field off a row, without its quotes.
fn split(row: &str) -> (Cow<'_, str>, Option<&str>) {
    // Rows are read byte by byte here: a search for a character costs more than most fields.
    let bytes = row.as_bytes();
    if bytes.first() != Some(&b'"') {
        return match bytes.iter().position(|byte| *byte == b',') {
            Some(end) => (Cow::Borrowed(&row[..end]), Some(&row[end + 1..])),
            None => (Cow::Borrowed(row), None),
        };
    }
    let mut field = String::with_capacity(row.len());
    let mut from = 1;
    while let Some(length) = bytes[from..].iter().position(|byte| *byte == b'"') {
        let end = from + length;
        field.push_str(&row[from..end]);
        match bytes.get(end + 1) {
            Some(b'"') => field.push('"'),
            Some(b',') => return (Cow::Owned(field), Some(&row[end + 2..])),
            _ => return (Cow::Owned(field), None),
        }
        from = end + 2;
    }
    field.push_str(&row[from..]);
    (Cow::Owned(field), None)
}
