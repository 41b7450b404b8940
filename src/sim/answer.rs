//! Generates the model's responses: plain sentences, each word one token of the tokenizer. A
//! response is a function of the prompt alone, as at temperature 0, so the same prompt gets the
//! same response from every server and every start.

use super::tokenizer::{self, THINK_END};
use crate::rng::{Rng, mix};

/// Channel of the response that a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Shown as reasoning.
    Reasoning,
    /// Counted but not shown: the token that ends reasoning.
    Hidden,
    /// Shown as the visible response.
    Content,
}

/// Token of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub id: u32,
    /// Text of the token; empty for a hidden one.
    pub text: String,
    pub channel: Channel,
}

/// Number of reasoning tokens before the visible response.
pub(crate) const REASONING: u64 = 24;
/// Shortest natural length, tokens. It exceeds the lengths that benchmarks request, so that
/// responses end at `max_tokens` as theirs do.
const LENGTH_MIN: u64 = 192;
/// Mean of the exponentially distributed length above it, tokens.
const LENGTH_MORE: f64 = 400.0;

/// Words of a sentence: one of each column, then a full stop.
const COLUMNS: [&[&str]; 7] = [
    &[" The", " This", " Each", " Every", " One", " That"],
    &[" old", " small", " quiet", " second", " bright", " common", " narrow", " steady"],
    &[" server", " river", " garden", " letter", " machine", " signal", " market", " window"],
    &[" keeps", " follows", " carries", " shows", " leaves", " finds", " holds", " crosses"],
    &[" the", " a", " its", " our", " every", " no"],
    &[" long", " first", " silver", " simple", " distant", " useful", " broken", " warm"],
    &[" road", " table", " answer", " engine", " harbour", " record", " morning", " number"],
];

/// Returns the key of the response to a prompt.
pub(crate) fn key(prompt: &[u32]) -> u64 {
    prompt.iter().fold(0, |key, id| mix(key, u64::from(*id)))
}

/// Returns the natural length of a response, tokens.
pub(crate) fn natural_length(key: u64) -> u64 {
    let more = -LENGTH_MORE * (1.0 - Rng::at(key, &[1]).unit()).ln();
    LENGTH_MIN + more as u64
}

/// Returns the token of a response at `index`, from 0.
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
