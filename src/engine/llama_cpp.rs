//! Lists llama.cpp's metric names (`--metrics`). It exports no start time and no KV usage.

pub(crate) mod effect;
pub(crate) mod flags;
pub(crate) mod launch;
pub(crate) mod signatures;

use super::PageMetric;
use crate::series::{
    self, DRAFT_TOKENS as DRAFTED, ENGINE_STEPS, PREFIX_HITS, RUNNING_REQUESTS, WAITING_REQUESTS,
};

/// Prefix of its own metrics.
pub(crate) const PREFIX: &str = "llamacpp:";
/// Slots in use.
pub(crate) const RUNNING: &str = "llamacpp:requests_processing";
/// Requests waiting for a slot.
pub(crate) const WAITING: &str = "llamacpp:requests_deferred";
/// Prompt tokens processed so far.
pub(crate) const PROMPT_TOKENS: &str = "llamacpp:prompt_tokens_total";
/// Prompt tokens served from cache so far.
pub(crate) const CACHED_TOKENS: &str = "llamacpp:prompt_tokens_cached_total";
/// Output tokens so far.
pub(crate) const GENERATION_TOKENS: &str = "llamacpp:tokens_predicted_total";

/// Drafted tokens so far; 0 without a draft model.
pub(crate) const DRAFT_TOKENS: &str = "llamacpp:spec_decode_num_draft_tokens_total";
/// Drafted tokens that were accepted so far.
pub(crate) const ACCEPTED_TOKENS: &str = "llamacpp:spec_decode_num_accepted_tokens_total";

/// Decode calls so far.
pub(crate) const STEPS: &str = "llamacpp:n_decode_total";

/// Series with their metric names.
pub(crate) const METRICS: [PageMetric; 8] = [
    (RUNNING_REQUESTS, &[RUNNING]),
    (WAITING_REQUESTS, &[WAITING]),
    (series::PROMPT_TOKENS, &[PROMPT_TOKENS]),
    (series::GENERATION_TOKENS, &[GENERATION_TOKENS]),
    (ENGINE_STEPS, &[STEPS]),
    (PREFIX_HITS, &[CACHED_TOKENS]),
    (DRAFTED, &[DRAFT_TOKENS]),
    (series::ACCEPTED_TOKENS, &[ACCEPTED_TOKENS]),
];
