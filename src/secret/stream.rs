//! Removes secrets from bytes that arrive in chunks, such as a log: what may be the beginning of a
//! secret is held back until it is known whether it is one.

use std::borrow::Cow;
use std::ops::Range;

use super::find::PrecedingByte;
use super::reading::DecodedText;
use super::{MASK, Secrets, without};

/// Limit of the bytes held back; beyond it they are handled as if the input ended there.
const HELD_BYTES_MAX: usize = 8 << 10;

/// Bytes that are decoded to find the byte before the next chunk; escape sequences are shorter.
const LAST_BYTES: usize = 64;

/// Filter that removes secrets, wherever the chunks are cut.
#[derive(Debug, Default)]
pub(crate) struct SecretFilter {
    secrets: Secrets,
    held: Vec<u8>,
    before: PrecedingByte,
    /// Whether a secret ended directly before the held bytes.
    masked: bool,
}

impl SecretFilter {
    /// Creates a filter at the beginning of its input.
    pub(crate) fn new(secrets: Secrets) -> SecretFilter {
        SecretFilter { secrets, ..SecretFilter::default() }
    }

    /// Adds bytes, and returns those that may be written now.
    pub(crate) fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(finder) = &self.secrets.0 else { return Cow::Borrowed(bytes) };
        self.held.extend_from_slice(bytes);
        let found = finder.find_open(&self.held, self.before);
        let is_full = self.held.len() - found.open > HELD_BYTES_MAX;
        let end = if is_full { self.held.len() } else { found.open };
        let known: Vec<_> = found.ranges.into_iter().take_while(|it| it.end <= end).collect();
        Cow::Owned(self.give(end, &known))
    }

    /// Returns the remaining bytes at the end of the input.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let Some(finder) = &self.secrets.0 else { return Vec::new() };
        let known = finder.find(&self.held, self.before);
        self.give(self.held.len(), &known)
    }

    /// Returns the held bytes up to an offset, without the known secrets in them.
    fn give(&mut self, end: usize, known: &[Range<usize>]) -> Vec<u8> {
        let mut clean = without(&self.held[..end], known, MASK);
        // Secrets that touch get one mask, as they do in a text.
        if self.masked && known.first().is_some_and(|first| first.start == 0) {
            clean.drain(..MASK.len());
        }
        if end > 0 {
            self.masked = known.last().is_some_and(|last| last.end == end);
            let last = &self.held[end.saturating_sub(LAST_BYTES)..end];
            self.before =
                PrecedingByte { plain: last.last().copied(), read: DecodedText::of(last).last() };
        }
        self.held.drain(..end);
        clean
    }
}
