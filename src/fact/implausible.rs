//! Judges by a request's row alone whether its answer can be what was requested: too few tokens, too
//! many, or too fast. Rows of earlier versions are judged as new ones are.

use super::Request;
use crate::measure::RequestShare;

/// Most tokens per second that one stream can have. The fastest services write some 3,000; a local
/// server reads all active weights for every step, and needs a fifth of a millisecond for the
/// kernels of a step alone.
const STREAM_TOKENS_PER_S_MAX: u64 = 5_000;

/// Least microseconds per token at that rate.
const STREAM_TOKEN_US_MIN: u64 = 1_000_000 / STREAM_TOKENS_PER_S_MAX;

/// Least number of tokens for which a rate is one.
const RATE_TOKENS_MIN: u64 = 8;

/// Tokens beyond the requested ones, or below them, that are no sign: some servers count the stop
/// token.
const SLACK_TOKENS: u64 = 1;

/// Check by a row, and its judgement.
type RowCheck = (RequestShare, fn(&Request) -> bool);

/// Checks that the row alone decides.
const OF_THE_ROW: [RowCheck; 3] = [
    (RequestShare::ShortAnswers, Request::is_far_short),
    (RequestShare::LongAnswers, Request::is_beyond_asked),
    (RequestShare::TooFast, Request::is_too_fast),
];

impl Request {
    /// Whether a whole answer has at most half of the requested tokens, by the server's count.
    pub(crate) fn is_far_short(&self) -> bool {
        let asked = self.cell.output;
        self.ended.is_good() && self.output_tokens.is_some_and(|tokens| tokens * 2 <= asked)
    }

    /// Returns the tokens of a whole answer that has fewer than were requested, but more than half of
    /// them, by the server's count.
    pub(crate) fn tokens_if_short(&self) -> Option<u64> {
        let tokens = self.output_tokens.filter(|_| self.ended.is_good())?;
        // Some servers do not count the stop token.
        let is_short = tokens + SLACK_TOKENS < self.cell.output && !self.is_far_short();
        is_short.then_some(tokens)
    }

    /// Whether a whole answer has more tokens than were requested, by the server's count.
    pub(crate) fn is_beyond_asked(&self) -> bool {
        // A context is loaded by requesting one token.
        let asked = self.cell.output.max(1);
        self.ended.is_good()
            && self.output_tokens.is_some_and(|tokens| tokens > asked + SLACK_TOKENS)
    }

    /// Whether a whole answer came at more than 5,000 tokens per second: from its sending to its last
    /// token, or after its first chunk where it did not arrive in one piece, and longhaul did not
    /// read it late. A chunk is a token where the server does not count more.
    pub(crate) fn is_too_fast(&self) -> bool {
        let Some((first_us, last_us)) = self.ttft_us.zip(self.last_us) else { return false };
        if !self.ended.is_good() {
            return false;
        }
        let is_above = |tokens: u64, us: u64| {
            tokens >= RATE_TOKENS_MIN && us < tokens.saturating_mul(STREAM_TOKEN_US_MIN)
        };
        let all = self.output_tokens.unwrap_or(0).max(self.chunks);
        let first = self.first_tokens.unwrap_or(1).max(1);
        let after = match self.first_tokens {
            Some(_) => all.saturating_sub(first),
            None => self.chunks.saturating_sub(1),
        };
        // What longhaul read late may have come as much earlier.
        let after_us = last_us.saturating_sub(first_us).saturating_add(self.delay_us());
        is_above(all, last_us) || !self.came_at_once() && is_above(after, after_us)
    }

    /// Sets how long longhaul itself stood still: about the first token, about the end, and between
    /// them. A check that fired because of it fires no more.
    pub(crate) fn set_delays(&mut self, first_us: u64, last_us: u64, gap_us: u64) {
        self.first_delay_us = Some(first_us);
        self.last_delay_us = Some(last_us);
        self.gap_delay_us = Some(gap_us);
        if !self.is_too_fast() {
            self.checks.retain(|check| check != RequestShare::TooFast.word());
        }
    }

    /// Returns the names of all checks that fired: those of the row, and those that the row alone
    /// decides and that a version which did not know them left out.
    pub(crate) fn fired(&self) -> impl Iterator<Item = &str> {
        let missing = OF_THE_ROW.iter().filter(|(check, fires)| {
            fires(self) && self.checks.iter().all(|known| known != check.word())
        });
        self.checks.iter().map(String::as_str).chain(missing.map(|(check, _)| check.word()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Ended;
    use crate::incident::fixture::Story;

    /// Whole answer to a request for 128 tokens.
    fn answer(tokens: Option<u64>) -> Request {
        Request { output_tokens: tokens, ..Story::new().request(1.0, 0) }
    }

    #[test]
    fn half_of_the_tokens_is_far_short_and_more_than_one_beyond_is_too_long() {
        let fired = |request: &Request| request.fired().collect::<Vec<_>>().join(" ");
        for (tokens, checks) in [
            (Some(1), "short_answers"),
            (Some(64), "short_answers"),
            (Some(65), ""),
            (Some(129), ""),
            (Some(130), "long_answers"),
            (None, ""),
        ] {
            assert_eq!(fired(&answer(tokens)), checks, "{tokens:?}");
        }
        let truncated = Request { ended: Ended::Truncated, ..answer(Some(1)) };
        assert_eq!(fired(&truncated), "", "it is counted as what it is");
        let known = Request { checks: vec!["short_answers".to_owned()], ..answer(Some(1)) };
        assert_eq!(fired(&known), "short_answers", "once");
    }

    #[test]
    fn a_rate_that_no_stream_has_is_too_fast_whole_or_after_its_first_chunk() {
        let timed = |ttft_us, last_us| Request {
            ttft_us: Some(ttft_us),
            last_us: Some(last_us),
            ..answer(Some(128))
        };
        assert!(timed(1_000, 1_000).is_too_fast(), "all of it after a millisecond");
        assert!(timed(300_000, 300_000 + 127 * 150).is_too_fast());
        assert!(!timed(300_000, 300_000 + 127 * 250).is_too_fast(), "4,000 a second");
        assert!(!timed(300_000, 300_100).is_too_fast(), "held back on the way");
        let word = Request { output_tokens: Some(2), chunks: 2, ..timed(200, 300) };
        assert!(!word.is_too_fast(), "too few for a rate");
        let uncounted = Request { output_tokens: None, first_tokens: None, ..timed(1_000, 2_000) };
        assert!(uncounted.is_too_fast(), "128 chunks");
    }

    #[test]
    fn tokens_that_longhaul_itself_read_late_are_not_too_fast() {
        let mut request = Request {
            ttft_us: Some(315_271),
            last_us: Some(315_271 + 127 * 110),
            checks: vec!["too_fast".to_owned()],
            ..answer(Some(128))
        };
        assert!(request.is_too_fast());
        request.set_delays(1_000, 0, 1_000);
        assert_eq!(request.checks, ["too_fast"], "a millisecond explains nothing");
        request.set_delays(356_966, 295_179, 295_179);
        assert_eq!(request.fired().count(), 0, "it was stopped for 0.3 s: {request:?}");
        let mut cached = Request { ttft_us: Some(1_000), last_us: Some(2_000), ..request };
        cached.set_delays(400_000, 0, 400_000);
        assert!(cached.is_too_fast(), "a late reader makes the whole time no shorter");
    }
}
