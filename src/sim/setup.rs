//! Combines the recipe's settings and the machine's rates for the simulator.

mod lacking;

use std::collections::BTreeMap;

use crate::spec::recipe::DeclaredSettings;
use crate::spec::{Profile, Recipe};

/// Settings of the engine and speed of its machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setup {
    /// Rates of the machine.
    pub profile: Profile,
    /// Name of the model at its hub: `root` in `/v1/models`.
    pub model: String,
    /// Served model names, never empty; responses use the first by default.
    pub served: Vec<String>,
    /// Maximum of prompt and output tokens of one request.
    pub max_model_len: u64,
    /// Maximum of concurrently running requests; further ones wait.
    pub max_num_seqs: u64,
    /// Maximum of tokens per step over all requests.
    pub max_num_batched_tokens: u64,
    /// Whether blocks are reused by their content.
    pub prefix_caching: bool,
    /// Drafted tokens per decode step; 0 for no speculative decoding.
    pub speculative_tokens: u32,
    /// Whether responses begin with reasoning, in a separate field.
    pub reasoning: bool,
    /// Duration of the first start, seconds; 0 for a server that is ready from the beginning.
    pub first_start_s: f64,
    /// Whether the recipe asks for a `max_model_len` that the cache cannot hold: vLLM then
    /// refuses every start.
    pub refuses: bool,
    /// Settings that the server was given, which it logs.
    pub given: BTreeMap<String, String>,
    /// Settings that it follows.
    pub settings: BTreeMap<String, String>,
}

/// Settings of a recipe that the model's times and starts depend on. Drafted tokens are not among
/// them: the measured rate is the profile's, whatever is drafted. Nor is what changes names or
/// channels only.
pub(crate) const MODELLED: [&str; 4] =
    ["enable_prefix_caching", "max_model_len", "max_num_batched_tokens", "max_num_seqs"];

/// vLLM's default of `--max-num-seqs` on a large GPU.
const MAX_NUM_SEQS: u64 = 256;
/// vLLM's default of `--max-num-batched-tokens` for a server.
const MAX_NUM_BATCHED_TOKENS: u64 = 8192;
/// Default context length: that of the server in the published record.
const MAX_MODEL_LEN: u64 = 131_072;

impl Setup {
    /// Builds the setup from a recipe and a profile, with vLLM's defaults for settings that the
    /// recipe lacks.
    pub(crate) fn of(recipe: &Recipe, profile: &Profile) -> Setup {
        let model = recipe.model.clone().unwrap_or_else(|| recipe.source.name.clone());
        let mut served = recipe.served.clone();
        if served.is_empty() {
            served.push(model.clone());
        }
        let at_least_one = |name: &str, default| recipe.whole(name).unwrap_or(default).max(1);
        let settings = DeclaredSettings::of(recipe, true).settings;
        let refuses = recipe.whole("max_model_len").is_some_and(|len| len > profile.kv_tokens);
        Setup {
            profile: profile.clone(),
            model,
            served,
            max_model_len: at_least_one("max_model_len", MAX_MODEL_LEN),
            max_num_seqs: at_least_one("max_num_seqs", MAX_NUM_SEQS),
            max_num_batched_tokens: at_least_one("max_num_batched_tokens", MAX_NUM_BATCHED_TOKENS),
            prefix_caching: recipe.prefix_caching().unwrap_or(true),
            speculative_tokens: speculative_tokens(recipe),
            reasoning: recipe.settings.get("reasoning_parser").is_some_and(|name| !name.is_empty()),
            first_start_s: 0.0,
            refuses,
            given: settings.clone(),
            settings,
        }
    }

    /// Whether another setup has the same times and starts: only settings of [`MODELLED`] change
    /// them, and a context length only where the cache cannot hold it.
    pub(crate) fn behaves_as(&self, other: &Setup) -> bool {
        let parts = |setup: &Setup| {
            let batch = (setup.max_num_seqs, setup.max_num_batched_tokens);
            (batch, setup.prefix_caching, setup.refuses)
        };
        parts(self) == parts(other) && self.profile == other.profile
    }

    /// Returns the mean number of tokens per decode step. A drafted token counts only if all before
    /// it were accepted, so this is the sum of acceptance^i, i = 0..=k.
    pub(crate) fn tokens_per_step(&self) -> f64 {
        (0..=self.speculative_tokens).map(|i| self.profile.acceptance.powi(i.cast_signed())).sum()
    }
}

fn speculative_tokens(recipe: &Recipe) -> u32 {
    let in_config = || {
        let text = recipe.settings.get("speculative_config")?;
        let config: serde_json::Value = serde_json::from_str(text).ok()?;
        config.get("num_speculative_tokens")?.as_u64()
    };
    let asked = recipe.whole("num_speculative_tokens").or_else(in_config).unwrap_or(0);
    // No draft model drafts more; the bound keeps a typing error from making steps endless.
    u32::try_from(asked.min(16)).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::spec::SpecFile;

    /// Setup of the record's machine, `times` as fast.
    pub(crate) fn record(times: f64) -> Setup {
        let source = SpecFile { name: "spark".into(), origin: "test".into(), text: String::new() };
        let profile = Profile {
            source,
            about: String::new(),
            prefill_s: 0.15 / times,
            prefill_s_per_token: 509.8e-6 / times,
            prefill_s_per_token2: 5.7e-10 / times,
            decode_per_s: 22.8 * times,
            decode_loss_at_100k: 0.05,
            decode_step_growth: 0.17,
            kv_tokens: 600_000,
            acceptance: 0.8,
            noise_between_starts: 0.02,
            noise_within: 0.01,
            memory_bytes: 128 << 30,
            memory_ready_bytes: 100 << 30,
            start_s: 549.0 / times,
            assumed: Vec::new(),
        };
        Setup {
            profile,
            model: "nvidia/nemotron".into(),
            served: vec!["m".into()],
            max_model_len: 131_072,
            max_num_seqs: 4,
            max_num_batched_tokens: 16_384,
            prefix_caching: false,
            speculative_tokens: 1,
            reasoning: false,
            first_start_s: 0.0,
            refuses: false,
            given: BTreeMap::new(),
            settings: BTreeMap::new(),
        }
    }

    fn recipe(settings: &[(&str, &str)]) -> Recipe {
        Recipe {
            source: SpecFile { name: "r".into(), origin: "test".into(), text: String::new() },
            about: String::new(),
            model: Some("org/model".into()),
            served: Vec::new(),
            runtime: "vllm".into(),
            runtime_version: None,
            container: None,
            env: Vec::new(),
            command: None,
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            profile: None,
            warnings: Vec::new(),
            unknown: Vec::new(),
        }
    }

    #[test]
    fn settings_come_from_the_recipe_where_it_has_them() {
        let recipe = recipe(&[
            ("max_num_seqs", "4"),
            ("mamba_ssm_cache_dtype", "float32"),
            ("speculative_config", r#"{"method":"mtp","num_speculative_tokens":1}"#),
            ("reasoning_parser", "super_v3"),
        ]);
        let setup = Setup::of(&recipe, &record(1.0).profile);
        assert_eq!((setup.max_num_seqs, setup.speculative_tokens), (4, 1));
        assert_eq!(setup.served, ["org/model"]);
        assert!(setup.reasoning);
        assert!(!setup.prefix_caching, "a hybrid model has no prefix cache unless it is asked for");
        assert_eq!(setup.max_num_batched_tokens, MAX_NUM_BATCHED_TOKENS);
    }

    #[test]
    fn a_length_that_the_cache_cannot_hold_is_refused_where_the_recipe_asks_for_it() {
        let profile = record(1.0).profile;
        let refuses = |len: &str| Setup::of(&recipe(&[("max_model_len", len)]), &profile).refuses;
        assert!(refuses("600001") && !refuses("600000"));
        let small = Profile { kv_tokens: 1000, ..profile };
        assert!(!Setup::of(&recipe(&[]), &small).refuses, "nobody asked for a length");
    }

    #[test]
    fn what_is_modelled_changes_the_server_and_nothing_else_does() {
        let profile = record(1.0).profile;
        let base = Setup::of(&recipe(&[]), &profile);
        let changes = |name: &str, value: &str| {
            !Setup::of(&recipe(&[(name, value)]), &profile).behaves_as(&base)
        };
        for name in MODELLED {
            assert!(changes(name, if name.starts_with("enable") { "false" } else { "700000" }));
        }
        let drafts = r#"{"method":"mtp","num_speculative_tokens":3}"#;
        for (name, value) in [
            ("kv_cache_dtype", "fp8"),
            ("enforce_eager", "true"),
            ("speculative_config", drafts),
            ("num_speculative_tokens", "2"),
            ("gpu_memory_utilization", "0.5"),
            ("moe_backend", "triton"),
            ("tensor_parallel_size", "2"),
            ("reasoning_parser", "r"),
            ("max_model_len", "65536"),
            ("no_such_setting", "1"),
        ] {
            assert!(!changes(name, value), "{name}");
        }
    }

    #[test]
    fn a_plain_model_has_a_prefix_cache_unless_the_recipe_says_no() {
        let profile = record(1.0).profile;
        assert!(Setup::of(&recipe(&[]), &profile).prefix_caching);
        let off = recipe(&[("enable_prefix_caching", "false")]);
        assert!(!Setup::of(&off, &profile).prefix_caching);
    }
}
