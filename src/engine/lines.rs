//! Splits another program's output, in chunks of any size, into lines of bounded length. Lines of a
//! log lose their colours, and each redraw of a progress bar that returns to the beginning of its
//! line is a line of its own.

/// Limit of a line. Bytes beyond it are dropped and counted.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 10;

const ESCAPE: char = '\u{1b}';

/// Line, and the number of bytes that were dropped from its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub text: String,
    pub dropped_bytes: u64,
}

/// Splitter that keeps lines unchanged: an engine's stamp belongs to a whole line, including any
/// carriage returns in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// Line that has not ended.
    open: Vec<u8>,
    dropped_bytes: u64,
    /// Length of the open line at the last call of [`LogLines::resting`], and of the last line that
    /// it returned.
    rested: usize,
    returned: usize,
    /// Whether a carriage return ends a line too.
    ends_at_return: bool,
}

impl Lines {
    /// Adds bytes, and returns the lines that end in them.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<LogLine> {
        let mut lines = Vec::new();
        let at_return = self.ends_at_return;
        let is_end = |byte: &u8| *byte == b'\n' || at_return && *byte == b'\r';
        for piece in bytes.split_inclusive(is_end) {
            let ends = piece.last().is_some_and(is_end);
            let text = if ends { &piece[..piece.len() - 1] } else { piece };
            let room = LINE_BYTES_MAX - self.open.len();
            self.open.extend_from_slice(&text[..text.len().min(room)]);
            self.dropped_bytes += text.len().saturating_sub(room) as u64;
            if ends {
                lines.push(self.line());
            }
        }
        lines
    }

    /// Returns the unfinished line at the end of the input.
    pub(crate) fn end(&mut self) -> Option<LogLine> {
        (!self.open.is_empty()).then(|| self.line())
    }

    fn line(&mut self) -> LogLine {
        let line = self.unfinished();
        self.open.clear();
        (self.rested, self.returned) = (0, 0);
        line
    }

    fn unfinished(&mut self) -> LogLine {
        let text = String::from_utf8_lossy(&self.open).trim_end_matches('\r').to_owned();
        LogLine { text, dropped_bytes: std::mem::take(&mut self.dropped_bytes) }
    }
}

/// Splitter of log lines, without the terminal's escape sequences. Empty lines are dropped, unless
/// bytes were dropped from them.
#[derive(Clone, Debug)]
pub(crate) struct LogLines(Lines);

impl Default for LogLines {
    fn default() -> LogLines {
        LogLines(Lines { ends_at_return: true, ..Lines::default() })
    }
}

impl LogLines {
    /// Adds bytes, and returns the lines that end in them.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<LogLine> {
        self.0.feed(bytes).into_iter().filter_map(shown).collect()
    }

    /// Returns the unfinished line when the log ends or continues elsewhere.
    pub(crate) fn end(&mut self) -> Option<LogLine> {
        self.0.end().and_then(shown)
    }

    /// Returns a copy of the unfinished line once it has rested: if it has not grown since the last
    /// call, or cannot grow any more. Each text is returned once.
    pub(crate) fn resting(&mut self) -> Option<LogLine> {
        let length = self.0.open.len();
        let rests = length == std::mem::replace(&mut self.0.rested, length);
        let is_new = length != self.0.returned || self.0.dropped_bytes > 0;
        if length == 0 || !rests || !is_new {
            return None;
        }
        self.0.returned = length;
        shown(self.0.unfinished())
    }
}

fn shown(line: LogLine) -> Option<LogLine> {
    let line = LogLine { text: plain(line.text), ..line };
    Some(line).filter(|line| !line.text.is_empty() || line.dropped_bytes > 0)
}

/// Removes the terminal's escape sequences from a text: colours, movements, titles.
fn plain(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != ESCAPE {
            out.push(character);
            continue;
        }
        match rest.next() {
            // A control sequence ends with a letter or one of a few signs.
            Some('[') => {
                rest.find(|c| matches!(c, '\u{40}'..='\u{7e}'));
            }
            Some(']') => skip_command(&mut rest),
            _ => {}
        }
    }
    out
}

/// Skips a terminal command, which ends with a bell, or with an escape and a backslash.
fn skip_command(rest: &mut std::str::Chars) {
    if rest.find(|c| matches!(c, '\u{7}' | &ESCAPE)) == Some(ESCAPE) {
        rest.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = LogLines::default();
        let mut lines: Vec<LogLine> = pieces.iter().flat_map(|piece| reader.feed(piece)).collect();
        lines.extend(reader.end());
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn any_cut_of_the_bytes_gives_the_same_lines() {
        let bytes = "one\r\n\u{1b}[31mtwo é\u{1b}[0m\n\n  0%|a\r 50%|b\r100%|c\nlast".as_bytes();
        let whole = all(&[bytes]);
        assert_eq!(whole, ["one", "two é", "  0%|a", " 50%|b", "100%|c", "last"]);
        for cut in 0..bytes.len() {
            assert_eq!(all(&[&bytes[..cut], &bytes[cut..]]), whole, "{cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(all(&single), whole);
    }

    #[test]
    fn lines_as_they_stand_come_out_alike_however_the_bytes_were_cut() {
        let text = "one\r\ntwo\rtwo\n\nthrée\nlast";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let pieces = text.as_bytes().chunks(size);
            let mut found: Vec<LogLine> = pieces.flat_map(|piece| lines.feed(piece)).collect();
            found.extend(lines.end());
            let found: Vec<&str> = found.iter().map(|line| line.text.as_str()).collect();
            assert_eq!(found, ["one", "two\rtwo", "", "thrée", "last"], "{size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_what_is_lost_is_counted_once() {
        let mut reader = LogLines::default();
        for _ in 0..100 {
            assert!(reader.feed(&[b'a'; 1000]).is_empty());
        }
        let lines = reader.feed(b"\nnext\n");
        assert_eq!((lines[0].text.len(), lines[1].text.as_str()), (LINE_BYTES_MAX, "next"));
        let dropped: Vec<u64> = lines.iter().map(|line| line.dropped_bytes).collect();
        assert_eq!(dropped, [100_000 - LINE_BYTES_MAX as u64, 0]);
    }

    #[test]
    fn what_is_lost_of_a_line_of_escapes_alone_is_counted_too() {
        let mut reader = LogLines::default();
        let title = format!("\u{1b}]0;{}", "a".repeat(LINE_BYTES_MAX));
        assert!(reader.feed(title.as_bytes()).is_empty());
        assert_eq!(reader.resting(), None, "it may still grow");
        let resting = reader.resting().map(|line| line.dropped_bytes);
        reader.feed(b"bc");
        let dropped: Vec<u64> = reader.feed(b"\n").iter().map(|line| line.dropped_bytes).collect();
        assert_eq!((resting, dropped), (Some(4), vec![2]));
    }

    #[test]
    fn an_unfinished_line_is_returned_once_it_rests_and_again_once_it_has_grown() {
        let mut reader = LogLines::default();
        let mut resting = |bytes: &[u8]| {
            let ended = reader.feed(bytes).len();
            (ended, reader.resting().map(|line| line.text))
        };
        let text = |text: &str| (0, Some(text.to_owned()));
        assert_eq!(resting(b"CUDA error:"), (0, None), "it may still grow");
        assert_eq!(resting(b""), text("CUDA error:"));
        assert_eq!(resting(b""), (0, None));
        assert_eq!(resting(b" out of memory"), (0, None));
        assert_eq!(resting(b""), text("CUDA error: out of memory"));
        assert_eq!(resting(b"\n"), (1, None));
        assert_eq!(resting(b""), (0, None));
    }

    #[test]
    fn a_line_that_never_rests_is_returned_when_it_is_full() {
        let mut reader = LogLines::default();
        let mut returned = Vec::new();
        for _ in 0..20 {
            assert!(reader.feed(&[b'a'; 1000]).is_empty());
            returned.extend(reader.resting());
        }
        let sizes = returned.iter().map(|line| (line.text.len(), line.dropped_bytes));
        let sizes: Vec<(usize, u64)> = sizes.collect();
        assert_eq!(sizes, [(LINE_BYTES_MAX, 1616), (LINE_BYTES_MAX, 1000), (LINE_BYTES_MAX, 1000)]);
    }

    #[test]
    fn bytes_that_are_no_text_and_escapes_that_do_not_end_are_survived() {
        assert_eq!(all(&[b"\xff\xfeCUDA\xc3\n"]), ["\u{fffd}\u{fffd}CUDA\u{fffd}"]);
        assert_eq!(
            all(&[b"a\x1b[31\n", b"b\x1b]0;title\x07c\n", b"d\x1b]0;t\x1b\\e\x1b"]),
            ["a", "bc", "de"]
        );
        assert_eq!(all(&[b"\x1b[1;32mINFO\x1b[0m: x"]), ["INFO: x"]);
    }
}
