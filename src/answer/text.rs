//! Keeps the fingerprint and the length of an answer's text, never the text itself.

use std::ops::RangeInclusive;

use crate::protocol::openai::Chunk;

/// Separator between two kinds of text, so that a word that moves from reasoning to content changes
/// the fingerprint. UTF-8 has no such byte.
const SEPARATOR: u8 = 0xff;

/// Marks around reasoning.
const THINK_MARKS: [&str; 2] = ["<think>", "</think>"];

/// Text of one answer so far.
#[derive(Clone, Debug, Default)]
pub(super) struct AnswerText {
    hasher: crc32fast::Hasher,
    kind: Option<u8>,
    bytes: u64,
    tools: u64,
    /// Whether there was anything to see: a tool call, or a character that is not blank.
    visible: bool,
    replaced: bool,
    think_marks: bool,
    /// End of the content so far, shorter than a mark.
    tail: String,
}

/// Characters that are not to be seen and that Unicode does not count as white space: those with the
/// property `Default_Ignorable_Code_Point` (zero-width spaces and joiners, marks of direction,
/// variation selectors, tags …), and the braille pattern without dots.
const UNSEEN: [RangeInclusive<char>; 16] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Whether a character is not to be seen.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || UNSEEN.iter().any(|range| range.contains(&character))
}

/// Returns the first boundary between characters at an offset or after it.
fn boundary(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset += 1;
    }
    offset
}

impl AnswerText {
    /// Adds the text of a chunk.
    pub(super) fn push(&mut self, chunk: &Chunk) {
        for (kind, text) in [(b'r', &chunk.reasoning), (b'c', &chunk.content), (b't', &chunk.tool)]
        {
            if text.is_empty() {
                continue;
            }
            if self.kind.replace(kind) != Some(kind) {
                self.hasher.update(&[SEPARATOR, kind]);
            }
            self.hasher.update(text.as_bytes());
            self.bytes += text.len() as u64;
            self.visible |= !text.chars().all(is_blank);
            // The other half of a character may come with the next chunk.
            self.replaced |= !chunk.halved && text.contains('\u{fffd}');
        }
        self.tools += chunk.tools_begun;
        self.visible |= chunk.tools_begun > 0;
        self.find_marks(&chunk.content);
    }

    /// Whether there was anything to see, on any channel.
    pub(super) fn visible(&self) -> bool {
        self.visible
    }

    /// Looks for a mark of reasoning, which two chunks may share.
    fn find_marks(&mut self, content: &str) {
        if self.think_marks || content.is_empty() {
            return;
        }
        let longest = THINK_MARKS.iter().map(|mark| mark.len()).max().unwrap_or_default();
        let beginning = boundary(content, longest.min(content.len()));
        self.tail.push_str(&content[..beginning]);
        let has = |text: &str| THINK_MARKS.iter().any(|mark| text.contains(mark));
        self.think_marks = has(&self.tail) || has(content);
        let last = if beginning < content.len() { content } else { &self.tail };
        let from = boundary(last, last.len().saturating_sub(longest - 1));
        self.tail = last[from..].to_owned();
    }

    /// Whether the content had a mark of reasoning.
    pub(super) fn think_marks(&self) -> bool {
        self.think_marks
    }

    /// Returns the bytes of text on all channels.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn tools(&self) -> u64 {
        self.tools
    }

    /// Whether the text had a replacement character.
    pub(super) fn replaced(&self) -> bool {
        self.replaced
    }

    /// Returns the CRC-32 of all text in hex, with its kinds kept apart; it does not depend on the
    /// cuts between chunks. `None` without visible text.
    pub(super) fn fingerprint(&self) -> Option<String> {
        self.visible.then(|| format!("{:08x}", self.hasher.clone().finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(chunks: &[(&str, &str)]) -> Option<String> {
        let mut text = AnswerText::default();
        for (reasoning, content) in chunks {
            text.push(&Chunk {
                reasoning: (*reasoning).to_owned(),
                content: (*content).to_owned(),
                ..Chunk::default()
            });
        }
        text.fingerprint()
    }

    #[test]
    fn a_fingerprint_depends_on_the_text_and_its_kinds_not_on_chunks() {
        assert_eq!(fingerprint(&[("ab", ""), ("", "cd")]), fingerprint(&[("a", ""), ("b", "cd")]));
        assert_ne!(fingerprint(&[("ab", "cd")]), fingerprint(&[("a", "bcd")]));
        for blank in ["", " \n\t", "\u{200b}\u{feff}", "\0", "\u{e0041}", "\u{fe0f}", "\u{2064}"] {
            assert_eq!(fingerprint(&[("", blank), (blank, "")]), None, "{blank:?}");
        }
        assert!(fingerprint(&[("", " a")]).is_some() && fingerprint(&[("hm", "\n")]).is_some());
        assert!(fingerprint(&[("", "\u{2764}\u{fe0f}")]).is_some(), "a heart, in colour");
    }
}
