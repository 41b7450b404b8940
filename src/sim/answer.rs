//! What the model says: plain sentences, each word one token of the
//! tokenizer, a function of the prompt alone, as at temperature 0. The same
//! prompt gets the same answer from every server and every start.

use super::tokenizer::{self, THINK_END};
use crate::rng::{Rng, mix};

/// Where a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Shown as reasoning.
    Reasoning,
    /// Counted, and shown nowhere: the mark that ends reasoning.
    Hidden,
    /// The visible answer.
    Content,
}

/// One token of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub id: u32,
    /// Its text; empty where it is hidden.
    pub text: String,
    /// Where it is shown.
    pub channel: Channel,
}

/// Reasoning tokens before the visible answer.
pub(crate) const REASONING: u64 = 24;
/// The shortest answer that the model ends by itself. Longer than what
/// benchmarks ask for, so that answers are cut by `max_tokens` as theirs are.
const LENGTH_MIN: u64 = 192;
/// Mean of what comes on top of it; exponential.
const LENGTH_MORE: f64 = 400.0;

/// Sentence by sentence: one word of each column, then a full stop.
const COLUMNS: [&[&str]; 7] = [
    &[" The", " This", " Each", " Every", " One", " That"],
    &[" old", " small", " quiet", " second", " bright", " common", " narrow", " steady"],
    &[" server", " river", " garden", " letter", " machine", " signal", " market", " window"],
    &[" keeps", " follows", " carries", " shows", " leaves", " finds", " holds", " crosses"],
    &[" the", " a", " its", " our", " every", " no"],
    &[" long", " first", " silver", " simple", " distant", " useful", " broken", " warm"],
    &[" road", " table", " answer", " engine", " harbour", " record", " morning", " number"],
];

/// The key of a prompt's answer.
pub(crate) fn key(prompt: &[u32]) -> u64 {
    prompt.iter().fold(0, |key, id| mix(key, u64::from(*id)))
}

/// Tokens after which the answer ends by itself.
pub(crate) fn natural_length(key: u64) -> u64 {
    let more = -LENGTH_MORE * (1.0 - Rng::at(key, &[1]).unit()).ln();
    LENGTH_MIN + more as u64
}

/// The token of an answer at `index`, from 0.
pub(crate) fn token(key: u64, index: u64, reasoning: bool) -> Token {
    if reasoning && index == REASONING {
        return Token { id: THINK_END, text: String::new(), channel: Channel::Hidden };
    }
    let thinking = reasoning && index < REASONING;
    let channel = if thinking { Channel::Reasoning } else { Channel::Content };
    let place = if reasoning && !thinking { index - REASONING - 1 } else { index };
    let columns = COLUMNS.len() as u64;
    let text = match COLUMNS.get((place % (columns + 1)) as usize) {
        Some(words) => words[Rng::at(key, &[2, index]).below(words.len() as u64) as usize],
        None => ".",
    };
    // The first word of a text has no space before it.
    let text = if place == 0 { text.trim_start() } else { text };
    Token { id: tokenizer::id(text), text: text.to_owned(), channel }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_read_again_by_the_tokenizer_has_the_same_tokens() {
        let key = key(&[1, 2, 3]);
        let tokens: Vec<Token> = (0..100).map(|index| token(key, index, false)).collect();
        let text: String = tokens.iter().map(|token| token.text.as_str()).collect();
        let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        assert_eq!(tokenizer::encode(&text), ids, "{text}");
    }

    #[test]
    fn reasoning_comes_first_and_its_end_is_counted_but_not_shown() {
        let key = key(&[1]);
        assert_eq!(token(key, REASONING - 1, true).channel, Channel::Reasoning);
        assert_eq!(token(key, REASONING, true).text, "");
        assert_eq!(token(key, REASONING + 1, true).channel, Channel::Content);
        assert!(!token(key, REASONING + 1, true).text.starts_with(' '));
    }

    #[test]
    fn every_answer_is_longer_than_what_a_benchmark_asks_for() {
        assert!((0..1000).all(|prompt| natural_length(key(&[prompt])) >= LENGTH_MIN));
        assert_ne!(natural_length(key(&[1])), natural_length(key(&[2])));
    }
}
