//! Reads the whole lines of a file: those with a valid checksum.

use std::io::{self, BufRead, Read as _};

use crate::fact::row::{LINE_BYTES_MAX, is_whole};

/// Counts of what was not whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineTally {
    /// Bytes at the file's end that hold no whole line.
    pub(super) torn_bytes: u64,
    /// Lines that are not whole and are followed by whole ones.
    pub(super) damaged_rows: u64,
}

/// Bad lines that are torn or damaged, depending on what follows them.
#[derive(Default)]
struct BadLines {
    bytes: u64,
    rows: u64,
}

/// Reader of whole lines; skips the header, and skips and counts damaged lines.
pub(super) struct WholeLines<R> {
    source: R,
    line: Vec<u8>,
    header: bool,
    bad: BadLines,
    tally: LineTally,
    /// CRC-32 of the bytes that were read, up to the end of the sealed part of the file.
    crc: crc32fast::Hasher,
    /// Bytes of that part that are not read yet.
    sealed: u64,
}

impl<R: BufRead> WholeLines<R> {
    /// Creates a reader of a file whose first `sealed` bytes have a checksum.
    pub(super) fn new(source: R, sealed: u64) -> WholeLines<R> {
        WholeLines {
            source,
            line: Vec::new(),
            header: true,
            bad: BadLines::default(),
            tally: LineTally::default(),
            crc: crc32fast::Hasher::new(),
            sealed,
        }
    }

    /// Returns the CRC-32 of the sealed part of the file, 8 hexadecimal digits, complete once the
    /// end has been reached.
    pub(super) fn crc(&self) -> String {
        format!("{:08x}", self.crc.clone().finalize())
    }

    /// Returns the counts, complete once the end has been reached.
    pub(super) fn tally(&self) -> LineTally {
        self.tally
    }

    /// Reads the next whole line, with its line end; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let mut in_bad_line = false;
        loop {
            self.line.clear();
            let mut piece = (&mut self.source).take(LINE_BYTES_MAX as u64);
            let bytes = piece.read_until(b'\n', &mut self.line)?;
            let sealed = self.sealed.min(bytes as u64);
            self.crc.update(self.line.get(..sealed as usize).unwrap_or_default());
            self.sealed -= sealed;
            if bytes == 0 {
                // No whole line followed: it is the torn end of the file.
                self.tally.torn_bytes += std::mem::take(&mut self.bad).bytes;
                return Ok(None);
            }
            let ended = self.line.ends_with(b"\n");
            if std::mem::take(&mut self.header) && ended && self.line.starts_with(b"seq,") {
                continue;
            }
            if ended && !in_bad_line && is_whole(&self.line) {
                self.tally.damaged_rows += std::mem::take(&mut self.bad).rows;
                return Ok(Some(&self.line));
            }
            self.bad.bytes += bytes as u64;
            self.bad.rows += u64::from(!in_bad_line);
            // A piece without a line end continues in the next read, or the file ends.
            in_bad_line = !ended;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(text: &str) -> String {
        format!("{text},{:08x}\n", crc32fast::hash(text.as_bytes()))
    }

    fn read(text: &[u8]) -> (String, LineTally) {
        let mut lines = WholeLines::new(text, 0);
        let mut out = String::new();
        while let Some(line) = lines.next().unwrap() {
            out.push_str(std::str::from_utf8(line).unwrap());
        }
        (out, lines.tally())
    }

    #[test]
    fn a_bad_line_is_damaged_in_the_middle_and_torn_at_the_end() {
        let (one, two) = (sealed("1,a"), sealed("2,b"));
        let text = format!("seq,crc\n{one}1,x,00000000\nnothing\n{two}3,c,0000");
        let (whole, tally) = read(text.as_bytes());
        assert_eq!(whole, format!("{one}{two}"));
        assert_eq!(tally, LineTally { torn_bytes: 8, damaged_rows: 2 });
    }

    #[test]
    fn an_end_full_of_nuls_is_torn_and_takes_no_memory() {
        let one = sealed("1,a");
        let mut text = one.clone().into_bytes();
        text.resize(one.len() + 3 * LINE_BYTES_MAX, 0);
        let mut lines = WholeLines::new(text.as_slice(), 0);
        assert_eq!(lines.next().unwrap(), Some(one.as_bytes()));
        assert_eq!(lines.next().unwrap(), None);
        let tally = lines.tally();
        assert_eq!(tally.torn_bytes, 3 * LINE_BYTES_MAX as u64);
        assert!(lines.line.capacity() <= 2 * LINE_BYTES_MAX);
    }

    #[test]
    fn a_line_without_its_end_is_not_taken_even_if_its_checksum_is_right() {
        let one = sealed("1,a");
        let (whole, tally) = read(one.trim_end().as_bytes());
        assert_eq!(whole, "");
        assert_eq!(tally.torn_bytes, one.len() as u64 - 1);
    }
}
