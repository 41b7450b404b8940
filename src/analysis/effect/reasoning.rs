//! Tells a reasoning parser by the answers: whether reasoning came on a channel of its own, or
//! stands in the visible content.

use std::collections::BTreeMap;

use super::{EffectWord, Shown};
use crate::engine::effect::always_reasons;
use crate::fact::{Class, Request, Seq};
use crate::unit::grouped;

/// Least number of answers after which a model that always reasons must have done so.
const ANSWERS_MIN: u64 = 20;

/// Answers by the channels that they used.
#[derive(Clone, Debug, Default)]
pub(super) struct Reasoning {
    apart: u64,
    content_only: u64,
    marked: u64,
    /// First answer of each kind.
    first: [Option<Seq>; 3],
}

impl Reasoning {
    pub(super) fn fold(&mut self, seq: Seq, request: &Request) {
        // A tool call comes before content, too.
        let is_text = request.ended.is_good() && request.class != Class::Tool;
        let Some(first_us) = request.ttft_us.filter(|_| is_text && request.answer.is_some()) else {
            return;
        };
        let later = request.ttft_content_us.is_none_or(|content_us| content_us > first_us);
        let is_apart = request.reasoning_tokens.map_or(later, |tokens| tokens > 0 || later);
        let is_marked = request.checks.iter().any(|check| check == "think_marks");
        let (count, place) = match (is_marked, is_apart) {
            (true, _) => (&mut self.marked, 2),
            (false, true) => (&mut self.apart, 0),
            (false, false) => (&mut self.content_only, 1),
        };
        *count += 1;
        self.first[place].get_or_insert(seq);
    }

    fn all(&self) -> u64 {
        self.apart + self.content_only + self.marked
    }

    /// Returns whether the parser is in effect, where the answers tell.
    pub(super) fn shown(&self, parser: &str, settings: &BTreeMap<String, String>) -> Option<Shown> {
        let all = grouped(self.all() as f64);
        if self.marked > 0 && self.marked >= self.apart {
            let marked = grouped(self.marked as f64);
            let why = format!("`<think>` stands in the content of {marked} of {all} answers");
            return Some(Shown::new(EffectWord::NotInEffect, why, self.first[2]));
        }
        if self.apart > 0 {
            let apart = grouped(self.apart as f64);
            let why = format!("{apart} of {all} answers have reasoning apart from their content");
            return Some(Shown::new(EffectWord::InEffect, why, self.first[0]));
        }
        let is_told_not_to = settings.iter().any(|(name, value)| {
            let value = value.to_ascii_lowercase();
            name.contains("chat_template_kwargs")
                && value.contains("thinking")
                && value.contains("false")
        });
        let is_silent = self.content_only >= ANSWERS_MIN;
        (is_silent && always_reasons(parser) && !is_told_not_to).then(|| {
            let why = format!("none of {all} answers has reasoning apart from its content");
            Shown::new(EffectWord::NotInEffect, why, self.first[1])
        })
    }

    /// Returns that no answer showed it.
    pub(super) fn hint(&self) -> Option<String> {
        let all = grouped(self.all() as f64);
        (self.content_only > 0).then(|| format!("none of {all} answers has reasoning"))
    }
}
