//! Defines the abilities of a server, probed before the load. A missing ability
//! makes the measures that need it `n/a`; it never makes a request a failure.

use serde::{Deserialize, Serialize};

/// Abilities of a server. `false` also stands for an unknown ability, except where every server is
/// taken to be able until it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // A list of yes and no is what it is.
pub(crate) struct Abilities {
    /// `/v1/chat/completions` answers.
    pub chat: bool,
    /// `/v1/completions` answers.
    pub completions: bool,
    /// A usage record at the end of a stream (`stream_options.include_usage`).
    pub usage: bool,
    /// A usage record in every chunk (`continuous_usage_stats`).
    pub continuous_usage: bool,
    /// `prompt_tokens_details.cached_tokens` in the usage record.
    pub cached_tokens: bool,
    /// `/tokenize` counts a text, vLLM's form (`prompt` in, `count` out).
    pub tokenize: bool,
    /// A usage record in an answer that is not a stream.
    pub usage_whole: bool,
    /// `/tokenize` counts messages with their template.
    pub tokenize_messages: bool,
    /// `/tokenize` counts a text, llama.cpp's form (`content` in, `tokens` out).
    pub tokenize_content: bool,
    /// `/v1/completions` takes token ids as the prompt.
    pub token_id_prompts: bool,
    /// `token_ids` in every chunk (`return_token_ids`).
    pub return_token_ids: bool,
    /// `ignore_eos` is obeyed.
    pub ignore_eos: bool,
    /// `min_tokens` is obeyed.
    pub min_tokens: bool,
    /// `cache_salt` is understood.
    pub cache_salt: bool,
    /// `/metrics` answers.
    pub metrics: bool,
    /// `/health` answers.
    pub health: bool,
    /// `/version` answers.
    pub version: bool,
    /// The chat template takes a system message; true until it refuses one.
    pub system_role: bool,
    /// `temperature` is taken; true until it is refused.
    pub temperature: bool,
    /// A chat takes `max_tokens`; true until it is refused and `max_completion_tokens` is taken,
    /// which is then sent in its place.
    pub max_tokens: bool,
    /// Answers end with a finish reason; true until one does not. Without it `[DONE]` is their end.
    pub finish_reason: bool,
}

impl Default for Abilities {
    fn default() -> Abilities {
        Abilities {
            chat: false,
            completions: false,
            usage: false,
            continuous_usage: false,
            cached_tokens: false,
            tokenize: false,
            usage_whole: false,
            tokenize_messages: false,
            tokenize_content: false,
            token_id_prompts: false,
            return_token_ids: false,
            ignore_eos: false,
            min_tokens: false,
            cache_salt: false,
            metrics: false,
            health: false,
            version: false,
            system_role: true,
            temperature: true,
            max_tokens: true,
            finish_reason: true,
        }
    }
}
