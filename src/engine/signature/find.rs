//! Finds the row of a line: the first of the table whose words it has. Asked for every
//! line of a log of days, so a row is thrown out by the pairs of letters that it needs and
//! the line lacks, before anything is searched.

use super::{LogSource, Signature, rows};

/// Only so much of a line is looked at: an engine says what became of it at a line's
/// beginning. Bounds the work on a line of a megabyte.
const LOOKED_AT_BYTES_MAX: usize = 4096;

/// Where a logger writes its level, at the latest.
const LEVEL_WITHIN_BYTES: usize = 128;

/// Lines that repeat what a client wrote, by words that they have, in order: a prompt about
/// memory is no memory that ran out. vLLM writes the first three where it is told to log
/// requests and answers, and the fourth where a client asks for a model that there is not;
/// `SGLang` writes the others with `--log-requests`.
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

/// What a line of a log means: the first row of the table that it has the words of.
///
/// A line that its own logger calls `INFO` or `DEBUG` is never bad, and one that repeats
/// what a client wrote is nothing at all. What a client wrote and the server repeats in any
/// other way cannot be told from the server's own words.
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
    let calm = server && is_calm(beginning(line, LEVEL_WITHIN_BYTES));
    rows(log).find(|signature| !(calm && signature.meaning.is_bad()) && has(signature.words))
}

/// At most so many bytes of a text, whole characters.
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

/// Whether the line's logger calls it information or less. Python's loggers write the level
/// as a word, llama.cpp a letter behind its clock.
fn is_calm(head: &str) -> bool {
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

/// Which pairs of neighbours a text has, as bits; two pairs may share one.
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

    /// Whether a word can be in the text.
    fn may_have(&self, word: &str) -> bool {
        word.as_bytes().windows(2).all(|pair| {
            let (word, bit) = place(pair);
            self.0[word] >> bit & 1 == 1
        })
    }
}

/// Where the bit of a pair is.
fn place(pair: &[u8]) -> (usize, usize) {
    let (first, second) = (usize::from(pair[0]), usize::from(pair[1]));
    let hash = (first << 5 ^ second) & 4095;
    (hash >> 6, hash & 63)
}
