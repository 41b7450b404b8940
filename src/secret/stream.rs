//! Bytes that come in pieces, such as a log: what may be the beginning of a
//! secret is held back until it is known to be one or none.

use std::borrow::Cow;
use std::ops::Range;

use super::find::Before;
use super::reading::DecodedText;
use super::{MASK, Secrets, without};

/// Bounds what is held back, bytes; beyond, it is looked at as if it were all.
const HELD_BYTES_MAX: usize = 8 << 10;

/// Bytes that are read to know what stands before those that follow; an escape sequence has less.
const LAST_BYTES: usize = 64;

/// Bytes without secrets, however they are cut.
#[derive(Debug, Default)]
pub(crate) struct SecretFilter {
    secrets: Secrets,
    held: Vec<u8>,
    before: Before,
    /// Whether a secret ended where what is held begins.
    masked: bool,
}

impl SecretFilter {
    /// Before the first byte.
    pub(crate) fn new(secrets: Secrets) -> SecretFilter {
        SecretFilter { secrets, ..SecretFilter::default() }
    }

    /// Takes bytes, and gives those that may be written by now.
    pub(crate) fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(finder) = &self.secrets.0 else { return Cow::Borrowed(bytes) };
        self.held.extend_from_slice(bytes);
        let found = finder.find_open(&self.held, self.before);
        let is_full = self.held.len() - found.open > HELD_BYTES_MAX;
        let end = if is_full { self.held.len() } else { found.open };
        let known: Vec<_> = found.ranges.into_iter().take_while(|it| it.end <= end).collect();
        Cow::Owned(self.give(end, &known))
    }

    /// The rest, where nothing comes any more.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let Some(finder) = &self.secrets.0 else { return Vec::new() };
        let known = finder.find(&self.held, self.before);
        self.give(self.held.len(), &known)
    }

    /// Gives what is held up to an end, without the secrets that are known in it.
    fn give(&mut self, end: usize, known: &[Range<usize>]) -> Vec<u8> {
        let mut clean = without(&self.held[..end], known, MASK);
        // Two that meet are one, as they are in a text.
        if self.masked && known.first().is_some_and(|first| first.start == 0) {
            clean.drain(..MASK.len());
        }
        if end > 0 {
            self.masked = known.last().is_some_and(|last| last.end == end);
            let last = &self.held[end.saturating_sub(LAST_BYTES)..end];
            self.before =
                Before { plain: last.last().copied(), read: DecodedText::of(last).last() };
        }
        self.held.drain(..end);
        clean
    }
}
