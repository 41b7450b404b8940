//! Counts the chunks of answers against their tokens. Where a server sends a chunk for each token, an
//! answer in clearly fewer chunks lost text, or had several tokens in a chunk.

use crate::fact::{Request, Seq};
use crate::measure::RequestShare;
use crate::unit::At;

/// Difference in an answer of a chunk for each token: the stop token has none.
const SLACK: u64 = 1;

/// Tokens without a chunk of their own that are no sign: the marks around reasoning, which a parser
/// keeps.
const MISSING_TOKENS: u64 = 8;
/// The same as a part of the answer: under load a server sends a few tokens in one chunk.
const MISSING_PART: u64 = 10;

/// Whole answers of a group whose chunks and tokens can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChunkCounts {
    pub answers: u64,
    /// Number of these with a chunk for each token.
    pub each: u64,
    /// Number of these with clearly fewer chunks than tokens, and unknown tokens of each chunk.
    pub fewer: u64,
    /// First of the latter.
    pub first: Option<FewerChunks>,
}

/// Answer with fewer chunks than tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FewerChunks {
    pub seq: Seq,
    /// Time at which its request was sent.
    pub sent: At,
    pub chunks: u64,
    pub tokens: u64,
}

impl ChunkCounts {
    /// Takes in a whole answer. One that came at once was held back on the way, and one whose lost
    /// text a check found is told already.
    pub(super) fn fold(&mut self, seq: Seq, request: &Request) {
        let chunks = request.chunks;
        let Some(tokens) = request.output_tokens.filter(|tokens| *tokens > MISSING_TOKENS) else {
            return;
        };
        let is_told = request.fired().any(|check| check == RequestShare::Swallowed.word());
        if chunks == 0 || request.came_at_once() || is_told {
            return;
        }
        self.answers += 1;
        self.each += u64::from(tokens.abs_diff(chunks) <= SLACK);
        let missing = tokens.saturating_sub(chunks);
        let is_fewer = missing > MISSING_TOKENS && missing > tokens / MISSING_PART;
        // Where the server counts the tokens of each chunk, a check looks for lost text.
        if is_fewer && request.first_tokens.is_none() {
            self.fewer += 1;
            self.first.get_or_insert(FewerChunks { seq, sent: request.sent, chunks, tokens });
        }
    }
}
