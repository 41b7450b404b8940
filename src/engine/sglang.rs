//! Lists SGLang's metric names (`--enable-metrics`).

pub(crate) mod effect;
pub(crate) mod flags;
pub(crate) mod launch;
pub(crate) mod signatures;

use super::{PROCESS_RESIDENT_MEMORY, PROCESS_START_TIME, PageMetric};
use crate::series::{
    self, ENGINE_STARTED, PREEMPTIONS, PREFIX_HITS, PREFIX_QUERIES, RESIDENT_MEMORY,
    RUNNING_REQUESTS, WAITING_REQUESTS,
};

/// Prefix of its own metrics.
pub(crate) const PREFIX: &str = "sglang:";
/// Requests in the batch.
pub(crate) const RUNNING: &str = "sglang:num_running_reqs";
pub(crate) const WAITING: &str = "sglang:num_queue_reqs";
/// KV pool utilisation, 0 to 1.
pub(crate) const KV_USAGE: &str = "sglang:token_usage";
/// Prompt tokens so far.
pub(crate) const PROMPT_TOKENS: &str = "sglang:prompt_tokens_total";
/// Output tokens so far.
pub(crate) const GENERATION_TOKENS: &str = "sglang:generation_tokens_total";
/// Requests retracted from the batch so far: SGLang's preemption.
pub(crate) const RETRACTED: &str = "sglang:num_retracted_requests_total";
/// Prompt tokens served from cache so far.
pub(crate) const CACHED_TOKENS: &str = "sglang:cached_tokens_total";

/// Series with their metric names. SGLang counts no steps, but its pool utilisation moves during a
/// prefill. Every prompt token is looked up in its cache.
pub(crate) const METRICS: [PageMetric; 10] = [
    (ENGINE_STARTED, &[PROCESS_START_TIME]),
    (RESIDENT_MEMORY, &[PROCESS_RESIDENT_MEMORY]),
    (RUNNING_REQUESTS, &[RUNNING]),
    (WAITING_REQUESTS, &[WAITING]),
    (series::KV_USAGE, &[KV_USAGE]),
    (series::PROMPT_TOKENS, &[PROMPT_TOKENS]),
    (series::GENERATION_TOKENS, &[GENERATION_TOKENS]),
    (PREEMPTIONS, &[RETRACTED]),
    (PREFIX_QUERIES, &[PROMPT_TOKENS]),
    (PREFIX_HITS, &[CACHED_TOKENS]),
];
