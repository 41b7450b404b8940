//! llama.cpp's metric names (`--metrics`). It tells no start time and no KV usage.

pub(crate) mod flags;
pub(crate) mod launch;
pub(crate) mod signatures;

use super::PageMetric;
use crate::series::{self, ENGINE_STEPS, PREFIX_HITS, RUNNING_REQUESTS, WAITING_REQUESTS};

/// What its own metrics begin with.
pub(crate) const PREFIX: &str = "llamacpp:";
/// Slots at work.
pub(crate) const RUNNING: &str = "llamacpp:requests_processing";
/// Requests waiting for a slot.
pub(crate) const WAITING: &str = "llamacpp:requests_deferred";
/// Prompt tokens worked through so far.
pub(crate) const PROMPT_TOKENS: &str = "llamacpp:prompt_tokens_total";
/// Prompt tokens served from cache so far.
pub(crate) const CACHED_TOKENS: &str = "llamacpp:prompt_tokens_cached_total";
/// Output tokens so far.
pub(crate) const GENERATION_TOKENS: &str = "llamacpp:tokens_predicted_total";

/// Calls of the model so far.
pub(crate) const STEPS: &str = "llamacpp:n_decode_total";

/// What its metrics tell.
pub(crate) const METRICS: [PageMetric; 6] = [
    (RUNNING_REQUESTS, &[RUNNING]),
    (WAITING_REQUESTS, &[WAITING]),
    (series::PROMPT_TOKENS, &[PROMPT_TOKENS]),
    (series::GENERATION_TOKENS, &[GENERATION_TOKENS]),
    (ENGINE_STEPS, &[STEPS]),
    (PREFIX_HITS, &[CACHED_TOKENS]),
];
