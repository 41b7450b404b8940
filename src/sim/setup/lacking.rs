//! Applies the faults that make a server ignore, or lack, a setting of its recipe.

use std::collections::BTreeMap;

use super::{MAX_MODEL_LEN, MAX_NUM_BATCHED_TOKENS, MAX_NUM_SEQS, Setup};
use crate::engine::Engine;
use crate::engine::effect::is_default;
use crate::sim::ailment::{Ailment, AilmentKind};

/// Settings that the simulated server only tells of, in its log or its metrics: as it follows them.
const TOLD: [&str; 6] = [
    "async_scheduling",
    "enable_chunked_prefill",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "mamba_ssm_cache_dtype",
    "moe_backend",
];

impl Setup {
    /// Returns the setup of a server with these faults. An ignored setting was given and has no
    /// effect; one that is missing was not even given.
    pub(crate) fn with_faults(mut self, ailments: &[Ailment]) -> Setup {
        for ailment in ailments {
            self.lack(ailment.kind);
        }
        self
    }

    /// Applies a fault of a setting; another one changes nothing.
    fn lack(&mut self, kind: AilmentKind) {
        match kind {
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

    /// Reason why a fault of a setting changes nothing that the server does or tells, if it changes
    /// nothing.
    pub(crate) fn unchanged_by(&self, kind: AilmentKind) -> Option<&'static str> {
        let (AilmentKind::IgnoredSetting { name, .. } | AilmentKind::MissingSetting { name, .. }) =
            kind
        else {
            return None;
        };
        let mut faulty = self.clone();
        faulty.lack(kind);
        let is_same = told(&self.given, |_| true) == told(&faulty.given, |_| true)
            && told(&self.settings, is_told) == told(&faulty.settings, is_told)
            && self.numbers() == faulty.numbers();
        is_same.then_some(if self.given.contains_key(name) {
            "the simulated server does and tells the same without it"
        } else {
            "the recipe has no such setting"
        })
    }

    /// Returns what a fault of a setting may change in how the server works.
    fn numbers(&self) -> (u32, bool, [u64; 3], bool) {
        let sizes = [self.max_num_seqs, self.max_num_batched_tokens, self.max_model_len];
        (self.speculative_tokens, self.reasoning, sizes, self.prefix_caching)
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

/// Returns some settings as they are told: a default is not.
fn told(settings: &BTreeMap<String, String>, is_of: fn(&str) -> bool) -> Vec<(&str, &str)> {
    let pairs = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let is_default = |name: &str, value: &str| is_default(Engine::Vllm, name, value) == Some(true);
    pairs.filter(|(name, value)| is_of(name) && !is_default(name, value)).collect()
}

fn is_told(name: &str) -> bool {
    TOLD.contains(&name)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;
    use crate::sim::setup::tests::record;

    #[test]
    fn a_setting_that_the_simulated_server_has_no_part_for_is_ignored_in_vain() {
        let mut setup = record(1.0);
        let settings = [
            ("served_model_name", "m"),
            ("tool_call_parser", "qwen3_coder"),
            ("dtype", "auto"),
            ("max_num_seqs", "4"),
            ("kv_cache_dtype", "fp8"),
        ];
        setup.given = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        setup.settings = setup.given.clone();
        let faults = [
            "ignored_setting=served_model_name",
            "missing_setting=served_model_name",
            "ignored_setting=tool_call_parser",
            "missing_setting=tool_call_parser",
            "missing_setting=dtype",
            "ignored_setting=max_num_seqs",
            "ignored_setting=max_num_seqs:4",
            "ignored_setting=kv_cache_dtype",
            "ignored_setting=moe_backend",
        ];
        let why = |text: &str| {
            let ailment = Ailment::parse(text).expect(text);
            setup.unchanged_by(ailment.kind).unwrap_or("changed").to_owned()
        };
        assert_snapshot!(each(faults, |text| why(text)), @r#"
        "ignored_setting=served_model_name"
            the simulated server does and tells the same without it

        "missing_setting=served_model_name"
            changed

        "ignored_setting=tool_call_parser"
            the simulated server does and tells the same without it

        "missing_setting=tool_call_parser"
            changed

        "missing_setting=dtype"
            the simulated server does and tells the same without it

        "ignored_setting=max_num_seqs"
            changed

        "ignored_setting=max_num_seqs:4"
            the simulated server does and tells the same without it

        "ignored_setting=kv_cache_dtype"
            changed

        "ignored_setting=moe_backend"
            the recipe has no such setting
        "#);
    }
}
