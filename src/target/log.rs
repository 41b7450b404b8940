//! A server's log as it comes: every line is looked at, whole bytes are handed
//! on, and who reads says every few seconds that he does. A line that never
//! ends is cut, so that it cannot fill the memory.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::handle::Voice;
use crate::engine::lines::LogReader;
use crate::engine::listener::{COUNT_US, Listener};
use crate::engine::signature::Log;
use crate::fact::{Fact, Source};
use crate::series::LOG_LINES;
use crate::unit::At;

/// Bounds a line; what is beyond is not looked at.
const LINE_BYTES_MAX: usize = 16 << 10;
/// How much is read at once.
const READ_BYTES: usize = 32 << 10;

/// Lines of another program's output, in whatever pieces they come, as they stand: an engine's
/// stamp belongs to a whole line, whatever carriage returns are in it.
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
    listener: Rc<RefCell<Listener>>,
    /// Why nothing can be read, where that is so.
    blind: Rc<RefCell<Option<String>>>,
}

impl Ear {
    /// Listens for a source.
    pub fn new(voice: Voice, source: Source) -> Ear {
        let listener = Rc::new(RefCell::new(Listener::new(Log::Server, source)));
        Ear { voice, source, listener, blind: Rc::default() }
    }

    /// Takes a line that came at an instant.
    async fn line(&self, at: At, line: &str) {
        let said = self.listener.borrow_mut().line(at, line);
        if let Some(said) = said {
            self.voice.say_at(at, Fact::Said(said)).await;
        }
    }

    /// Takes a line and hands it on as it is.
    pub async fn whole_line(&self, at: At, line: &str) {
        let line = format!("{line}\n");
        for line in LogReader::new().take(line.as_bytes()) {
            self.line(at, &line).await;
        }
        self.voice.log(Bytes::from(line)).await;
    }

    /// It reads, or it cannot and this is why.
    pub fn sees(&self, blind: Option<String>) {
        *self.blind.borrow_mut() = blind;
    }

    /// Reads a pipe to its end.
    pub async fn read(self, mut pipe: impl AsyncRead + Unpin) {
        let (mut reader, mut buffer) = (LogReader::new(), vec![0; READ_BYTES]);
        // A pipe that breaks has ended.
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            let at = self.voice.timeline().now();
            for line in reader.take(&buffer[..read]) {
                self.line(at, &line).await;
            }
            self.voice.log(Bytes::copy_from_slice(&buffer[..read])).await;
        }
        if let Some(line) = reader.end() {
            self.line(self.voice.timeline().now(), &line).await;
        }
    }

    /// Says every few seconds how many lines came, or why none could be read. For ever.
    pub async fn cover(self) {
        let timeline = self.voice.timeline();
        let mut due = timeline.now();
        loop {
            due = At(due.0 + COUNT_US);
            timeline.until(due).await;
            let blind = self.blind.borrow().clone();
            if let Some(why) = blind {
                self.voice.missed(self.source, LOG_LINES, &why).await;
                continue;
            }
            let counted = self.listener.borrow_mut().count(timeline.now());
            for fact in counted {
                self.voice.say(fact).await;
            }
        }
    }
}

/// Hands on the lines of a pipe.
pub async fn lines_of(mut pipe: impl AsyncRead + Unpin, out: mpsc::Sender<String>) {
    let (mut lines, mut buffer) = (Lines::default(), vec![0; 32 << 10]);
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        for line in lines.push(&buffer[..read]) {
            if out.send(line).await.is_err() {
                return;
            }
        }
    }
    if let Some(line) = lines.rest() {
        let _ = out.send(line).await;
    }
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
