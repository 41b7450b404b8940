//! Parses server-sent events as the bytes arrive: any cut between two reads, any of the three line
//! ends, comments, several data lines (WHATWG HTML 9.2.6).
//!
//! Ids and times for a retry are skipped. A line that is not a field of the format is kept, since it
//! shows what was sent instead.

use std::fmt;

/// Limit of one line and of one event: bounds the memory for a line that never ends. Real first
/// frames reach several MiB, where token ids of a deep prompt are echoed.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 20;

/// Largest buffer that is kept for the next line or event, bytes. One long event would otherwise take
/// its memory until the answer ends.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// Bytes kept of the first line that is not an event stream; less of it is shown.
const FOREIGN_BYTES_MAX: usize = 4 << 10;

/// Bytes kept of an event's name: all names in use are shorter.
const NAME_BYTES_MAX: usize = 64;

/// Longest data of a keep-alive, bytes.
const KEEP_ALIVE_BYTES_MAX: usize = 32;

/// Words that servers and proxies send as data to keep a connection alive, without punctuation.
const KEEP_ALIVE: [&str; 6] = ["", "null", "ping", "pong", "keepalive", "heartbeat"];

/// Event that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// Name, empty for most.
    pub name: &'a str,
    pub data: &'a str,
}

impl Event<'_> {
    /// Returns an event without a name.
    #[cfg(test)]
    pub(crate) fn unnamed(data: &str) -> Event<'_> {
        Event { name: "", data }
    }

    /// Whether its name says that its data is an error.
    pub(crate) fn is_error(&self) -> bool {
        self.name.to_ascii_lowercase().contains("error")
    }

    /// Whether it only keeps the connection alive: no data, one of the words in use for that, or
    /// data under a name of its own that is not an object.
    pub(crate) fn is_keep_alive(&self) -> bool {
        let data = self.data.trim();
        if data.len() <= KEEP_ALIVE_BYTES_MAX {
            let letters = data.chars().filter(|character| character.is_alphanumeric());
            let word = letters.collect::<String>().to_ascii_lowercase();
            if KEEP_ALIVE.contains(&&*word) {
                return true;
            }
        }
        let is_other = !matches!(self.name, "" | "message" | "data") && !self.is_error();
        is_other && !data.starts_with(['{', '['])
    }
}

/// Error of bytes that are no event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SseError {
    /// A line or an event longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// Data that is not UTF-8.
    NotUtf8,
}

impl fmt::Display for SseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SseError::TooLong => write!(f, "an event longer than {} MiB", LINE_BYTES_MAX >> 20),
            SseError::NotUtf8 => f.write_str("data that is not UTF-8"),
        }
    }
}

/// Parser of a stream, fed in pieces.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// Beginning of a line whose end has not arrived.
    line: Vec<u8>,
    /// Data of an event whose end has not arrived; the buffer is reused.
    data: Vec<u8>,
    has_data: bool,
    /// Name of that event.
    name: String,
    after_cr: bool,
    past_first_line: bool,
    foreign: Option<Vec<u8>>,
    frames: u64,
}

impl Parser {
    /// Parses more bytes and passes each completed event to `take`.
    ///
    /// # Errors
    /// The bytes are no event stream. Events before the error have been passed on; nothing more may
    /// be fed after it.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(Event<'_>),
    ) -> Result<(), SseError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.keep(rest);
            };
            self.after_cr = rest[end] == b'\r';
            if self.line.is_empty() {
                self.parse_line(&rest[..end], &mut take)?;
            } else {
                self.keep(&rest[..end])?;
                let mut line = std::mem::take(&mut self.line);
                self.parse_line(&line, &mut take)?;
                reuse(&mut line);
                self.line = line;
            }
            rest = &rest[end + 1..];
        }
        Ok(())
    }

    /// Passes on the event that the end of the stream left open, if there is one. The format
    /// requires to drop it, but some servers omit the last blank line, so the caller decides.
    pub(crate) fn left_over(&mut self, mut take: impl FnMut(Event<'_>)) {
        // A field name that was cut off is ignored.
        let line = std::mem::take(&mut self.line);
        if line.starts_with(b"data:") && self.parse_line(&line, &mut take).is_err() {
            return;
        }
        // Bytes that are no text are no event either.
        let _ = self.dispatch(&mut take);
    }

    /// Returns the beginning of the first line that is not a field of an event stream, such as an HTML
    /// page or a plain JSON object.
    pub(crate) fn foreign(&self) -> Option<&[u8]> {
        let open = Some(self.line.as_slice())
            .filter(|line| !self.past_first_line && !line.is_empty() && !line.starts_with(b"data"));
        self.foreign.as_deref().or(open)
    }

    /// Returns the number of events and comments so far, and of lines that are neither.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Returns the number of bytes of the event and the line whose ends have not arrived.
    pub(crate) fn open_bytes(&self) -> u64 {
        (self.line.len() + self.data.len()) as u64
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), SseError> {
        if self.line.len() + part.len() > LINE_BYTES_MAX {
            return Err(SseError::TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn parse_line(
        &mut self,
        line: &[u8],
        take: &mut impl FnMut(Event<'_>),
    ) -> Result<(), SseError> {
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(after_mark) if !self.past_first_line => after_mark,
            _ => line,
        };
        self.past_first_line = true;
        if line.is_empty() {
            return self.dispatch(take);
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        match &line[..colon] {
            b"id" | b"retry" => {}
            // A comment, sent to keep a connection alive.
            b"" => self.frames += 1,
            b"event" => {
                let name = &value[..value.len().min(NAME_BYTES_MAX)];
                String::from_utf8_lossy(name).trim().clone_into(&mut self.name);
            }
            // llama.cpp once wrote `error:` in place of a data line.
            field @ (b"data" | b"error") => {
                let value = value.strip_prefix(b" ").unwrap_or(value);
                if field == b"error" {
                    "error".clone_into(&mut self.name);
                }
                if self.data.len() + value.len() + 1 > LINE_BYTES_MAX {
                    return Err(SseError::TooLong);
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            _ => {
                self.frames += 1;
                let beginning = &line[..line.len().min(FOREIGN_BYTES_MAX)];
                self.foreign.get_or_insert_with(|| beginning.to_vec());
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, take: &mut impl FnMut(Event<'_>)) -> Result<(), SseError> {
        if std::mem::take(&mut self.has_data) {
            self.frames += 1;
            let data = std::str::from_utf8(&self.data).map_err(|_| SseError::NotUtf8)?;
            take(Event { name: &self.name, data });
            reuse(&mut self.data);
        }
        // A name without data is dropped with its event.
        self.name.clear();
        Ok(())
    }
}

/// Empties a buffer, and frees it if it is large.
fn reuse(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(BUFFER_BYTES_MAX);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(parts: &[&[u8]]) -> (Vec<String>, Result<(), SseError>) {
        let mut parser = Parser::default();
        let mut frames = Vec::new();
        for part in parts {
            if let Err(wrong) = parser.feed(part, |event| frames.push(event.data.to_owned())) {
                return (frames, Err(wrong));
            }
        }
        (frames, Ok(()))
    }

    #[test]
    fn every_line_end_ends_a_line_and_a_pair_ends_one_only() {
        for text in
            ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"]
        {
            assert_eq!(frames(&[text.as_bytes()]).0, ["a", "b"], "{text:?}");
        }
    }

    #[test]
    fn an_event_has_the_name_that_stands_with_it_and_no_other() {
        let text = "event: error\ndata: a\n\ndata: b\n\nevent: x\n\ndata: c\n\nerror: d\n\n";
        let mut seen = Vec::new();
        let mut take = |event: Event<'_>| seen.push(format!("{}/{}", event.name, event.data));
        Parser::default().feed(text.as_bytes(), &mut take).unwrap();
        assert_eq!(seen, ["error/a", "/b", "/c", "error/d"]);
    }

    #[test]
    fn what_keeps_a_connection_alive_is_told_from_an_answer_and_from_an_error() {
        let alive = [
            ("", ""),
            ("", " "),
            ("ping", ""),
            ("", "ping"),
            ("", "[PING]"),
            ("", ": keep-alive"),
            ("", "null"),
            ("", "{}"),
            ("heartbeat", "2026-01-01 00:00:00"),
        ];
        for (name, data) in alive {
            assert!(Event { name, data }.is_keep_alive(), "{name} {data}");
        }
        for (name, data) in [
            ("", "{\"a\":1}"),
            ("ping", "{\"a\":1}"),
            ("", "[DONE]"),
            ("error", "out of memory"),
            ("", "upstream died"),
        ] {
            assert!(!Event { name, data }.is_keep_alive(), "{name} {data}");
        }
    }

    #[test]
    fn comments_names_and_ids_are_read_over_and_data_lines_are_joined() {
        let text = "\u{feff}: keep-alive\n\nevent: x\nid: 7\ndata: one\ndata:two\ndata\n\n:\n\n";
        assert_eq!(frames(&[text.as_bytes()]).0, ["one\ntwo\n"]);
    }

    #[test]
    fn a_character_cut_in_half_between_reads_is_whole_again_and_a_broken_one_is_told() {
        let text = "data: É\n\n".as_bytes();
        assert_eq!(frames(&[&text[..7], &text[7..]]).0, ["É"]);
        let (before, wrong) = frames(&[b"data: a\n\ndata: \xff\xfe\n\n"]);
        assert_eq!((before, wrong), (vec!["a".to_owned()], Err(SseError::NotUtf8)));
    }

    #[test]
    fn a_line_of_many_megabytes_is_taken_and_an_endless_one_is_not() {
        let megabyte = vec![b'x'; 1 << 20];
        let mut parser = Parser::default();
        let mut length = 0;
        parser.feed(b"data: ", |_| ()).unwrap();
        for _ in 0..15 {
            parser.feed(&megabyte, |_| ()).unwrap();
        }
        parser.feed(b"\n\n", |event| length = event.data.len()).unwrap();
        assert_eq!((length, parser.open_bytes()), (15 << 20, 0));
        assert!(parser.line.capacity() + parser.data.capacity() <= 2 * BUFFER_BYTES_MAX);
        let endless: Vec<&[u8]> = vec![&megabyte; 17];
        assert_eq!(frames(&endless).1, Err(SseError::TooLong));
    }

    #[test]
    fn an_event_that_the_end_left_open_can_be_had_and_a_page_is_recognised() {
        let mut parser = Parser::default();
        parser.feed(b"data: a\n\ndata: {\"b\"", |_| ()).unwrap();
        let mut open = Vec::new();
        parser.left_over(|event| open.push(event.data.to_owned()));
        assert_eq!(open, ["{\"b\""]);
        assert_eq!(parser.foreign(), None);
        let mut page = Parser::default();
        page.feed(b"<html>\n<title>Bad", |_| ()).unwrap();
        assert_eq!(page.foreign(), Some(b"<html>".as_slice()));
        let mut object = Parser::default();
        object.feed(b"{\"id\":1}", |_| ()).unwrap();
        assert_eq!(object.foreign(), Some(b"{\"id\":1}".as_slice()));
    }

    proptest! {
        #[test]
        fn any_chunking_of_the_same_bytes_gives_the_same_frames(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("data: {\"a\":1}".as_bytes().to_vec()), Just(b"data:".to_vec()),
                    Just(b": hm".to_vec()), Just(Vec::new()), Just("data: É ☃".as_bytes().to_vec()),
                    Just(b"data: \xff".to_vec()), Just(b"<p>".to_vec()), Just(b"event: e".to_vec()),
                ], 0..12),
            ends in proptest::collection::vec(0usize..3, 12),
            cuts in proptest::collection::vec(1usize..9, 1..60),
        ) {
            let mut bytes = Vec::new();
            for (line, end) in lines.iter().zip(&ends) {
                bytes.extend_from_slice(line);
                bytes.extend_from_slice([b"\n".as_slice(), b"\r\n", b"\r"][*end]);
            }
            let mut parts = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (part, after) = rest.split_at((*cut).min(rest.len()));
                parts.push(part);
                rest = after;
            }
            prop_assert_eq!(frames(&parts), frames(&[&bytes]));
        }
    }
}
