//! Lists vLLM's metric names over the versions, and its flags.

pub(crate) mod effect;
pub(crate) mod flags;
pub(crate) mod launch;
pub(crate) mod signatures;

use super::{PROCESS_RESIDENT_MEMORY, PROCESS_START_TIME, PageMetric};
use crate::series::{
    self, ENGINE_STARTED, ENGINE_STEPS, RESIDENT_MEMORY, RUNNING_REQUESTS, WAITING_REQUESTS,
};

/// Version suffix of longhaul's own simulator, which has vLLM's API. It stands for any version, so
/// it cannot be compared with a recipe's.
pub(crate) const SIMULATED: &str = "+longhaul.sim";

/// Metric that only the simulator has, always 1.
pub(crate) const SIMULATED_METRIC: &str = "longhaul_simulated";

/// Prefix of its own metrics.
pub(crate) const PREFIX: &str = "vllm:";
/// Requests in the batch.
pub(crate) const RUNNING: &str = "vllm:num_requests_running";
pub(crate) const WAITING: &str = "vllm:num_requests_waiting";
/// KV cache utilisation, 0 to 1.
pub(crate) const KV_USAGE: &str = "vllm:kv_cache_usage_perc";
/// KV cache utilisation up to 0.11.
pub(crate) const KV_USAGE_OLD: &str = "vllm:gpu_cache_usage_perc";
/// Prompt tokens so far.
pub(crate) const PROMPT_TOKENS: &str = "vllm:prompt_tokens_total";
/// Output tokens so far.
pub(crate) const GENERATION_TOKENS: &str = "vllm:generation_tokens_total";
/// Engine steps so far: the count of a histogram of their tokens.
pub(crate) const STEPS: &str = "vllm:iteration_tokens_total_count";
/// Preemptions so far.
pub(crate) const PREEMPTIONS: &str = "vllm:num_preemptions_total";
/// Tokens looked up in the prefix cache.
pub(crate) const PREFIX_QUERIES: &str = "vllm:prefix_cache_queries_total";
/// Tokens looked up in the prefix cache, up to 0.11.
pub(crate) const PREFIX_QUERIES_OLD: &str = "vllm:gpu_prefix_cache_queries_total";
/// Tokens found in the prefix cache.
pub(crate) const PREFIX_HITS: &str = "vllm:prefix_cache_hits_total";
/// Tokens found in the prefix cache, up to 0.11.
pub(crate) const PREFIX_HITS_OLD: &str = "vllm:gpu_prefix_cache_hits_total";
/// Drafted tokens so far; only with speculative decoding.
pub(crate) const DRAFT_TOKENS: &str = "vllm:spec_decode_num_draft_tokens_total";
/// Drafted tokens that were accepted so far.
pub(crate) const ACCEPTED_TOKENS: &str = "vllm:spec_decode_num_accepted_tokens_total";
/// Constant 1; its labels are the cache's configuration (`num_gpu_blocks`, `block_size` …).
pub(crate) const CACHE_CONFIG: &str = "vllm:cache_config_info";

/// Labels of [`CACHE_CONFIG`] that hold start-up settings, with the names of the settings.
pub(crate) const CACHE_LABELS: [(&str, &str); 7] = [
    ("block_size", "block_size"),
    ("cache_dtype", "kv_cache_dtype"),
    ("enable_prefix_caching", "enable_prefix_caching"),
    ("gpu_memory_utilization", "gpu_memory_utilization"),
    ("mamba_cache_dtype", "mamba_cache_dtype"),
    ("mamba_ssm_cache_dtype", "mamba_ssm_cache_dtype"),
    ("num_gpu_blocks", "num_gpu_blocks"),
];

/// Series with their metric names.
pub(crate) const METRICS: [PageMetric; 13] = [
    (ENGINE_STARTED, &[PROCESS_START_TIME]),
    (RESIDENT_MEMORY, &[PROCESS_RESIDENT_MEMORY]),
    (RUNNING_REQUESTS, &[RUNNING]),
    (WAITING_REQUESTS, &[WAITING]),
    (series::KV_USAGE, &[KV_USAGE, KV_USAGE_OLD]),
    (series::PROMPT_TOKENS, &[PROMPT_TOKENS]),
    (series::GENERATION_TOKENS, &[GENERATION_TOKENS]),
    (ENGINE_STEPS, &[STEPS]),
    (series::PREEMPTIONS, &[PREEMPTIONS]),
    (series::PREFIX_QUERIES, &[PREFIX_QUERIES, PREFIX_QUERIES_OLD]),
    (series::PREFIX_HITS, &[PREFIX_HITS, PREFIX_HITS_OLD]),
    (series::DRAFT_TOKENS, &[DRAFT_TOKENS]),
    (series::ACCEPTED_TOKENS, &[ACCEPTED_TOKENS]),
];
