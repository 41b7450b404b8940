//! Applies the faults that make a server ignore, or lack, a setting of its recipe.

use super::{MAX_MODEL_LEN, MAX_NUM_BATCHED_TOKENS, MAX_NUM_SEQS, Setup};
use crate::sim::ailment::{Ailment, AilmentKind};

impl Setup {
    /// Returns the setup of a server with these faults. An ignored setting was given and has no
    /// effect; one that is missing was not even given.
    pub(crate) fn with_faults(mut self, ailments: &[Ailment]) -> Setup {
        for ailment in ailments {
            match ailment.kind {
                AilmentKind::IgnoredSetting { name, other } => self.ignore(name, other),
                AilmentKind::MissingSetting { name, other } => {
                    let other_text = other.map(|other| (name.to_owned(), other.to_string()));
                    self.given.remove(name);
                    self.given.extend(other_text);
                    self.ignore(name, other);
                }
                _ => {}
            }
        }
        self
    }

    /// Sets a setting to another value, else to its default.
    fn ignore(&mut self, name: &str, other: Option<u64>) {
        self.settings.remove(name);
        self.settings.extend(other.map(|other| (name.to_owned(), other.to_string())));
        match name {
            "speculative_config" => {
                self.speculative_tokens =
                    other.map_or(0, |n| u32::try_from(n).unwrap_or(0).min(16));
            }
            "reasoning_parser" => self.reasoning = false,
            "max_num_seqs" => self.max_num_seqs = other.unwrap_or(MAX_NUM_SEQS).max(1),
            "max_num_batched_tokens" => {
                self.max_num_batched_tokens = other.unwrap_or(MAX_NUM_BATCHED_TOKENS).max(1);
            }
            "max_model_len" => {
                self.max_model_len = other.unwrap_or(MAX_MODEL_LEN).max(1);
            }
            "enable_prefix_caching" => self.prefix_caching = !self.prefix_caching,
            _ => {}
        }
    }
}
