//! Follows the server's counts of one answer: usage in chunks and after them, and token ids. A
//! count that cannot be one (zeros beside text, totals that do not grow with the text) is not used;
//! the value stays unknown.

use crate::protocol::openai::{Chunk, Usage};

/// Counts of one answer so far.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenCounts {
    /// Latest counts of each kind.
    usage: Usage,
    /// Whether a usage record came, whatever it counted.
    has_record: bool,
    /// Whether the record after the answer came, and not only running counts.
    is_whole: bool,
    /// Whether a record counted no output token.
    says_none: bool,
    running: RunningCount,
    /// Output tokens that the chunks so far account for.
    attributed: u64,
    /// Token ids so far, and those of them that came without text since the last chunk with text.
    ids: u64,
    ids_pending: u64,
    /// Tokens that cannot have been received: more tokens in a chunk than bytes of text.
    unseen: u64,
}

/// Counts of a whole answer; unknown ones are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub usage: Usage,
    /// Whether a usage record came, whatever it counted.
    pub has_record: bool,
    /// Whether the counts in the chunks, if there were any, can be believed.
    pub are_running: bool,
    /// Tokens in the count that cannot have been received.
    pub unseen: u64,
}

/// Text of an answer, as far as its tokens are concerned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Received {
    /// Chunks with text.
    pub chunks: u64,
    pub bytes: u64,
    /// Tool calls that began.
    pub tools: u64,
}

impl TokenCounts {
    /// Takes the counts of a chunk; returns whether tokens were made since the last one.
    pub(super) fn fold(&mut self, chunk: &Chunk) -> bool {
        let before = self.usage.output.unwrap_or(0);
        if let Some(usage) = chunk.usage {
            self.take_usage(usage, !chunk.of_answer || chunk.finish.is_some());
        }
        let ids = chunk.ids.unwrap_or(0);
        self.ids += ids;
        self.ids_pending += ids;
        let after = self.usage.output.unwrap_or(0);
        // The usage record after the answer says nothing about time.
        chunk.of_answer && (ids > 0 || after > before)
    }

    fn take_usage(&mut self, usage: Usage, is_last: bool) {
        self.has_record = true;
        self.says_none |= usage.output == Some(0);
        // No prompt is empty: a record of zeros counts nothing, and wipes nothing out.
        let (prompt, output) = (counted(usage.prompt), counted(usage.output));
        if prompt.is_none() && output.is_none() {
            return;
        }
        self.is_whole |= is_last;
        let known = self.usage;
        self.usage = Usage {
            prompt: prompt.or(known.prompt),
            cached: usage.cached.or(known.cached),
            output: output.or(known.output),
            reasoning: usage.reasoning.or(known.reasoning),
        };
    }

    /// Returns the tokens of a chunk with text, where the server counts them.
    pub(super) fn of_text(&mut self, chunk: &Chunk) -> Option<u64> {
        let so_far = chunk.usage.and_then(|usage| counted(usage.output));
        if let Some(so_far) = so_far {
            self.running.fold(so_far);
        }
        so_far
            .map(|so_far| so_far.saturating_sub(self.attributed))
            .or_else(|| chunk.ids.map(|_| self.ids_pending))
    }

    /// Attributes tokens to a chunk with text.
    pub(super) fn attribute(&mut self, tokens: u64, chunk: &Chunk) {
        self.attributed += tokens;
        self.ids_pending = 0;
        // The first chunk of a tool call may have no text of its own.
        self.unseen += tokens.saturating_sub(chunk.text_bytes().max(chunk.tools_begun));
    }

    /// Returns the number of tokens that the chunks so far account for.
    pub(super) fn attributed(&self) -> u64 {
        self.attributed
    }

    /// Returns the counts of the answer when it is over.
    pub(super) fn totals(&self, text: Received) -> Totals {
        let total = self.usage.output.filter(|_| self.is_whole);
        let are_running = self.running.is_running_count(total);
        let mut usage = self.usage;
        usage.output = usage
            .output
            .filter(|_| self.is_whole || are_running)
            // A chunk has at least one token: a count far below the number of chunks is ignored.
            .filter(|output| output * 2 >= text.chunks)
            // Ids in every chunk are a count by the server, too.
            .or((self.ids > 0).then_some(self.ids))
            .or((self.says_none && text.chunks == 0).then_some(0));
        let total = usage.output.unwrap_or(0);
        let unseen = if self.attributed > 0 && are_running {
            self.unseen + total.saturating_sub(self.attributed)
        } else {
            total.saturating_sub(text.bytes.max(text.tools))
        };
        Totals { usage, has_record: self.has_record, are_running, unseen }
    }

    /// Whether the last record was that after the answer.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// Returns a count that counts something.
fn counted(count: Option<u64>) -> Option<u64> {
    count.filter(|count| *count > 0)
}

/// Counts of output tokens in the chunks with text. Where each is the number of tokens so far, it
/// grows with nearly every chunk and ends below the total; a server may also send the total in
/// every chunk, or the tokens of that chunk.
#[derive(Clone, Debug, Default)]
struct RunningCount {
    chunks: u64,
    last: u64,
    /// Chunks with text that did not raise it.
    still: u64,
    fell: bool,
}

impl RunningCount {
    fn fold(&mut self, so_far: u64) {
        self.still += u64::from(self.chunks > 0 && so_far == self.last);
        self.fell |= so_far < self.last;
        self.last = so_far;
        self.chunks += 1;
    }

    /// Whether the counts are running ones, as far as they show it. Text may come later than its
    /// token, so some chunks do not raise the count.
    fn is_running_count(&self, total: Option<u64>) -> bool {
        let steps = self.chunks.saturating_sub(1);
        !self.fell && self.still * 2 <= steps && total.is_none_or(|total| self.last <= total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of a stream of one-byte words with these counts of output, and of a record after it.
    fn totals(each: &[u64], last: Option<u64>) -> Totals {
        let mut counts = TokenCounts::default();
        let usage = |output| Some(Usage { prompt: Some(9), output, ..Usage::default() });
        for so_far in each {
            let chunk = Chunk {
                of_answer: true,
                content: "w".to_owned(),
                usage: usage(Some(*so_far)),
                ..Chunk::default()
            };
            counts.fold(&chunk);
            if let Some(tokens) = counts.of_text(&chunk) {
                counts.attribute(tokens, &chunk);
            }
        }
        counts.fold(&Chunk { usage: last.and_then(|n| usage(Some(n))), ..Chunk::default() });
        let chunks = each.len() as u64;
        counts.totals(Received { chunks, bytes: chunks, tools: 0 })
    }

    #[test]
    fn a_count_that_grows_with_the_text_is_a_running_one() {
        for each in [&[1, 2, 3, 4][..], &[2, 2, 3, 4], &[4, 8], &[4]] {
            let totals = totals(each, Some(9));
            assert!(totals.are_running, "{each:?}");
        }
        assert_eq!(totals(&[1, 2, 3], None).usage.output, Some(3), "the last is the best known");
    }

    #[test]
    fn totals_and_single_counts_in_every_chunk_are_no_running_count_and_blame_nobody() {
        for each in [&[4, 4, 4, 4][..], &[1, 1, 1, 1], &[1, 2, 1, 2], &[9, 10, 11, 12]] {
            let totals = totals(each, Some(4));
            assert_eq!((totals.are_running, totals.unseen), (false, 0), "{each:?}");
            assert_eq!(totals.usage.output, Some(4), "{each:?}");
        }
        assert_eq!(totals(&[1, 1, 1, 1], None).usage.output, None);
        assert_eq!(totals(&[1, 1, 1, 1], Some(1)).usage.output, None, "a total of a chunk");
    }

    #[test]
    fn zeros_beside_text_are_no_count_and_wipe_nothing_out() {
        let mut counts = TokenCounts::default();
        let record = |prompt, output| Chunk {
            usage: Some(Usage { prompt: Some(prompt), output: Some(output), ..Usage::default() }),
            ..Chunk::default()
        };
        counts.fold(&record(9, 4));
        counts.fold(&record(0, 0));
        let text = Received { chunks: 4, bytes: 4, tools: 0 };
        let usage = counts.totals(text).usage;
        assert_eq!((usage.prompt, usage.output), (Some(9), Some(4)));
        let zeros = totals(&[0, 0, 0], Some(0));
        assert_eq!((zeros.usage.output, zeros.has_record, zeros.unseen), (None, true, 0));
        assert_eq!(totals(&[], Some(0)).usage.output, Some(0), "no text, and no token");
    }
}
