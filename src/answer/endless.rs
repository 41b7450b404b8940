//! Decides whether an answer has no end: whether it has more tokens, events, bytes or time than an
//! answer may have, whatever it is made of.

use crate::spec::AnswerLimits;
use crate::unit::{grouped, span};

/// What came of an answer so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amounts {
    /// Output tokens: the best known count.
    pub tokens: u64,
    /// Events that carried text, a higher count, token ids or a finish reason. Each stands for a
    /// token at least, in whatever it is told.
    pub steps: u64,
    /// Events and comments.
    pub frames: u64,
    pub bytes: u64,
}

impl Amounts {
    /// Returns what exceeds the limits of an answer to so many requested tokens, in words.
    pub(super) fn beyond(&self, limits: &AnswerLimits, asked: u64) -> Option<String> {
        let Amounts { tokens, steps, frames, bytes } = *self;
        if tokens.max(steps) > limits.tokens {
            let what = if tokens > limits.tokens { "tokens" } else { "events that tell of tokens" };
            return Some(format!(
                "no end: {} {what}, and {asked} were asked for",
                grouped(tokens.max(steps) as f64)
            ));
        }
        if frames > limits.frames {
            return Some(format!("no end: {} events and comments", grouped(frames as f64)));
        }
        (bytes > limits.bytes).then(|| format!("no end: {} bytes", grouped(bytes as f64)))
    }
}

/// Describes an answer that took longer than an answer may, since its sending.
pub(super) fn too_long(lasted_us: u64) -> String {
    format!("no end: it goes on {} after sending", span(lasted_us as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_exceeds_its_limit_is_told_and_the_limit_itself_is_not_exceeded() {
        let time = Duration::from_secs(1);
        let limits = AnswerLimits { time, tokens: 9, frames: 20, bytes: 5_000 };
        let within = Amounts { tokens: 9, steps: 9, frames: 20, bytes: 5_000 };
        assert_eq!(within.beyond(&limits, 4), None);
        let words = |amounts: Amounts| amounts.beyond(&limits, 4).unwrap();
        let texts = [
            words(Amounts { tokens: 10, ..within }),
            words(Amounts { steps: 10, ..within }),
            words(Amounts { frames: 21, ..within }),
            words(Amounts { bytes: 5_001, ..within }),
            too_long(9_000_000),
        ];
        insta::assert_snapshot!(texts.join("\n"), @"
        no end: 10 tokens, and 4 were asked for
        no end: 10 events that tell of tokens, and 4 were asked for
        no end: 21 events and comments
        no end: 5,001 bytes
        no end: it goes on 9.00 s after sending
        ");
    }
}
