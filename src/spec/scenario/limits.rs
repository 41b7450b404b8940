//! Defines the limits of requests, answers and outages.

use std::time::Duration;

use crate::error::Mistake;
use crate::spec::field::Field;
use crate::unit;

/// Limits of requests, answers and outages. A limit of answers that is `None` follows from the
/// requested length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Time without a first token: `timed_out`.
    pub first_token: Duration,
    /// Time without a further token: `stalled`.
    pub stall: Duration,
    /// Time of a whole answer, from its sending: `endless`.
    pub answer: Option<Duration>,
    /// Tokens of an answer beyond the requested ones: `endless`.
    pub tokens: Option<u64>,
    /// Events and comments of an answer: `endless`.
    pub frames: Option<u64>,
    /// Bytes of an answer: `endless`.
    pub bytes: Option<u64>,
    /// Longest outage; a longer one ends the run.
    pub away: Duration,
    /// Longest wait for the server at the start.
    pub ready: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            first_token: Duration::from_secs(30 * 60),
            stall: Duration::from_secs(2 * 60),
            answer: None,
            tokens: None,
            frames: None,
            bytes: None,
            away: Duration::from_secs(45 * 60),
            ready: Duration::from_secs(45 * 60),
        }
    }
}

/// Limits of one answer. One that exceeds any of them has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerLimits {
    /// Time from its sending to its end, as soon as a token came.
    pub time: Duration,
    pub tokens: u64,
    /// Events and comments.
    pub frames: u64,
    pub bytes: u64,
}

/// Tokens beyond the requested ones that an answer may have: so many for each requested token, and
/// so many more. Some servers count reasoning apart.
const TOKENS_MORE: (u64, u64) = (3, 256);

/// Time for each requested token, beside the waits for the first and the next token. Servers that
/// answer slower are not loaded with long answers.
const TOKEN_TIME: Duration = Duration::from_secs(2);

/// Events and comments for each requested token, and so many more: 50 keep-alives per second during
/// a prefill of half an hour.
const FRAMES: (u64, u64) = (16, 100_000);

/// Bytes for each requested token, as with the log probabilities of many alternatives, and so many
/// more, as with the token ids of a deep prompt.
const BYTES: (u64, u64) = (64 << 10, 64 << 20);

/// Largest number of tokens or frames that a scenario may allow.
const COUNT_MAX: u64 = 1_000_000_000;

impl Limits {
    /// Returns the limits of an answer of so many requested tokens.
    pub(crate) fn of_answer(&self, output: u64) -> AnswerLimits {
        let by_length = |(each, more): (u64, u64)| output.saturating_mul(each).saturating_add(more);
        let tokens = self.tokens.unwrap_or_else(|| by_length(TOKENS_MORE));
        let token_time = TOKEN_TIME.saturating_mul(u32::try_from(output).unwrap_or(u32::MAX));
        let time = (self.first_token + self.stall).saturating_add(token_time);
        AnswerLimits {
            time: self.answer.unwrap_or(time),
            tokens: output.saturating_add(tokens),
            frames: self.frames.unwrap_or_else(|| by_length(FRAMES)),
            bytes: self.bytes.unwrap_or_else(|| by_length(BYTES)),
        }
    }

    /// Returns the longest time that an answer of so many requested tokens may take, from its
    /// sending.
    pub(crate) fn longest_answer(&self, output: u64) -> Duration {
        (self.first_token + self.stall).max(self.of_answer(output).time)
    }
}

/// Keys of `limits`.
const KEYS: [&str; 8] =
    ["first_token", "stall", "answer", "tokens", "frames", "bytes", "away", "ready"];

/// Parses `limits`.
///
/// # Errors
/// The first mistake, with its place.
pub(super) fn read(field: &Field<'_>, longest: Duration) -> Result<Limits, Mistake> {
    let mut limits = Limits::default();
    for (key, limit) in field.map(&KEYS)? {
        match key {
            "first_token" => limits.first_token = limit.duration(longest)?,
            "stall" => limits.stall = limit.duration(longest)?,
            "answer" => limits.answer = Some(limit.duration(longest)?),
            "tokens" => limits.tokens = Some(limit.tokens(0, COUNT_MAX)?),
            "frames" => limits.frames = Some(limit.whole(1, COUNT_MAX)?),
            "bytes" => limits.bytes = Some(bytes(&limit)?),
            "away" => limits.away = limit.duration(longest)?,
            _ => limits.ready = limit.duration(longest)?,
        }
    }
    Ok(limits)
}

fn bytes(limit: &Field<'_>) -> Result<u64, Mistake> {
    match unit::bytes(limit.text()?) {
        Ok(size) if size.0 > 0 => Ok(size.0),
        Ok(_) => Err(limit.mistake("an answer of 0 bytes is none").hint("bytes: 64MiB")),
        Err(why) => Err(limit.mistake(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_an_answer_follow_from_its_length_where_the_scenario_has_none() {
        let limits = Limits::default();
        let of_four = limits.of_answer(4);
        assert_eq!((of_four.tokens, of_four.frames), (4 + 3 * 4 + 256, 100_064));
        assert_eq!(of_four.time, Duration::from_secs(32 * 60 + 8));
        assert_eq!(of_four.bytes, (64 << 20) + (256 << 10));
        assert_eq!(limits.of_answer(u64::MAX).tokens, u64::MAX, "and no overflow");
        let own = Limits {
            answer: Some(Duration::from_secs(5)),
            tokens: Some(0),
            frames: Some(7),
            bytes: Some(9),
            ..limits
        };
        let (time, tokens, frames, bytes) = (Duration::from_secs(5), 4, 7, 9);
        assert_eq!(own.of_answer(4), AnswerLimits { time, tokens, frames, bytes });
        assert_eq!(own.longest_answer(4), Duration::from_secs(32 * 60), "until the first token");
    }
}
