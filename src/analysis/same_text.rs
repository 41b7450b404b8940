//! Recognises answers whose text another answer already had, though the prompt was another. A cache
//! of whole answers, a model that has fallen apart and a mock give such answers; so does a healthy
//! model, now and then and for short answers, so it is told and not judged.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use crate::fact::{Phase, Request};

/// Answers that are remembered.
const REMEMBERED: usize = 256;

/// Least tokens of an answer, or chunks where they are not counted: several prompts may well have
/// the same first words.
const TOKENS_MIN: u64 = 16;

/// Place of a prompt in the plan: no two have the same text.
type Prompt = (Phase, u32, u64);

/// Hashes of the texts of the last answers.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentTexts(VecDeque<(Prompt, u64)>);

impl RecentTexts {
    /// Whether an answer has the text of one of the last answers to other prompts. Remembers it.
    pub(super) fn is_of_another(&mut self, request: &Request) -> bool {
        let tokens = request.output_tokens.unwrap_or(request.chunks);
        let Some(text) = request.answer.as_ref().filter(|_| tokens >= TOKENS_MIN) else {
            return false;
        };
        if !request.ended.is_good() {
            return false;
        }
        let prompt = (request.phase, request.lane, request.slot);
        let text = BuildHasherDefault::<DefaultHasher>::default().hash_one(text);
        let found = self.0.iter().any(|(other, known)| *known == text && *other != prompt);
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((prompt, text));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixture::Story;

    #[test]
    fn a_text_is_the_same_only_for_another_prompt_and_for_more_than_a_few_words() {
        let mut texts = RecentTexts::default();
        let mut story = Story::new();
        let mut next = |text: &str, tokens| {
            let answer = Some(text.to_owned());
            let request = story.request(1.0, 0);
            Request { answer, output_tokens: Some(tokens), ..request }
        };
        let first = next("a", 16);
        assert!(!texts.is_of_another(&first));
        assert!(!texts.is_of_another(&first), "the same prompt was asked again");
        assert!(texts.is_of_another(&next("a", 16)));
        assert!(!texts.is_of_another(&next("b", 16)));
        assert!(!texts.is_of_another(&next("a", 15)), "a few words");
        for number in 0..REMEMBERED {
            texts.is_of_another(&next(&number.to_string(), 16));
        }
        assert!(!texts.is_of_another(&next("a", 16)), "long ago");
    }
}
