//! A server's log as it comes: every line is looked at, whole bytes are handed
//! on, and who reads says every few seconds that he does. A line that never
//! ends is cut, so that it cannot fill the memory.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::handle::Voice;
use crate::escape::one_line;
use crate::fact::{Fact, LOG_LINES, Said, Source};
use crate::unit::At;

/// Bounds a line; what is beyond is not looked at.
const LINE_BYTES_MAX: usize = 16 << 10;
/// Bounds what a row keeps of a line.
const SAID_CHARS_MAX: usize = 400;
/// How often who reads says so.
const COVERAGE_US: u64 = 10_000_000;
/// How much is read at once.
const READ_BYTES: usize = 32 << 10;

/// Lines out of bytes, in whatever pieces they come.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    is_cut: bool,
}

impl Lines {
    /// Takes bytes, gives the lines that they end.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LINE_BYTES_MAX.saturating_sub(self.partial.len());
            self.is_cut |= text.len() > room;
            self.partial.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                lines.push(self.take());
            }
        }
        lines
    }

    /// The line that no end came for, at the end of everything.
    pub fn rest(&mut self) -> Option<String> {
        (!self.partial.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        self.is_cut = false;
        let line = String::from_utf8_lossy(&self.partial).trim_end_matches('\r').to_owned();
        self.partial.clear();
        line
    }
}

/// Whoever listens to a log. A clone listens to the same.
#[derive(Clone, Debug)]
pub struct Ear {
    voice: Voice,
    source: Source,
    lines: Rc<Cell<u64>>,
    /// Why nothing can be read, where that is so.
    blind: Rc<RefCell<Option<String>>>,
}

impl Ear {
    /// Listens for a source.
    pub fn new(voice: Voice, source: Source) -> Ear {
        Ear { voice, source, lines: Rc::default(), blind: Rc::default() }
    }

    /// Takes a line that came at an instant.
    pub async fn line(&self, at: At, line: &str) {
        self.lines.set(self.lines.get() + 1);
        if let Some(said) = said(self.source, line) {
            self.voice.say_at(at, Fact::Said(said)).await;
        }
    }

    /// Takes a line and hands it on as it is.
    pub async fn whole_line(&self, at: At, line: &str) {
        self.voice.log(Bytes::from(format!("{line}\n"))).await;
        self.line(at, line).await;
    }

    /// It reads, or it cannot and this is why.
    pub fn sees(&self, blind: Option<String>) {
        *self.blind.borrow_mut() = blind;
    }

    /// Reads a pipe to its end.
    pub async fn read(self, mut pipe: impl AsyncRead + Unpin) {
        let (mut lines, mut buffer) = (Lines::default(), vec![0; READ_BYTES]);
        // A pipe that breaks has ended.
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            let at = self.voice.timeline().now();
            self.voice.log(Bytes::copy_from_slice(&buffer[..read])).await;
            for line in lines.push(&buffer[..read]) {
                self.line(at, &line).await;
            }
        }
        if let Some(line) = lines.rest() {
            self.line(self.voice.timeline().now(), &line).await;
        }
    }

    /// Says every few seconds how many lines came, or why none could be read. For ever.
    pub async fn cover(self) {
        let timeline = self.voice.timeline();
        let mut due = timeline.now();
        loop {
            due = At(due.0 + COVERAGE_US);
            timeline.until(due).await;
            let blind = self.blind.borrow().clone();
            match blind {
                Some(why) => self.voice.missed(self.source, LOG_LINES, &why).await,
                None => {
                    let lines = self.lines.take() as f64;
                    self.voice.reading(self.source, LOG_LINES, lines).await;
                }
            }
        }
    }
}

/// What a line means, where it means something.
fn said(source: Source, line: &str) -> Option<Said> {
    let signature = classify(line)?;
    Some(Said {
        source,
        signature: signature.name.to_owned(),
        severity: signature.severity,
        line: one_line(line, SAID_CHARS_MAX),
    })
}

/// Until the table of signatures is there.
fn classify(_line: &str) -> Option<&'static crate::engine::signature::Signature> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_alike_however_the_bytes_were_cut() {
        let text = "one\r\ntwo\n\nthrée\nlast";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let pieces = text.as_bytes().chunks(size);
            let mut found: Vec<String> = pieces.flat_map(|piece| lines.push(piece)).collect();
            found.extend(lines.rest());
            assert_eq!(found, ["one", "two", "", "thrée", "last"], "{size}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_is_whole() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert!(lines.push(&[b'x'; 1000]).is_empty());
        }
        let found = lines.push(b"y\nnext\n");
        assert_eq!((found[0].len(), found[1].as_str()), (LINE_BYTES_MAX, "next"));
    }
}
