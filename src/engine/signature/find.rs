//! Finds the row of a line: the first of the table whose words it has. It runs for every line of a
//! log of days, so a line is first searched for one word of each row, for all rows at once.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, StartKind};

use super::{LogSource, Signature, rows};
use crate::engine::lines::LINE_BYTES_MAX;

/// Offset within which a logger writes its level.
const LEVEL_WITHIN_BYTES: usize = 128;

/// Lines that repeat a client's text, by the words that identify them, in order: a prompt about
/// memory is not an out-of-memory error. vLLM writes the first three when it logs requests and
/// responses, and the fourth when a client asks for an unknown model; `SGLang` writes the others
/// with `--log-requests`.
const ECHOES: [&[&str]; 8] = [
    &["received request ", ": prompt: "],
    &["received request ", ": params: "],
    &["request ", " details: prompt: "],
    &["generated response ", "output: "],
    &["error=errorinfo("],
    &["receive: obj="],
    &["finish: obj="],
    &["out_log: "],
];

static SERVER: LazyLock<Search> = LazyLock::new(|| Search::new(LogSource::Server, &ECHOES));
static KERNEL: LazyLock<Search> = LazyLock::new(|| Search::new(LogSource::Kernel, &[]));

/// Classifies a line of a log: returns the first row of the table whose words it has.
///
/// A line that its own logger calls `INFO` or `DEBUG` is never bad, and one that repeats a client's
/// text has no row at all. A client's text that the server repeats in any other way cannot be
/// distinguished from the server's own words.
pub(crate) fn classify(log: LogSource, line: &str) -> Option<&'static Signature> {
    Search::of(log).find(line)?.signature
}

/// Whether a line of a log repeats a client's text.
pub(crate) fn is_echo(log: LogSource, line: &str) -> bool {
    Search::of(log).find(line).is_some_and(|found| found.signature.is_none())
}

/// Words in their order, and the row that they identify; none for a client's text.
struct Candidate {
    words: &'static [&'static str],
    signature: Option<&'static Signature>,
}

/// Search for all rows of a log.
struct Search {
    log: LogSource,
    /// Client's texts, and then the rows in their order.
    candidates: Vec<Candidate>,
    /// Searcher for the longest word of each candidate, by the candidate's index.
    longest: Option<AhoCorasick>,
}

impl Search {
    fn of(log: LogSource) -> &'static Search {
        match log {
            LogSource::Server => &SERVER,
            LogSource::Kernel => &KERNEL,
        }
    }

    fn new(log: LogSource, echoes: &[&'static [&'static str]]) -> Search {
        let echoes = echoes.iter().map(|words| Candidate { words, signature: None });
        let rows = rows(log).map(|row| Candidate { words: row.words, signature: Some(row) });
        let candidates: Vec<Candidate> = echoes.chain(rows).collect();
        let longest = candidates.iter().map(|candidate| {
            candidate.words.iter().max_by_key(|word| word.len()).copied().unwrap_or_default()
        });
        let longest = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .start_kind(StartKind::Unanchored)
            .build(longest);
        // The table is far below the searcher's limits; without it, every candidate is tried.
        Search { log, candidates, longest: longest.ok() }
    }

    fn find(&self, line: &str) -> Option<&Candidate> {
        let text = beginning(line, LINE_BYTES_MAX);
        let possible: BTreeSet<usize> = match &self.longest {
            Some(longest) => {
                longest.find_overlapping_iter(text).map(|word| word.pattern().as_usize()).collect()
            }
            None => (0..self.candidates.len()).collect(),
        };
        if possible.is_empty() {
            return None;
        }
        let lower = text.to_ascii_lowercase();
        let calm =
            self.log == LogSource::Server && is_info_or_debug(beginning(text, LEVEL_WITHIN_BYTES));
        let fits = |candidate: &&Candidate| {
            let is_bad = candidate.signature.is_some_and(|row| row.meaning.is_bad());
            !(calm && is_bad) && has_in_order(&lower, candidate.words)
        };
        possible.into_iter().filter_map(|index| self.candidates.get(index)).find(fits)
    }
}

/// Returns the first `bytes_max` bytes of a text, cut between characters.
fn beginning(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

fn has_in_order(text: &str, words: &[&str]) -> bool {
    let mut rest = text;
    words.iter().all(|word| match rest.find(word) {
        Some(at) => {
            rest = &rest[at + word.len()..];
            true
        }
        None => false,
    })
}

/// Whether the line's level is information or lower. Python's loggers write the level as a word,
/// llama.cpp as a letter after its timestamp.
fn is_info_or_debug(head: &str) -> bool {
    let mut words = head.split_ascii_whitespace();
    let clock = words.next().is_some_and(|first| first.contains('.') && is_clock(first));
    if clock && let Some(level @ ("I" | "D" | "W" | "E")) = words.next() {
        return matches!(level, "I" | "D");
    }
    let level = |word: &str| match word.trim_matches(|c: char| !c.is_ascii_alphanumeric()) {
        "INFO" | "DEBUG" => Some(true),
        "WARNING" | "ERROR" | "CRITICAL" => Some(false),
        _ => None,
    };
    head.split_ascii_whitespace().find_map(level).unwrap_or(false)
}

fn is_clock(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
