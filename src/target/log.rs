//! Reads a server's log: checks every line, passes on all bytes, and reports every few seconds that
//! the log is being read. A line that never ends is cut, so that it cannot fill the memory.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::handle::NewsSender;
use crate::engine::lines::{Lines, LogLines};
use crate::engine::listener::{COUNT_US, Listener};
use crate::engine::signature::LogSource;
use crate::fact::{Fact, Source};
use crate::series::MissedPart;
use crate::unit::At;

/// Size of one read.
const READ_BYTES: usize = 32 << 10;

/// Log listener. Clones share its state.
#[derive(Clone, Debug)]
pub(crate) struct LogReader {
    news: NewsSender,
    source: Source,
    listener: Rc<RefCell<Listener>>,
    blind: Rc<RefCell<ReadGap>>,
}

/// Reasons why the log cannot be read.
#[derive(Debug, Default)]
struct ReadGap {
    /// Reason at present, if any.
    now: Option<String>,
    /// Last reason since the last report, if any.
    lately: Option<String>,
}

impl ReadGap {
    /// Returns the reason to report, once for each time that it was set.
    fn told(&mut self) -> Option<String> {
        let lately = self.lately.take();
        self.lately.clone_from(&self.now);
        lately
    }
}

impl LogReader {
    /// Creates a listener of a source.
    pub(crate) fn new(news: NewsSender, source: Source) -> LogReader {
        let listener = Rc::new(RefCell::new(Listener::new(LogSource::Server, source)));
        LogReader { news, source, listener, blind: Rc::default() }
    }

    /// Checks a line that arrived at an instant.
    async fn line(&self, at: At, line: &str) {
        let said = self.listener.borrow_mut().line(at, line);
        if let Some(said) = said {
            self.news.say_at(at, Fact::Said(said)).await;
        }
    }

    /// Checks a line and passes its bytes on.
    pub(crate) async fn whole_line(&self, at: At, line: &str) {
        let line = format!("{line}\n");
        let mut reader = LogLines::default();
        for line in reader.feed(line.as_bytes()) {
            self.line(at, &line).await;
        }
        self.listener.borrow_mut().dropped(reader.dropped_bytes());
        self.news.log(Bytes::from(line)).await;
    }

    /// Sets whether the log is being read (`None`), or the reason why it is not.
    pub(crate) fn sees(&self, blind: Option<String>) {
        let mut known = self.blind.borrow_mut();
        if blind.is_some() {
            known.lately.clone_from(&blind);
        }
        known.now = blind;
    }

    /// Reads a pipe to its end.
    pub(crate) async fn read(self, mut pipe: impl AsyncRead + Unpin) {
        let (mut reader, mut buffer) = (LogLines::default(), vec![0; READ_BYTES]);
        // A pipe that fails is treated as one that ended.
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            let at = self.news.timeline().now();
            self.piece(&mut reader, at, Bytes::copy_from_slice(&buffer[..read])).await;
        }
        self.line_ends(&mut reader).await;
    }

    /// Checks the lines that end in a piece of the log, and passes its bytes on.
    pub(super) async fn piece(&self, reader: &mut LogLines, at: At, bytes: Bytes) {
        for line in reader.feed(&bytes) {
            self.line(at, &line).await;
        }
        self.listener.borrow_mut().dropped(reader.dropped_bytes());
        self.news.log(bytes).await;
    }

    /// Checks the unfinished line of a log that ends, or goes on elsewhere.
    pub(super) async fn line_ends(&self, reader: &mut LogLines) {
        if let Some(line) = reader.end() {
            self.line(self.news.timeline().now(), &line).await;
        }
    }

    /// Reports every few seconds how many lines came, or why the log was not read all the time.
    /// Never returns.
    pub(crate) async fn cover(self) {
        let timeline = self.news.timeline();
        let mut due = timeline.now();
        loop {
            due = At(due.0 + COUNT_US);
            timeline.until(due).await;
            let blind = self.blind.borrow_mut().told();
            if let Some(why) = blind {
                self.news.missed(self.source, MissedPart::Log, &why).await;
                continue;
            }
            let counted = self.listener.borrow_mut().count(timeline.now());
            for fact in counted {
                self.news.say(fact).await;
            }
        }
    }
}

/// Sends the lines of a pipe to a channel.
pub(super) async fn lines_of(mut pipe: impl AsyncRead + Unpin, out: mpsc::Sender<String>) {
    let (mut lines, mut buffer) = (Lines::default(), vec![0; READ_BYTES]);
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        for line in lines.feed(&buffer[..read]) {
            if out.send(line).await.is_err() {
                return;
            }
        }
    }
    if let Some(line) = lines.end() {
        let _ = out.send(line).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::LOG_DROPPED;
    use crate::target::handle;
    use crate::timeline::Timeline;

    #[tokio::test]
    async fn what_is_left_out_of_a_line_that_never_ends_is_counted() {
        let read = |_, news| async move {
            let log = LogReader::new(news, Source::Process);
            log.clone().read("a".repeat(20_000).as_bytes()).await;
            let counted = log.listener.borrow_mut().count(At(1));
            let dropped = counted.iter().find_map(|fact| match fact {
                Fact::Reading(reading) if reading.name == LOG_DROPPED => Some(reading.last),
                _ => None,
            });
            assert_eq!(dropped, Some(20_000.0 - f64::from(16 << 10)));
            None
        };
        let local = tokio::task::LocalSet::new();
        local.run_until(async { handle::spawn(Timeline::start(), read).task.await }).await.unwrap();
    }

    #[test]
    fn a_log_that_was_not_read_for_a_moment_was_not_read_in_that_interval() {
        let mut blind = ReadGap::default();
        assert_eq!(blind.told(), None);
        let why = || Some("gone".to_owned());
        blind = ReadGap { now: None, lately: why() };
        assert_eq!((blind.told(), blind.told()), (why(), None), "it is back");
        blind = ReadGap { now: why(), lately: why() };
        assert_eq!((blind.told(), blind.told()), (why(), why()), "it is not back");
    }
}
