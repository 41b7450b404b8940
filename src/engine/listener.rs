//! Classifies the lines of a log and counts them. A line that comes a thousand times is written a
//! few times a minute and only counted beyond that, so that a log that runs away cannot fill the
//! journal.
//!
//! Knows no clock: the caller supplies the time of each line.

use std::collections::BTreeMap;

use super::lines::LogLine;
use super::signature::{LogSource, Meaning, Signature, classify, is_echo};
use crate::fact::{Fact, Reading, SignatureMatch, Source};
use crate::series::{LOG_DROPPED, LOG_LINES, LOG_REPEATS};
use crate::unit::At;

/// Interval of the count, in microseconds.
pub(crate) const COUNT_US: u64 = 10_000_000;
/// Limit of the lines of one signature that are written within one [`WINDOW_US`].
const WRITTEN_MAX: u64 = 5;
/// The same for lines that each tell another setting.
const SETTINGS_MAX: u64 = 64;
const WINDOW_US: u64 = 60_000_000;

/// Listener of one log.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    log: LogSource,
    source: Source,
    lines: u64,
    dropped_bytes: u64,
    windows: BTreeMap<&'static str, Window>,
    counted: Option<At>,
}

/// Window of a minute over one signature's lines, from its first line on.
#[derive(Clone, Copy, Debug)]
struct Window {
    began: At,
    written: u64,
    repeats: u64,
    /// Time at which repeats were last reported.
    reported: At,
}

impl Listener {
    /// Creates a listener of a log that this source reads.
    pub(crate) fn new(log: LogSource, source: Source) -> Listener {
        Listener {
            log,
            source,
            lines: 0,
            dropped_bytes: 0,
            windows: BTreeMap::new(),
            counted: None,
        }
    }

    /// Checks a line that arrived at `at`, and returns what is written of it at once, without
    /// waiting for the count.
    pub(crate) fn line(&mut self, at: At, line: &str) -> Option<SignatureMatch> {
        self.lines += 1;
        let signature = classify(self.log, line)?;
        self.is_written(at, signature).then(|| self.said(signature, line))
    }

    /// Checks a line of a log that may have been cut, as [`Listener::line`] does.
    pub(crate) fn cut_line(&mut self, at: At, line: &LogLine) -> Option<SignatureMatch> {
        self.dropped(line);
        self.line(at, &line.text)
    }

    /// Whether a line that may still grow has a signature already. Such a line is not counted, but
    /// what was dropped of it is.
    pub(crate) fn has_signature(&mut self, line: &LogLine) -> bool {
        self.dropped(line);
        classify(self.log, &line.text).is_some()
    }

    /// Counts the bytes that were dropped from the end of a line. A client's text is not searched
    /// anyway, and a logged request may be long.
    fn dropped(&mut self, line: &LogLine) {
        if line.dropped_bytes > 0 && !is_echo(self.log, &line.text) {
            self.dropped_bytes += line.dropped_bytes;
        }
    }

    /// Whether bytes were dropped since the last count.
    pub(crate) fn has_dropped(&self) -> bool {
        self.dropped_bytes > 0
    }

    fn said(&self, signature: &Signature, line: &str) -> SignatureMatch {
        SignatureMatch {
            source: self.source,
            signature: signature.name.to_owned(),
            severity: signature.severity,
            line: line.to_owned(),
            whose: None,
        }
    }

    /// Whether another line of a signature is written. Lines held back are reported with a later
    /// count.
    fn is_written(&mut self, at: At, signature: &Signature) -> bool {
        let most = if signature.meaning == Meaning::Setting { SETTINGS_MAX } else { WRITTEN_MAX };
        let first = Window { began: at, written: 0, repeats: 0, reported: at };
        let window = self.windows.entry(signature.name).or_insert(first);
        if at.since(window.began) >= WINDOW_US {
            (window.began, window.written) = (at, 0);
        }
        let is_written = window.written < most;
        if is_written {
            window.written += 1;
        } else {
            window.repeats += 1;
        }
        is_written
    }

    /// Returns the time of the next count; before the first count, now.
    pub(crate) fn due(&self) -> At {
        self.counted.map_or(At::ZERO, |counted| At(counted.0.saturating_add(COUNT_US)))
    }

    /// Counts the lines since the last count, even if there were none, and reports those held back.
    pub(crate) fn count(&mut self, at: At) -> Vec<Fact> {
        self.counted = Some(at);
        let lines = std::mem::take(&mut self.lines);
        let mut reported = vec![self.reading("", LOG_LINES, lines)];
        let dropped = std::mem::take(&mut self.dropped_bytes);
        if dropped > 0 {
            reported.push(self.reading("", LOG_DROPPED, dropped));
        }
        let due = |window: &Window| window.repeats > 0 && at.since(window.reported) >= WINDOW_US;
        for (name, window) in self.windows.iter().filter(|(_, window)| due(window)) {
            reported.push(self.reading(name, LOG_REPEATS, window.repeats));
        }
        for window in self.windows.values_mut().filter(|window| due(window)) {
            (window.reported, window.repeats) = (at, 0);
        }
        reported
    }

    fn reading(&self, instance: &str, name: &str, value: u64) -> Fact {
        let instance = instance.to_owned();
        Fact::Reading(Reading { instance, ..Reading::single(self.source, name, value as f64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn listener() -> Listener {
        Listener::new(LogSource::Server, Source::Container)
    }

    fn readings(facts: Vec<Fact>) -> Vec<(String, String, f64)> {
        let reading = |fact| match fact {
            Fact::Reading(reading) => Some((reading.instance, reading.name, reading.last)),
            _ => None,
        };
        facts.into_iter().filter_map(reading).collect()
    }

    #[test]
    fn a_line_that_means_something_is_said_and_every_line_is_counted() {
        let mut listener = listener();
        assert_eq!(listener.line(At(5), "hello"), None);
        let said = listener.line(At(6), "CUDA error: out of memory").unwrap();
        assert_eq!((said.signature.as_str(), said.source), ("cuda_error_oom", Source::Container));
        assert_eq!(said.line, "CUDA error: out of memory");
        assert_eq!(listener.line(At(6), "bye"), None);
        let line = |value| (String::new(), LOG_LINES.to_owned(), value);
        assert_eq!(listener.due(), At::ZERO);
        assert_eq!(readings(listener.count(At(7))), [line(3.0)]);
        assert_eq!(listener.due(), At(7 + COUNT_US));
        assert_eq!(readings(listener.count(At(8))), [line(0.0)], "nothing to read is read");
    }

    #[test]
    fn a_flood_of_one_line_is_written_a_few_times_a_minute_and_counted_once_a_minute() {
        let mut listener = listener();
        let mut said = 0;
        let mut repeats = 0.0;
        for second in 0..180 {
            let at = At(second * SECOND);
            for _ in 0..100 {
                said += usize::from(listener.line(at, "NCCL WARN x").is_some());
            }
            if second % 10 == 0 {
                let reported = readings(listener.count(at));
                assert!(reported.len() <= 2, "{reported:?}");
                repeats += reported
                    .iter()
                    .filter(|(of, ..)| of == "nccl_warn")
                    .map(|it| it.2)
                    .sum::<f64>();
            }
        }
        repeats += readings(listener.count(At(900 * SECOND)))
            .iter()
            .filter(|(.., name, _)| name == LOG_REPEATS)
            .map(|it| it.2)
            .sum::<f64>();
        assert!((10..=20).contains(&said), "{said}");
        assert!((repeats + said as f64 - 18_000.0).abs() < 0.5, "{repeats} {said}");
    }

    #[test]
    fn what_was_dropped_of_a_line_is_told_once_and_a_clients_text_is_not_missed() {
        let mut listener = listener();
        let line = |text: &str| LogLine { text: text.to_owned(), dropped_bytes: 20_000 };
        listener.cut_line(At(0), &line("Received request 1: prompt: 'x"));
        assert!(!listener.has_dropped());
        listener.cut_line(At(0), &line("{\"event\": \"x"));
        assert!(listener.has_dropped());
        let reported = readings(listener.count(At(1)));
        assert_eq!(reported[1], (String::new(), LOG_DROPPED.to_owned(), 20_000.0));
        assert_eq!(listener.count(At(2)).len(), 1);
    }

    #[test]
    fn a_line_that_may_still_grow_is_not_counted_and_what_is_lost_of_it_is() {
        let mut listener = listener();
        let line = |text: &str| LogLine { text: text.to_owned(), dropped_bytes: 5 };
        assert!(!listener.has_signature(&line("CUDA err")));
        assert!(listener.has_signature(&line("CUDA error: out of memory")));
        let reported = readings(listener.count(At(7)));
        let counted = |name: &str, value| (String::new(), name.to_owned(), value);
        assert_eq!(reported, [counted(LOG_LINES, 0.0), counted(LOG_DROPPED, 10.0)]);
    }
}
