//! Reads a server's log: checks every line, passes on its bytes, and reports every few seconds that
//! the log is being read. A line that never ends is cut, so that it cannot fill the memory. All of
//! it runs in a thread of its own ([`LogThread`]).

mod kept;
mod thread;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;

use super::handle::NewsSender;
use crate::engine::lines::{Lines, LogLine, LogLines};
use crate::engine::listener::{COUNT_US, Listener};
use crate::engine::signature::LogSource;
use crate::fact::{Fact, Source};
use crate::series::MissedPart;
use crate::unit::At;
use kept::KeptOutput;
pub(super) use thread::LogThread;

/// Size of one read.
const READ_BYTES: usize = 64 << 10;
/// Interval at which unfinished lines are checked, and what was read is passed on.
pub(super) const TICK_US: u64 = 200_000;

/// Log listener. Clones share its state.
#[derive(Clone, Debug)]
pub(crate) struct LogReader {
    news: NewsSender,
    source: Source,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    listener: Listener,
    blind: ReadGap,
    kept: KeptOutput,
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
    fn reported(&mut self) -> Option<String> {
        let lately = self.lately.take();
        self.lately.clone_from(&self.now);
        lately
    }
}

impl LogReader {
    /// Creates a listener of a source.
    pub(crate) fn new(news: NewsSender, source: Source) -> LogReader {
        let listener = Listener::new(LogSource::Server, source);
        let kept = KeptOutput::new(news.timeline().now());
        let state = State { listener, blind: ReadGap::default(), kept };
        LogReader { news, source, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks a line that arrived at an instant.
    async fn line(&self, at: At, line: &LogLine) {
        let said = self.state().listener.cut_line(at, line);
        if let Some(said) = said {
            self.news.say_at(at, Fact::Said(said)).await;
        }
    }

    /// Keeps bytes for the run folder.
    async fn keep(&self, at: At, bytes: &[u8]) {
        let piece = self.state().kept.add(at, bytes);
        if let Some(piece) = piece {
            self.news.log(piece).await;
        }
    }

    /// Passes on the bytes that were kept so far.
    async fn pass_on(&self) {
        let piece = self.state().kept.flush();
        if let Some(piece) = piece {
            self.news.log(piece).await;
        }
    }

    /// Checks a line and keeps its bytes.
    pub(crate) async fn whole_line(&self, at: At, line: &str, dropped_bytes: u64) {
        let text = format!("{line}\n");
        let mut lines = LogLines::default().feed(text.as_bytes());
        match lines.last_mut() {
            Some(last) => last.dropped_bytes += dropped_bytes,
            None if dropped_bytes > 0 => lines.push(LogLine { text: String::new(), dropped_bytes }),
            None => {}
        }
        for line in lines {
            self.line(at, &line).await;
        }
        self.keep(at, text.as_bytes()).await;
    }

    /// Sets whether the log is being read (`None`), or the reason why it is not.
    pub(crate) fn sees(&self, blind: Option<String>) {
        let known = &mut self.state().blind;
        if blind.is_some() {
            known.lately.clone_from(&blind);
        }
        known.now = blind;
    }

    /// Reads a pipe of a child to its end.
    pub(crate) async fn read_fd(self, pipe: std::io::Result<OwnedFd>) {
        match pipe.and_then(Receiver::from_owned_fd) {
            Ok(pipe) => self.read(pipe).await,
            Err(why) => self.sees(Some(format!("its output cannot be read: {why}"))),
        }
    }

    /// Reads a pipe to its end.
    pub(crate) async fn read(self, mut pipe: impl AsyncRead + Unpin) {
        let (timeline, mut reader) = (self.news.timeline(), LogLines::default());
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let tick = At(timeline.now().0 + TICK_US);
            match timeline.before(tick, pipe.read(&mut buffer)).await {
                Some(Ok(read @ 1..)) => {
                    self.piece(&mut reader, timeline.now(), &buffer[..read]).await;
                }
                None => self.rests(&mut reader).await,
                // A pipe that fails is treated as one that ended.
                Some(Ok(0) | Err(_)) => break,
            }
        }
        self.line_ends(&mut reader).await;
        self.pass_on().await;
    }

    /// Checks the lines that end in a piece of the log, and keeps its bytes.
    pub(super) async fn piece(&self, reader: &mut LogLines, at: At, bytes: &[u8]) {
        for line in reader.feed(bytes) {
            self.line(at, &line).await;
        }
        self.keep(at, bytes).await;
    }

    /// Checks the unfinished line of a log from which nothing comes at the moment: it may be the
    /// last one. A line with a signature ends there.
    pub(super) async fn rests(&self, reader: &mut LogLines) {
        let Some(line) = reader.resting() else { return };
        let has_signature = self.state().listener.has_signature(&line);
        if has_signature {
            reader.end();
            let line = LogLine { dropped_bytes: 0, ..line };
            self.line(self.news.timeline().now(), &line).await;
        }
    }

    /// Checks the unfinished line of a log that ends, or goes on elsewhere.
    pub(super) async fn line_ends(&self, reader: &mut LogLines) {
        if let Some(line) = reader.end() {
            self.line(self.news.timeline().now(), &line).await;
        }
    }

    /// Reports every few seconds how many lines came, or why the log was not read all the time. The
    /// first reason and the first dropped bytes of an interval are reported at once, as the run may
    /// end before the interval does. Never returns.
    pub(crate) async fn cover(self) {
        let timeline = self.news.timeline();
        let mut due = At(timeline.now().0 + COUNT_US);
        let mut is_told = false;
        loop {
            timeline.until(due.min(At(timeline.now().0 + TICK_US))).await;
            self.pass_on().await;
            let is_due = timeline.now() >= due;
            let is_urgent = {
                let state = self.state();
                state.blind.lately.is_some() || state.listener.has_dropped()
            };
            if is_due || is_urgent && !is_told {
                self.report().await;
            }
            is_told = !is_due && (is_told || is_urgent);
            if is_due {
                due = At(due.0 + COUNT_US);
            }
        }
    }

    /// Reports the lines since the last report, or the reason why not all were read.
    async fn report(&self) {
        let (blind, counted) = {
            let mut state = self.state();
            let blind = state.blind.reported();
            let is_read = blind.is_none() || state.listener.has_dropped();
            let counted = is_read.then(|| state.listener.count(self.news.timeline().now()));
            (blind, counted.unwrap_or_default())
        };
        for fact in counted {
            self.news.say(fact).await;
        }
        if let Some(why) = blind {
            self.news.missed(self.source, MissedPart::Log, &why).await;
        }
    }
}

/// Sends the lines of a pipe to a channel.
pub(super) async fn lines_of(mut pipe: impl AsyncRead + Unpin, out: mpsc::Sender<LogLine>) {
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
    use crate::world::News;

    /// Returns the facts that a log says, and the bytes that it passes on.
    async fn heard(pieces: &'static [&'static str], rests: bool) -> (Vec<Fact>, String) {
        let read = move |_, news| async move {
            let log = LogReader::new(news, Source::Process);
            let mut reader = LogLines::default();
            for piece in pieces {
                log.piece(&mut reader, At(1), piece.as_bytes()).await;
                if rests {
                    log.rests(&mut reader).await;
                    log.rests(&mut reader).await;
                }
            }
            log.report().await;
            log.pass_on().await;
            None
        };
        let local = tokio::task::LocalSet::new();
        let run = async {
            let mut started = handle::spawn(Timeline::start(), read);
            assert_eq!((&mut started.task).await.ok(), Some(None));
            handle::heard(&mut started.handle)
        };
        let (mut facts, mut log) = (Vec::new(), String::new());
        for news in local.run_until(run).await {
            match news {
                News::Fact(_, fact) => facts.push(fact),
                News::Log(bytes) => log += &String::from_utf8_lossy(&bytes),
                News::Contained(_) => {}
            }
        }
        (facts, log)
    }

    fn signatures(facts: &[Fact]) -> Vec<&str> {
        let said = facts.iter().filter_map(|fact| match fact {
            Fact::Said(said) => Some(said.signature.as_str()),
            _ => None,
        });
        said.collect()
    }

    #[tokio::test]
    async fn the_last_line_of_a_server_that_died_within_it_is_checked_once() {
        let pieces =
            &["INFO start\nCUDA err", "or: out of memory", "\nCUDA error: out of memory\n"];
        let (facts, log) = heard(pieces, true).await;
        assert_eq!(signatures(&facts), ["cuda_error_oom"; 2]);
        assert_eq!(log, pieces.concat());
        let (facts, _) = heard(&["CUDA error: out of memory"], true).await;
        assert_eq!(signatures(&facts), ["cuda_error_oom"]);
        let (facts, _) = heard(&["CUDA error: out of memory"], false).await;
        assert_eq!(signatures(&facts), [""; 0], "it may still grow");
    }

    #[tokio::test]
    async fn what_is_left_out_of_a_line_that_never_ends_is_counted() {
        let read = |_, news| async move {
            let log = LogReader::new(news, Source::Process);
            log.clone().read("a".repeat(20_000).as_bytes()).await;
            let counted = log.state().listener.count(At(1));
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

    #[tokio::test]
    async fn what_an_engine_left_out_of_a_line_without_a_text_is_counted() {
        let read = |_, news| async move {
            let log = LogReader::new(news, Source::Process);
            log.whole_line(At(1), "\u{1b}[0m", 7).await;
            assert!(log.state().listener.has_dropped());
            None
        };
        let local = tokio::task::LocalSet::new();
        local.run_until(async { handle::spawn(Timeline::start(), read).task.await }).await.unwrap();
    }

    #[test]
    fn a_log_that_was_not_read_for_a_moment_was_not_read_in_that_interval() {
        let mut blind = ReadGap::default();
        assert_eq!(blind.reported(), None);
        let why = || Some("gone".to_owned());
        blind = ReadGap { now: None, lately: why() };
        assert_eq!((blind.reported(), blind.reported()), (why(), None), "it is back");
        blind = ReadGap { now: why(), lately: why() };
        assert_eq!((blind.reported(), blind.reported()), (why(), why()), "it is not back");
    }
}
