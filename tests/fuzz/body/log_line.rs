//! Checks the way of a server's log from bytes to what is said of it: lines, stamps, signatures.

#![allow(clippy::expect_used)] // a check of tests and of fuzz targets

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::row::check_kept;
use crate::engine::effect;
use crate::engine::lines::{LINE_BYTES_MAX, Lines, LogLine, LogLines};
use crate::engine::listener::Listener;
use crate::engine::signature::victim::Victim;
use crate::engine::signature::{LogSource, classify, message, named};
use crate::fact::{Entry, Fact, SignatureMatch, Source, text};
use crate::series::{LOG_LINES, LOG_REPEATS};
use crate::target::container::follow::{SeenLines, stamped};
use crate::unit::At;

/// Bytes of a log that begins with a byte that is no ASCII: longer than a line may be.
const LONG_BYTES: usize = 3 * LINE_BYTES_MAX;

/// Limits of the lines that are written of one signature within a minute: for a setting, and for any
/// other.
const WRITTEN_MAX: [u64; 2] = [5, 64];

/// Longest line in a row and longest list of settings, characters.
const LINE_CHARS_MAX: [usize; 2] = [300, 16 << 10];

/// One minute, microseconds: repeats are reported by then.
const MINUTE: At = At(60_000_000);

/// Reads arbitrary bytes as a log. Those that begin with no ASCII are repeated until lines are longer
/// than what is kept of one. Returns how many lines have a signature.
pub fn log_line(bytes: &[u8]) -> u64 {
    let is_long = bytes.first().is_some_and(|first| !first.is_ascii());
    let log: Cow<'_, [u8]> =
        if is_long { bytes.repeat(LONG_BYTES / bytes.len() + 1).into() } else { bytes.into() };
    let length = bytes.first().map_or(1, |first| usize::from(*first).max(1));
    let lines = fed(&log, usize::MAX);
    let other = fed(&log, length);
    assert_eq!(other, lines, "in pieces of {length}");
    check_lines(&log, &lines);
    check_resting(&log, length);
    check_stamps(&log);
    let kernel = heard(LogSource::Kernel, &lines);
    heard(LogSource::Server, &lines) + kernel
}

fn fed(log: &[u8], length: usize) -> Vec<LogLine> {
    let mut reader = LogLines::default();
    let mut lines: Vec<LogLine> = log.chunks(length).flat_map(|piece| reader.feed(piece)).collect();
    lines.extend(reader.end());
    lines
}

/// Checks that lines are bounded and have no escape sequences, and that every byte that was dropped
/// is counted.
fn check_lines(log: &[u8], lines: &[LogLine]) {
    for line in lines {
        assert!(line.text.len() <= 3 * LINE_BYTES_MAX, "{} bytes", line.text.len());
        assert!(!line.text.contains(['\n', '\r', '\u{1b}']), "{}", line.text);
    }
    let pieces = log.split(|byte| matches!(byte, b'\n' | b'\r'));
    let dropped: usize = pieces.map(|piece| piece.len().saturating_sub(LINE_BYTES_MAX)).sum();
    let counted: u64 = lines.iter().map(|line| line.dropped_bytes).sum();
    assert_eq!(counted, dropped as u64, "bytes that were dropped");
    if log.contains(&0x1b) {
        return;
    }
    let pieces = log.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|piece| !piece.is_empty());
    let kept = pieces.map(|piece| &piece[..piece.len().min(LINE_BYTES_MAX)]);
    let kept: Vec<_> = kept.map(String::from_utf8_lossy).collect();
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, kept);
}

/// Checks that an unfinished line that rests is returned once, and that a line that ends there loses
/// nothing.
fn check_resting(log: &[u8], length: usize) {
    let mut reader = LogLines::default();
    let mut listener = Listener::new(LogSource::Server, Source::Process);
    for piece in log.chunks(length.max(log.len() / 64 + 1)) {
        reader.feed(piece);
        reader.resting();
        let Some(line) = reader.resting() else { continue };
        assert!(!line.text.contains(['\n', '\r', '\u{1b}']), "{}", line.text);
        assert_eq!(reader.resting(), None, "a line that did not grow");
        if listener.has_signature(&line) {
            assert_eq!(reader.end().map(|line| line.text), Some(line.text));
            assert_eq!(reader.end(), None);
        }
    }
}

/// Checks the stamps that a container engine puts before lines: nothing of a line is lost, and a line
/// that comes twice is known.
fn check_stamps(log: &[u8]) {
    let (mut reader, mut known) = (Lines::default(), SeenLines::default());
    let mut lines = reader.feed(log);
    lines.extend(reader.end());
    for line in lines {
        let Some((stamp, text)) = stamped(&line.text) else { continue };
        assert!(line.text.starts_with(stamp) && line.text.ends_with(text), "{}", line.text);
        assert!((stamp.len()..=stamp.len() + text.len() + 1).contains(&line.text.len()));
        known.is_fresh(stamp, text);
        assert!(!known.is_fresh(stamp, text), "{stamp} {text}");
    }
    if let Some(since) = known.since() {
        assert!(humantime::parse_rfc3339(&since).is_ok(), "{since}");
    }
}

/// Checks that every line is counted, and every line with a signature written or counted as a repeat.
/// Returns how many of these there are.
fn heard(log: LogSource, lines: &[LogLine]) -> u64 {
    let mut listener = Listener::new(log, Source::Container);
    let (mut hits, mut written) = (BTreeMap::<&str, u64>::new(), BTreeMap::<&str, u64>::new());
    for line in lines {
        let said = listener.cut_line(At::ZERO, line);
        let Some(signature) = classify(log, &line.text) else {
            assert_eq!(said, None);
            continue;
        };
        *hits.entry(signature.name).or_default() += 1;
        if let Some(said) = said {
            assert_eq!(said.signature, signature.name);
            *written.entry(signature.name).or_default() += 1;
            check_said(said, line);
        }
    }
    let facts = listener.count(MINUTE);
    let reported = |name: &str, instance: &str| {
        let mut readings = facts.iter().filter_map(|fact| match fact {
            Fact::Reading(reading) => Some(reading),
            _ => None,
        });
        let found = readings.find(|it| it.name == name && it.instance == instance);
        found.map_or(0, |reading| reading.last as u64)
    };
    assert_eq!(reported(LOG_LINES, ""), lines.len() as u64);
    for (name, count) in &hits {
        let written = written.get(name).copied().unwrap_or_default();
        assert!(WRITTEN_MAX.contains(&written) || written == *count, "{name}: {written}");
        assert_eq!(written + reported(LOG_REPEATS, name), *count, "{name}");
    }
    hits.values().sum()
}

/// Checks what is kept of a line that means something, and what is read from it.
fn check_said(said: SignatureMatch, line: &LogLine) {
    let line = line.text.as_str();
    let signature = named(&said.signature).expect("a row of the table");
    assert_eq!((said.severity, said.line.as_str()), (signature.severity, line));
    assert!(line.ends_with(message(line)), "{}", message(line));
    for setting in effect::told(signature.name, line) {
        assert!(setting.value.len() <= line.len(), "{setting:?}");
    }
    let victim = Victim::parse(line);
    for part in [&victim.name, &victim.cgroup].into_iter().flatten() {
        assert!(line.contains(part.as_str()), "{part}");
    }
    let mut fact = Fact::Said(said);
    text::bound(&mut fact);
    text::each(&mut fact, &mut |text| {
        let length = text.chars().count();
        assert!(LINE_CHARS_MAX.iter().any(|max| length <= *max), "{length} characters");
        assert!(!text.contains(char::is_control), "{text}");
    });
    check_kept(&Entry { segment: 0, seq: 0, at: At::ZERO, fact });
}
