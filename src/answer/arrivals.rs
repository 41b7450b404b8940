//! Records when the tokens of one answer arrived. A chunk is not a token: speculative decoding,
//! slow clients and parsers put several into one. Their number comes from the server (usage in
//! every chunk, or token ids), or from its total where only one distribution is possible; else it
//! stays unknown.

use crate::stats::peak_per_second;
use crate::unit::At;

/// Limit of the arrivals kept for an answer that never ends: four MiB, twice as many tokens as the
/// longest context in use. Beyond it the times of single chunks are unknown, but the answer is
/// still followed.
const ARRIVALS_MAX: usize = 1 << 18;

/// Chunk that carried text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Time of the read.
    pub at: At,
    /// Number of tokens; 0 for text whose tokens were counted before.
    pub tokens: u32,
}

/// Chunks with text of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChunkTimes {
    list: Vec<Arrival>,
    chunks: u64,
    uncounted: bool,
    last: Option<At>,
    gap_us_max: Option<u64>,
}

impl ChunkTimes {
    /// Adds a chunk with text, with its number of tokens where the server reports it.
    pub(crate) fn push(&mut self, at: At, tokens: Option<u64>) {
        if let Some(last) = self.last {
            self.gap_us_max = self.gap_us_max.max(Some(at.since(last)));
        }
        self.last = Some(at);
        self.chunks += 1;
        self.uncounted |= tokens.is_none();
        if self.list.len() < ARRIVALS_MAX {
            let counted = tokens.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX));
            self.list.push(Arrival { at, tokens: counted.unwrap_or(1) });
        }
    }

    /// Whether the server reported the number of tokens of every chunk so far.
    pub(crate) fn are_counted(&self) -> bool {
        !self.uncounted
    }

    /// Returns the number of chunks with text.
    pub(crate) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Returns the time of the last chunk.
    pub(crate) fn last(&self) -> Option<At> {
        self.last
    }

    /// Returns the largest time between two chunks, in microseconds.
    pub(crate) fn gap_us_max(&self) -> Option<u64> {
        self.gap_us_max
    }

    /// Returns the times between chunks, in microseconds.
    pub(crate) fn gap_us(&self) -> Vec<u64> {
        self.list.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect()
    }

    /// Returns the chunks with their tokens, where these are known. `total` is the server's count
    /// of the whole answer; `stopped` means that it includes a stop token, which has no text.
    pub(crate) fn counted(&self, total: Option<u64>, stopped: bool) -> Option<&[Arrival]> {
        let whole = self.list.len() as u64 == self.chunks;
        // As many chunks as tokens: each chunk is one token.
        let one_each = total == Some(self.chunks) || stopped && total == Some(self.chunks + 1);
        (whole && self.chunks > 0 && (!self.uncounted || one_each)).then_some(&self.list)
    }
}

/// Returns times between tokens: the time since the previous chunk, divided by the chunk's tokens.
pub(crate) fn itl_us(arrivals: &[Arrival]) -> Vec<(u64, u64)> {
    let mut times = Vec::new();
    let mut before: Option<At> = None;
    for arrival in arrivals.iter().filter(|arrival| arrival.tokens > 0) {
        if let Some(before) = before {
            let tokens = u64::from(arrival.tokens);
            times.push((arrival.at.since(before) / tokens, tokens));
        }
        before = Some(arrival.at);
    }
    times
}

/// Returns the most tokens in any one second.
pub(crate) fn peak_tokens(arrivals: &[Arrival]) -> u64 {
    peak_per_second(arrivals.iter().map(|arrival| (arrival.at, u64::from(arrival.tokens))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(chunks: &[(u64, Option<u64>)]) -> ChunkTimes {
        let mut arrivals = ChunkTimes::default();
        for (at_ms, tokens) in chunks {
            arrivals.push(At(at_ms * 1000), *tokens);
        }
        arrivals
    }

    #[test]
    fn four_tokens_in_a_chunk_share_the_time_before_it() {
        let arrivals = arrivals(&[(100, Some(4)), (180, Some(4)), (190, Some(0)), (300, Some(2))]);
        let counted = arrivals.counted(Some(10), false).unwrap();
        assert_eq!(itl_us(counted), [(20_000, 4), (60_000, 2)]);
        assert_eq!(arrivals.gap_us(), [80_000, 10_000, 110_000]);
        assert_eq!(arrivals.gap_us_max(), Some(110_000));
    }

    #[test]
    fn uncounted_chunks_are_tokens_only_if_the_total_leaves_no_choice() {
        let arrivals = arrivals(&[(0, None), (10, None), (20, None)]);
        assert!(arrivals.counted(Some(3), false).is_some());
        assert!(arrivals.counted(Some(4), true).is_some(), "three and the stop token");
        assert!(arrivals.counted(Some(4), false).is_none());
        assert!(arrivals.counted(Some(12), true).is_none());
        assert!(arrivals.counted(None, false).is_none());
    }
}
