//! Finds the row of a line: the first of the table whose words it has. It runs for every line of a
//! log of days, so rows are first excluded by letter pairs that they need and the line lacks.

use super::{LogSource, Signature, rows};

/// Limit of a line's bytes that are searched: an engine puts the message at the beginning. Bounds
/// the work on a line of a megabyte.
const LOOKED_AT_BYTES_MAX: usize = 4096;

/// Offset within which a logger writes its level.
const LEVEL_WITHIN_BYTES: usize = 128;

/// Lines that repeat a client's text, by the words that identify them, in order: a prompt about
/// memory is no out-of-memory error. vLLM writes the first three when it logs requests and
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

/// Classifies a line of a log: returns the first row of the table whose words it has.
///
/// A line that its own logger calls `INFO` or `DEBUG` is never bad, and one that repeats a client's
/// text has no row at all. A client's text that the server repeats in any other way cannot be
/// distinguished from the server's own words.
pub(crate) fn classify(log: LogSource, line: &str) -> Option<&'static Signature> {
    let text = beginning(line, LOOKED_AT_BYTES_MAX).to_ascii_lowercase();
    let pairs = Pairs::of(&text);
    let has = |words: &[&str]| {
        words.iter().all(|word| pairs.may_have(word)) && has_in_order(&text, words)
    };
    let server = log == LogSource::Server;
    if server && ECHOES.iter().any(|words| has(words)) {
        return None;
    }
    let calm = server && is_info_or_debug(beginning(line, LEVEL_WITHIN_BYTES));
    rows(log).find(|signature| !(calm && signature.meaning.is_bad()) && has(signature.words))
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

/// Bit set of the letter pairs in a text; two pairs may share a bit.
struct Pairs([u64; 64]);

impl Pairs {
    fn of(text: &str) -> Pairs {
        let mut bits = [0u64; 64];
        for pair in text.as_bytes().windows(2) {
            let (word, bit) = place(pair);
            bits[word] |= 1 << bit;
        }
        Pairs(bits)
    }

    /// Whether the text can contain a word.
    fn may_have(&self, word: &str) -> bool {
        word.as_bytes().windows(2).all(|pair| {
            let (word, bit) = place(pair);
            self.0[word] >> bit & 1 == 1
        })
    }
}

/// Returns the position of a pair's bit.
fn place(pair: &[u8]) -> (usize, usize) {
    let (first, second) = (usize::from(pair[0]), usize::from(pair[1]));
    let hash = (first << 5 ^ second) & 4095;
    (hash >> 6, hash & 63)
}
