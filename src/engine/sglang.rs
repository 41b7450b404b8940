//! SGLang's metric names (`--enable-metrics`).

pub mod flags;
pub mod launch;
pub mod signatures;

use super::{Metric, PROCESS_RESIDENT_MEMORY, PROCESS_START_TIME};

/// What its own metrics begin with.
pub const PREFIX: &str = "sglang:";
/// Requests in the batch.
pub const RUNNING: &str = "sglang:num_running_reqs";
/// Requests waiting.
pub const WAITING: &str = "sglang:num_queue_reqs";
/// The KV pool's share in use, 0 to 1.
pub const KV_USAGE: &str = "sglang:token_usage";
/// Prompt tokens so far.
pub const PROMPT_TOKENS: &str = "sglang:prompt_tokens_total";
/// Output tokens so far.
pub const GENERATION_TOKENS: &str = "sglang:generation_tokens_total";
/// Requests retracted from the batch so far: SGLang's preemption.
pub const RETRACTED: &str = "sglang:num_retracted_requests_total";
/// Prompt tokens served from cache so far.
pub const CACHED_TOKENS: &str = "sglang:cached_tokens_total";

/// The names of a metric. It counts no steps: its pool's share moves during a prefill. Every prompt token is looked up in its cache.
pub fn names(metric: Metric) -> &'static [&'static str] {
    match metric {
        Metric::StartTime => &[PROCESS_START_TIME],
        Metric::ResidentMemory => &[PROCESS_RESIDENT_MEMORY],
        Metric::Running => &[RUNNING],
        Metric::Waiting => &[WAITING],
        Metric::KvUsage => &[KV_USAGE],
        Metric::PromptTokens | Metric::PrefixQueries => &[PROMPT_TOKENS],
        Metric::GenerationTokens => &[GENERATION_TOKENS],
        Metric::Preemptions => &[RETRACTED],
        Metric::PrefixHits => &[CACHED_TOKENS],
        Metric::Steps => &[],
    }
}
