//! Finds secrets in a text: in its raw bytes, in the characters that its escapes encode, and in the
//! text without tags.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use aho_corasick::AhoCorasick;

use super::PIECE_CHARS;
use super::reading::{self, DecodedByte, DecodedText};

/// Mark of the place where a text was cut.
const ELLIPSIS: &[u8] = "…".as_bytes();

/// Value, and whether it is a key.
pub(super) type SecretValue = (String, bool);

/// Search for a set of secrets.
pub(super) struct Finder {
    values: Vec<SecretValue>,
    /// Patterns for the raw text.
    plain: Patterns,
    /// Patterns for the decoded text: keys only.
    read: Option<Patterns>,
    /// Words and numbers within keys: alone they do not reveal a key, and are not removed.
    words: BTreeSet<Vec<u8>>,
}

/// Result of a search in a text that may continue.
#[derive(Debug)]
pub(super) struct SecretMatch {
    /// Ranges in order, without overlaps.
    pub ranges: Vec<Range<usize>>,
    /// Offset from which the text could still become part of a secret.
    pub open: usize,
}

/// Byte before a text, if any: raw and decoded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PrecedingByte {
    /// Raw byte.
    pub plain: Option<u8>,
    /// Decoded byte; `None` after a break.
    pub read: Option<u8>,
}

impl Finder {
    /// Creates the search for these values.
    pub(super) fn new(values: Vec<SecretValue>) -> Finder {
        let keys: Vec<&str> =
            values.iter().filter(|(_, is_key)| *is_key).map(|(key, _)| key.as_str()).collect();
        // White space is removed from keys, since it is removed from the decoded text.
        let solid = keys.iter().map(|key| (key.split_whitespace().collect(), true));
        let solid: Vec<SecretValue> = solid.collect();
        let read = (!solid.is_empty()).then(|| Patterns::of(&solid));
        let words = keys.iter().flat_map(|key| words(key)).collect();
        Finder { plain: Patterns::of(&values), read, words, values }
    }

    pub(super) fn values(&self) -> &[SecretValue] {
        &self.values
    }

    /// Finds all secrets in a complete text.
    pub(super) fn find(&self, text: &[u8], before: PrecedingByte) -> Vec<Range<usize>> {
        self.search(text, before, false).ranges
    }

    /// Finds the secrets in a text that may continue.
    pub(super) fn find_open(&self, text: &[u8], before: PrecedingByte) -> SecretMatch {
        self.search(text, before, true)
    }

    /// Finds only keys that are long enough to have pieces, and their pieces.
    pub(super) fn find_pieces(&self, text: &[u8]) -> Vec<Range<usize>> {
        let is_long = |key: &str| key.chars().count() >= PIECE_CHARS;
        let keys = self.values.iter().filter(|(key, is_key)| *is_key && is_long(key));
        let keys: Vec<SecretValue> = keys.cloned().collect();
        if keys.is_empty() {
            Vec::new()
        } else {
            Finder::new(keys).find(text, PrecedingByte::default())
        }
    }

    fn search(&self, text: &[u8], before: PrecedingByte, goes_on: bool) -> SecretMatch {
        let (words, open) = (&self.words, text.len());
        let mut search = Search { words, before, goes_on, found: self.beginnings(text), open };
        search.look(&self.plain, text, &ByteOrigin::Same);
        if let Some(end) = cut_ellipsis(text).filter(|_| goes_on) {
            let from = end - self.plain.beginning(&text[..end]);
            search.open = search.open.min(from);
        }
        if let Some(read) = self.read.as_ref().filter(|_| reading::is_plain(text)) {
            search.before.plain = before.read;
            search.look(read, text, &ByteOrigin::Same);
        } else if let Some(read) = &self.read {
            let reading = DecodedText::of(text);
            search.look_into(read, &reading);
            if let Some(reading) = reading.without_tags(goes_on) {
                search.look_into(read, &reading);
            }
            search.open = reading.apart(search.open);
        }
        let ranges = merged(search.found);
        let cut = ranges.iter().filter(|range| range.end > search.open).map(|range| range.start);
        SecretMatch { open: cut.fold(search.open, usize::min), ranges }
    }

    /// Finds the beginnings of header values before a cut: the cut was made within the value.
    fn beginnings(&self, text: &[u8]) -> Vec<Range<usize>> {
        let values: Vec<&[u8]> =
            self.values.iter().filter(|(_, is_key)| !is_key).map(|it| it.0.as_bytes()).collect();
        if values.is_empty() {
            return Vec::new();
        }
        let cuts = text.windows(ELLIPSIS.len()).enumerate().filter(|(_, part)| *part == ELLIPSIS);
        let found = cuts.flat_map(|(end, _)| {
            values.iter().filter_map(move |value| {
                let mut lengths = (PIECE_CHARS..value.len().min(end + 1)).rev();
                let length = lengths.find(|length| text[..end].ends_with(&value[..*length]))?;
                Some(end - length..end)
            })
        });
        found.collect()
    }
}

/// Returns the offset of an ellipsis that the end of a text cut.
fn cut_ellipsis(text: &[u8]) -> Option<usize> {
    let lengths = 1..ELLIPSIS.len();
    let length = lengths.rev().find(|length| text.ends_with(&ELLIPSIS[..*length]))?;
    Some(text.len() - length)
}

/// Sorts ranges, and joins those that overlap or touch.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut all: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => all.push(range),
        }
    }
    all
}

/// Splits a key into its runs of letters or digits, other than the whole key.
fn words(key: &str) -> Vec<Vec<u8>> {
    let parts = key.split(|c: char| !c.is_ascii_alphanumeric());
    let is_ordinary = |part: &&str| {
        part.len() >= PIECE_CHARS
            && *part != key
            && (part.bytes().all(|byte| byte.is_ascii_alphabetic())
                || part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    parts.filter(is_ordinary).map(|part| part.as_bytes().to_vec()).collect()
}

/// Kind of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Piece of a key; pieces that follow each other are joined.
    Piece,
    /// Whole value of a header.
    Whole,
    /// Value that is too short for either: matches only as a separate word.
    Word,
}

/// Patterns to search for.
struct Patterns {
    texts: Vec<(Vec<u8>, Kind)>,
    search: Option<AhoCorasick>,
}

impl Patterns {
    fn of(values: &[SecretValue]) -> Patterns {
        let mut texts = BTreeMap::new();
        for (value, is_key) in values {
            let starts: Vec<usize> =
                value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
            let bytes = value.as_bytes();
            if starts.len() <= PIECE_CHARS {
                texts.insert(bytes.to_vec(), Kind::Word);
            } else if *is_key {
                let pieces = starts.windows(PIECE_CHARS + 1);
                let pieces = pieces.map(|at| bytes[at[0]..at[PIECE_CHARS]].to_vec());
                texts.extend(pieces.map(|piece| (piece, Kind::Piece)));
            } else {
                texts.entry(bytes.to_vec()).or_insert(Kind::Whole);
            }
        }
        let texts: Vec<(Vec<u8>, Kind)> = texts.into_iter().collect();
        // This fails for gigabytes of patterns only.
        let search = AhoCorasick::new(texts.iter().map(|(text, _)| text)).ok();
        Patterns { texts, search }
    }

    /// Returns how many bytes at the end of a text may be the beginning of a pattern.
    fn beginning(&self, bytes: &[u8]) -> usize {
        let of = |(text, _): &(Vec<u8>, Kind)| {
            let mut lengths = (1..text.len().min(bytes.len() + 1)).rev();
            lengths.find(|length| bytes.ends_with(&text[..*length]))
        };
        self.texts.iter().filter_map(of).max().unwrap_or(0)
    }
}

/// Origin of the bytes that are searched.
enum ByteOrigin<'a> {
    /// Raw text.
    Same,
    /// Decoded text.
    Read(&'a [DecodedByte]),
}

impl ByteOrigin<'_> {
    fn span(&self, range: &Range<usize>) -> Range<usize> {
        match self {
            ByteOrigin::Same => range.clone(),
            ByteOrigin::Read(signs) => signs[range.start].from..signs[range.end - 1].to,
        }
    }

    /// Whether something was left out before a byte.
    fn is_broken(&self, at: usize) -> bool {
        match self {
            ByteOrigin::Same => false,
            ByteOrigin::Read(signs) => signs.get(at).is_some_and(|sign| sign.broken),
        }
    }
}

/// Search of one text.
struct Search<'a> {
    words: &'a BTreeSet<Vec<u8>>,
    before: PrecedingByte,
    goes_on: bool,
    found: Vec<Range<usize>>,
    open: usize,
}

impl Search<'_> {
    fn look_into(&mut self, patterns: &Patterns, reading: &DecodedText) {
        self.open = self.open.min(reading.open);
        self.look(patterns, &reading.bytes, &ByteOrigin::Read(&reading.signs));
    }

    fn look(&mut self, patterns: &Patterns, bytes: &[u8], place: &ByteOrigin) {
        let mut run: Option<Range<usize>> = None;
        let hits = patterns.search.iter().flat_map(|search| search.find_overlapping_iter(bytes));
        for hit in hits {
            let range = hit.range();
            match (patterns.texts[hit.pattern().as_usize()].1, &mut run) {
                (Kind::Piece, Some(run)) if range.start < run.end => run.end = range.end,
                (Kind::Piece, _) => {
                    let before = run.replace(range);
                    self.add_run(before, bytes, place);
                }
                (Kind::Word, _) if !self.is_word(&range, bytes, place) => {}
                _ => self.consume(&range, bytes, place),
            }
        }
        self.add_run(run, bytes, place);
        if self.goes_on {
            let from = bytes.len() - patterns.beginning(bytes);
            if from < bytes.len() {
                self.open = self.open.min(place.span(&(from..bytes.len())).start);
            }
        }
    }

    /// Adds a run of adjacent pieces, unless it is an ordinary word that stands alone.
    fn add_run(&mut self, run: Option<Range<usize>>, bytes: &[u8], place: &ByteOrigin) {
        let Some(run) = run else { return };
        let is_sign = |byte: &&u8| !is_of_word(**byte);
        let part = &bytes[run.clone()];
        let from = run.start + part.iter().take_while(is_sign).count();
        let to = (run.end - part.iter().rev().take_while(is_sign).count()).max(from);
        let is_ordinary = self.words.contains(&bytes[from..to])
            && self.is_word(&(from..to), bytes, place)
            && !(self.goes_on && run.end == bytes.len());
        if !is_ordinary {
            self.consume(&run, bytes, place);
        }
    }

    fn consume(&mut self, range: &Range<usize>, bytes: &[u8], place: &ByteOrigin) {
        let span = place.span(range);
        if range.end == bytes.len() {
            // The following bytes may extend the match, or rule it out.
            self.open = self.open.min(span.start);
        }
        self.found.push(span);
    }

    /// Whether no letter or digit is directly before or after a range.
    fn is_word(&self, range: &Range<usize>, bytes: &[u8], place: &ByteOrigin) -> bool {
        let before = match range.start.checked_sub(1) {
            Some(before) => bytes.get(before).copied(),
            None => match place {
                ByteOrigin::Same => self.before.plain,
                ByteOrigin::Read(signs) => self.before.read.filter(|_| signs[0].from == 0),
            },
        };
        let is_apart =
            |at: usize, next: Option<u8>| place.is_broken(at) || !next.is_some_and(is_of_word);
        is_apart(range.start, before) && is_apart(range.end, bytes.get(range.end).copied())
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}
