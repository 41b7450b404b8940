//! llama.cpp's metric names (`--metrics`). It tells no start time and no KV usage.

pub mod flags;
pub mod launch;
pub mod signatures;

use super::Metric;

/// What its own metrics begin with.
pub const PREFIX: &str = "llamacpp:";
/// Slots at work.
pub const RUNNING: &str = "llamacpp:requests_processing";
/// Requests waiting for a slot.
pub const WAITING: &str = "llamacpp:requests_deferred";
/// Prompt tokens worked through so far.
pub const PROMPT_TOKENS: &str = "llamacpp:prompt_tokens_total";
/// Prompt tokens served from cache so far.
pub const CACHED_TOKENS: &str = "llamacpp:prompt_tokens_cached_total";
/// Output tokens so far.
pub const GENERATION_TOKENS: &str = "llamacpp:tokens_predicted_total";

/// Calls of the model so far.
pub const STEPS: &str = "llamacpp:n_decode_total";

/// The names of a metric.
pub fn names(metric: Metric) -> &'static [&'static str] {
    match metric {
        Metric::Running => &[RUNNING],
        Metric::Waiting => &[WAITING],
        Metric::PromptTokens => &[PROMPT_TOKENS],
        Metric::GenerationTokens => &[GENERATION_TOKENS],
        Metric::PrefixHits => &[CACHED_TOKENS],
        Metric::Steps => &[STEPS],
        Metric::StartTime
        | Metric::KvUsage
        | Metric::Preemptions
        | Metric::PrefixQueries
        | Metric::ResidentMemory => &[],
    }
}
