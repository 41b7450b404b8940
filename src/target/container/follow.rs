//! Follows the log of a container over restarts and rotation. `logs -f` ends with the container,
//! and some engines send nothing more after a file is rotated; so the log is opened again from the
//! last stamp on, and lines that come twice are recognised by stamp and text, and dropped.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::late_events::EventGap;
use super::{ContainerEngine, InspectError, nanoseconds};
use crate::target::log::{LogReader, lines_of};
use crate::timeline::Timeline;
use crate::timeline::wall_text;
use crate::unit::At;

/// Number of lines kept to recognise repeated ones: at 10,000 lines a second, the overlap of a
/// reopened log.
const KNOWN_MAX: usize = 16_384;
/// Overlap with which a log is reopened: there are two pipes, and an engine may reorder lines.
const OVERLAP: Duration = Duration::from_secs(1);
/// Time without an error after which an opened log counts as being read.
const OPENS_US: u64 = 2_000_000;
/// Silence after which a log is opened again, whatever the reason.
const SILENT_US: u64 = 60_000_000;
/// Shortest and longest wait before the log is opened again.
const WAIT_US: (u64, u64) = (200_000, 5_000_000);
/// Capacity of the channel of lines between the pipes and their reader.
const LINES_MAX: usize = 256;

/// Lines that were already read.
#[derive(Debug, Default)]
pub(crate) struct SeenLines {
    /// Latest stamp.
    last: Option<String>,
    order: VecDeque<u64>,
    hashes: BTreeSet<u64>,
}

impl SeenLines {
    /// Whether a line is new.
    pub(crate) fn is_fresh(&mut self, stamp: &str, text: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (stamp, text).hash(&mut hasher);
        let hash = hasher.finish();
        if !self.hashes.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > KNOWN_MAX
            && let Some(old) = self.order.pop_front()
        {
            self.hashes.remove(&old);
        }
        if self.last.as_deref().is_none_or(|last| last < stamp) {
            self.last = Some(stamp.to_owned());
        }
        true
    }

    /// Returns the time from which the log is opened again.
    pub(crate) fn since(&self) -> Option<String> {
        let last = humantime::parse_rfc3339(self.last.as_deref()?).ok()?;
        let since = last.checked_sub(OVERLAP).unwrap_or(SystemTime::UNIX_EPOCH);
        Some(humantime::format_rfc3339_nanos(since).to_string())
    }
}

/// Splits `2026-11-23T05:31:39.273034974Z text`; the text may be empty.
pub(crate) fn stamped(line: &str) -> Option<(&str, &str)> {
    let (stamp, text) = line.split_once(' ').unwrap_or((line, ""));
    let is_stamp = stamp.len() >= 20 && stamp.as_bytes()[10] == b'T' && stamp.starts_with("20");
    is_stamp.then_some((stamp, text))
}

/// Position from which a log is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogStart {
    /// First line of the log.
    Start,
    Now,
}

/// Follows a container's log; never returns.
pub(crate) async fn follow(
    engine: ContainerEngine,
    name: String,
    inside: Option<&str>,
    from: LogStart,
    log: LogReader,
) {
    let timeline = engine.timeline;
    let now = wall_text(Timeline::wall_now_us());
    let mut known = SeenLines::default();
    let (mut wait_us, mut heard) = (WAIT_US.0, timeline.now());
    loop {
        // Lines from before the watch are left out, however long the overlap is.
        let first = (from == LogStart::Now).then(|| now.clone());
        let since = [known.since(), first].into_iter().flatten().max_by_key(|it| nanoseconds(it));
        let arguments = match inside {
            Some(path) => {
                inside_arguments(&name, path, known.last.is_some() || from == LogStart::Now)
            }
            None => arguments(&name, since.as_deref()),
        };
        let unheard = EventGap { since: heard, opened: timeline.now() };
        let source = OpenLog { engine: &engine, name: &name, arguments: &arguments, unheard };
        let ended = source.read(&mut known, &log).await;
        // A log that could not be opened was not read.
        if ended.is_ok() || timeline.now().since(unheard.opened) > OPENS_US {
            heard = timeline.now();
        }
        // A log inside the container has no stamps: once reopened, it is read from its end.
        if inside.is_some() && known.last.is_none() {
            known.last = Some(String::new());
        }
        // The log of a stopped container ends at once, so the wait grows unless new lines came.
        wait_us = if matches!(ended, Ok(1..)) { WAIT_US.0 } else { (wait_us * 2).min(WAIT_US.1) };
        log.sees(ended.err());
        timeline.until(At(timeline.now().0 + wait_us)).await;
    }
}

fn arguments(name: &str, since: Option<&str>) -> Vec<String> {
    let mut words = vec!["logs", "-f", "--timestamps"];
    if let Some(since) = since {
        words.extend(["--since", since]);
    }
    words.push(name);
    words.into_iter().map(str::to_owned).collect()
}

fn inside_arguments(name: &str, path: &str, is_again: bool) -> Vec<String> {
    let lines = if is_again { "0" } else { "+1" };
    ["exec", name, "tail", "-n", lines, "-F", path].map(str::to_owned).to_vec()
}

/// Log that is open.
struct OpenLog<'a> {
    engine: &'a ContainerEngine,
    name: &'a str,
    arguments: &'a [String],
    unheard: EventGap,
}

impl OpenLog<'_> {
    /// Reads until the log ends or falls silent; returns the number of new lines.
    ///
    /// # Errors
    /// The reason why nothing can be read.
    async fn read(&self, known: &mut SeenLines, log: &LogReader) -> Result<u64, String> {
        let timeline = self.engine.timeline;
        let program = &self.engine.program.0;
        let child = self.engine.program.follow(self.arguments);
        let mut child = child.map_err(|why| format!("`{program}`: {why}"))?;
        let (lines, mut read) = mpsc::channel(LINES_MAX);
        let mut pipes = JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            pipes.spawn(lines_of(pipe, lines.clone()));
        }
        if let Some(pipe) = child.stderr.take() {
            pipes.spawn(lines_of(pipe, lines.clone()));
        }
        drop(lines);
        let (mut complaint, mut count, mut silent_us) = (None, 0, OPENS_US);
        loop {
            let silent = At(timeline.now().0 + silent_us);
            match timeline.before(silent, read.recv()).await {
                Some(Some(line)) => {
                    let (stamp, text) = match stamped(&line.text) {
                        Some((stamp, text)) => (Some(stamp), text),
                        // Printed by the engine itself: an error, or its last line.
                        None if self.arguments[0] == "logs" => {
                            complaint = Some(line.text);
                            continue;
                        }
                        None => (None, line.text.as_str()),
                    };
                    log.sees(None);
                    if stamp.is_none_or(|stamp| known.is_fresh(stamp, text)) {
                        count += 1;
                        log.whole_line(self.at(stamp), text, line.dropped_bytes).await;
                    }
                }
                Some(None) => break,
                // Silence: the server prints nothing, or the engine does not answer.
                None => {
                    let look = self.engine.look(self.name).await;
                    if let Err(InspectError::Unanswered(why)) = look {
                        return Err(why);
                    }
                    if silent_us == SILENT_US {
                        // The drop ends the child; the caller opens the log again.
                        return Ok(count);
                    }
                    log.sees(None);
                    silent_us = SILENT_US;
                }
            }
        }
        let status = child.wait().await.map_err(|why| format!("`{program}`: {why}"))?;
        if status.success() {
            return Ok(count);
        }
        Err(complaint.unwrap_or_else(|| format!("`{program} {}`: {status}", self.arguments[0])))
    }

    /// Returns the time at which a line with this stamp was written.
    fn at(&self, stamp: Option<&str>) -> At {
        let timeline = self.engine.timeline;
        let stamp_ns = stamp.and_then(nanoseconds).unwrap_or(0);
        self.unheard.at(timeline.now(), Timeline::wall_now_us(), stamp_ns / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_fresh(known: &mut SeenLines, line: &str) -> bool {
        let (stamp, text) = stamped(line).unwrap();
        known.is_fresh(stamp, text)
    }

    #[test]
    fn what_comes_twice_with_one_stamp_is_left_out_and_equal_texts_are_not() {
        let mut known = SeenLines::default();
        let first = "2026-11-23T05:31:39.273034974Z step";
        let second = "2026-11-23T05:31:39.273034975Z step";
        assert!(is_fresh(&mut known, first));
        assert!(is_fresh(&mut known, second));
        assert!(!is_fresh(&mut known, first));
        assert!(is_fresh(&mut known, "2026-11-23T05:31:38.1Z earlier"));
        assert_eq!(known.since().as_deref(), Some("2026-11-23T05:31:38.273034975Z"));
    }

    #[test]
    fn an_empty_line_has_a_stamp_too() {
        let mut known = SeenLines::default();
        assert!(is_fresh(&mut known, "2026-11-23T05:31:39.273034974Z "));
        assert!(!is_fresh(&mut known, "2026-11-23T05:31:39.273034974Z "));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut known = SeenLines::default();
        for n in 0..KNOWN_MAX + 10 {
            let line = format!("2026-11-23T05:31:39.273034974Z {n}");
            assert!(is_fresh(&mut known, &line));
        }
        assert_eq!((known.order.len(), known.hashes.len()), (KNOWN_MAX, KNOWN_MAX));
    }

    #[test]
    fn it_is_opened_again_from_the_last_stamp() {
        assert_eq!(arguments("x", None), ["logs", "-f", "--timestamps", "x"]);
        assert_eq!(arguments("x", Some("S"))[3..], ["--since", "S", "x"]);
        assert_eq!(inside_arguments("x", "/l", true)[3..], ["-n", "0", "-F", "/l"]);
    }
}
