//! Records when the tokens of one answer arrived. A chunk is not a token: speculative decoding,
//! slow clients and parsers put several into one. Their number comes from the server (usage in
//! every chunk, or token ids), or from its total where only one distribution is possible; else it
//! stays unknown.
//!
//! Nor is a read a moment of the server: what was held back on the way comes at once, in one read
//! or in several without a pause. Such chunks are one arrival, so that no time of 0 stands for a
//! time that nobody knows.

use crate::fact::TOKEN_US_MIN;
use crate::stats::peak_per_second;
use crate::unit::At;

/// Limit of the arrivals kept for an answer that never ends: four MiB, twice as many tokens as the
/// longest context in use. Beyond it the times of single chunks are unknown, but the answer is
/// still followed.
const ARRIVALS_MAX: usize = 1 << 18;

/// Text that came at one time: a chunk, or several that arrived in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Time of the first read.
    pub at: At,
    /// Number of tokens; 0 for text whose tokens were counted before.
    pub tokens: u32,
}

/// Chunks with text of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChunkTimes {
    list: Vec<Arrival>,
    /// Whether the list is too short for all arrivals.
    is_cut: bool,
    chunks: u64,
    uncounted: bool,
    last: Option<At>,
    gap_us_max: Option<u64>,
}

impl ChunkTimes {
    /// Adds a chunk with text, with its number of tokens where the server reports it.
    pub(crate) fn push(&mut self, at: At, tokens: Option<u64>) {
        let gap_us = self.last.replace(at).map(|last| at.since(last));
        self.chunks += 1;
        self.uncounted |= tokens.is_none();
        let tokens = tokens.map_or(1, |tokens| u32::try_from(tokens).unwrap_or(u32::MAX));
        let is_held = gap_us.is_some_and(|us| us < u64::from(tokens.max(1)) * TOKEN_US_MIN);
        let is_full = self.list.len() >= ARRIVALS_MAX;
        match self.list.last_mut() {
            Some(arrival) if is_held => arrival.tokens = arrival.tokens.saturating_add(tokens),
            _ if is_full => self.is_cut = true,
            _ => self.list.push(Arrival { at, tokens }),
        }
        self.gap_us_max = self.gap_us_max.max(gap_us.filter(|_| !is_held));
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

    /// Returns the largest time between two arrivals, in microseconds.
    pub(crate) fn gap_us_max(&self) -> Option<u64> {
        self.gap_us_max
    }

    /// Returns the times between arrivals, in microseconds.
    pub(crate) fn gap_us(&self) -> Vec<u64> {
        self.list.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect()
    }

    /// Returns the arrivals with their tokens, where these are known. `total` is the server's count
    /// of the whole answer; `stopped` means that it includes a stop token, which has no text.
    pub(crate) fn counted(&self, total: Option<u64>, stopped: bool) -> Option<&[Arrival]> {
        // As many chunks as tokens: each chunk is one token.
        let one_each = total == Some(self.chunks) || stopped && total == Some(self.chunks + 1);
        (!self.is_cut && self.chunks > 0 && (!self.uncounted || one_each)).then_some(&self.list)
    }
}

/// Returns times between tokens: the time since the previous arrival, divided by the tokens of this
/// one.
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
    fn chunks_that_come_at_once_are_one_arrival_and_what_comes_after_a_pause_is_another() {
        let mut arrivals = ChunkTimes::default();
        // The first token, a burst in two reads, and the rest in one.
        for at_us in [20_000, 700_000, 700_000, 700_040, 760_000, 760_000] {
            arrivals.push(At(at_us), Some(1));
        }
        let counted = arrivals.counted(None, false).unwrap();
        assert_eq!(counted.iter().map(|it| it.tokens).collect::<Vec<_>>(), [1, 3, 2]);
        assert_eq!(itl_us(counted), [(226_666, 3), (30_000, 2)]);
        assert_eq!((arrivals.gap_us(), arrivals.chunks()), (vec![680_000, 60_000], 6));
        assert_eq!(arrivals.gap_us_max(), Some(680_000));
    }

    #[test]
    fn a_stream_that_comes_at_once_has_no_times_between_its_tokens() {
        let mut arrivals = ChunkTimes::default();
        (0..16).for_each(|nth| arrivals.push(At(80_000 + nth * 30), None));
        assert_eq!((arrivals.gap_us(), arrivals.gap_us_max()), (vec![], None));
        let counted = arrivals.counted(Some(16), false).unwrap();
        assert_eq!((counted[0].tokens, itl_us(counted)), (16, vec![]));
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
