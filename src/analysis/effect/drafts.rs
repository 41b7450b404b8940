//! Tells speculative decoding by the engine's count of drafted tokens, which grows under load.

use super::{EffectWord, Shown, is_speculative};
use crate::engine::effect::counts_drafts_only_if_on;
use crate::fact::{Reading, Seq};
use crate::series::{DRAFT_TOKENS, GENERATION_TOKENS};
use crate::spec::recipe::DeclaredSettings;
use crate::unit::grouped;

/// Least growth of the output tokens after which drafts must have been seen.
const TOKENS_MIN: f64 = 256.0;

/// Methods that draft only where the text repeats itself.
const NOT_ALWAYS: [&str; 3] = ["ngram", "suffix", "prompt_lookup"];

/// Growth of a counter.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    least: f64,
    most: f64,
    /// Entry of the largest value.
    seq: Seq,
}

impl Growth {
    fn fold(growth: &mut Option<Growth>, seq: Seq, reading: &Reading) {
        let first = Growth { least: reading.min, most: reading.max, seq };
        let growth = growth.get_or_insert(first);
        growth.least = growth.least.min(reading.min);
        if reading.max > growth.most {
            (growth.most, growth.seq) = (reading.max, seq);
        }
    }

    fn by(self) -> f64 {
        self.most - self.least
    }
}

/// Counts of output tokens and of drafted tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Drafts {
    output: Option<Growth>,
    drafted: Option<Growth>,
}

impl Drafts {
    pub(super) fn fold(&mut self, seq: Seq, reading: &Reading) {
        if GENERATION_TOKENS.is_of(reading) {
            Growth::fold(&mut self.output, seq, reading);
        } else if DRAFT_TOKENS.is_of(reading) {
            Growth::fold(&mut self.drafted, seq, reading);
        }
    }

    /// Returns whether it drafts, where the metrics tell.
    pub(super) fn shown(&self, declared: &DeclaredSettings) -> Option<Shown> {
        let output = self.output?;
        if let Some(drafted) = self.drafted.filter(|drafted| drafted.by() > 0.0) {
            let why = format!("drafted {} tokens under load", grouped(drafted.by()));
            return Some(Shown::new(EffectWord::InEffect, why, Some(drafted.seq)));
        }
        if output.by() < TOKENS_MIN {
            return None;
        }
        let tokens = grouped(output.by());
        let mut values = declared.settings.iter().filter(|(name, _)| is_speculative(name));
        let may_rest = values.any(|(_, value)| {
            NOT_ALWAYS.iter().any(|method| value.to_ascii_lowercase().contains(method))
        });
        match self.drafted {
            Some(_) if may_rest => None,
            Some(drafted) => {
                let why = format!("drafted no token while it wrote {tokens}");
                Some(Shown::is(false, why, drafted.seq))
            }
            None if counts_drafts_only_if_on(declared.engine) => {
                let why = format!("its metrics count no drafts, while it wrote {tokens} tokens");
                Some(Shown::is(false, why, output.seq))
            }
            None => None,
        }
    }
}
