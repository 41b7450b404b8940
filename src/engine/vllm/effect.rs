//! Reads vLLM's settings from its startup log.

use crate::engine::effect::ToldKind::{Argument, Chosen, Effective};
use crate::engine::effect::value::{fields, unquoted};
use crate::engine::effect::{ToldSetting, UNKNOWN, between, number_after};

/// Signature of the line with the arguments that are not the default.
pub(crate) const ARGUMENTS: &str = "engine_arguments";
/// Signature of the line with the configuration.
const CONFIG: &str = "engine_begins";

/// Fields of the configuration that hold the value of a setting, with its name. Others are resolved
/// to a name of their own (`quantization`), or hold only a part (`served_model_name`).
const CONFIG_FIELDS: [(&str, &str); 10] = [
    ("dtype", "dtype"),
    ("max_seq_len", "max_model_len"),
    ("tensor_parallel_size", "tensor_parallel_size"),
    ("pipeline_parallel_size", "pipeline_parallel_size"),
    ("enforce_eager", "enforce_eager"),
    ("kv_cache_dtype", "kv_cache_dtype"),
    ("seed", "seed"),
    ("trust_remote_code", "trust_remote_code"),
    ("enable_prefix_caching", "enable_prefix_caching"),
    ("enable_chunked_prefill", "enable_chunked_prefill"),
];

/// Settings whose absence from the arguments says that they have their default, with the values that
/// have been defaults.
pub(crate) const DEFAULTS: [(&str, &[&str]); 33] = [
    ("dtype", &["auto"]),
    ("tensor_parallel_size", &["1"]),
    ("pipeline_parallel_size", &["1"]),
    ("data_parallel_size", &["1"]),
    ("gpu_memory_utilization", &["0.9", "0.92"]),
    ("max_model_len", &["auto"]),
    ("max_num_seqs", &["128", "256", "1024"]),
    ("max_num_batched_tokens", &["2048", "8192", "16384"]),
    ("kv_cache_dtype", &["auto"]),
    ("kv_cache_memory_bytes", &[]),
    ("mamba_cache_dtype", &["auto"]),
    ("mamba_ssm_cache_dtype", &["auto"]),
    ("moe_backend", &["auto"]),
    ("attention_backend", &["auto"]),
    ("linear_backend", &["auto"]),
    ("quantization", &[]),
    ("load_format", &["auto"]),
    ("speculative_config", &[]),
    ("compilation_config", &["{}"]),
    ("hf_overrides", &["{}"]),
    ("generation_config", &["auto"]),
    ("override_generation_config", &["{}"]),
    ("default_chat_template_kwargs", &["{}"]),
    ("limit_mm_per_prompt", &["{}"]),
    ("chat_template", &[]),
    ("reasoning_parser", &[]),
    ("reasoning_parser_plugin", &[]),
    ("tool_call_parser", &[]),
    ("enable_auto_tool_choice", &["false"]),
    ("enable_expert_parallel", &["false"]),
    ("trust_remote_code", &["false"]),
    ("enforce_eager", &["false"]),
    ("async_scheduling", &["false"]),
];

/// Returns what a line with one of vLLM's signatures says of settings.
pub(crate) fn told(signature: &str, line: &str) -> Option<Vec<ToldSetting>> {
    let one = |setting: &str, value: Option<&str>, kind| {
        value.map(|value| ToldSetting::new(setting, value, kind)).into_iter().collect()
    };
    Some(match signature {
        ARGUMENTS => {
            let list = fields(between(line, "non-default args: {", "")?, ':').into_iter();
            list.map(|(name, value)| ToldSetting::new(name, value, Argument)).collect()
        }
        CONFIG => config(line).unwrap_or_default(),
        "max_model_len_used" => {
            one("max_model_len", number_after(line, "using max model len "), Chosen)
        }
        "chunked_prefill_on" => {
            let tokens = number_after(line, "max_num_batched_tokens=");
            let mut told: Vec<ToldSetting> = one("max_num_batched_tokens", tokens, Effective);
            told.push(ToldSetting::new("enable_chunked_prefill", "true", Effective));
            told
        }
        "chunked_prefill_off" => one("enable_chunked_prefill", Some("false"), Effective),
        "async_scheduling_on" => one("async_scheduling", Some("true"), Chosen),
        "async_scheduling_off" => one("async_scheduling", Some("false"), Chosen),
        "kv_cache_type" => {
            let value = between(line, "using ", " data type to store kv cache");
            one("kv_cache_dtype", value, Effective)
        }
        "attention_backend" => {
            one("attention_backend", between(line, "using ", " attention backend"), Chosen)
        }
        "attention_backend_enum" => {
            one("attention_backend", between(line, "attentionbackendenum.", " backend"), Chosen)
        }
        "moe_backend" => one("moe_backend", between(line, "using ", " moe backend"), Chosen),
        "memory_share_ignored" => {
            let value = "ignored, as kv_cache_memory_bytes is set";
            one("gpu_memory_utilization", Some(value), Effective)
        }
        "env_unknown" => {
            let name = between(line, "environment variable detected: ", "")?;
            one(&format!("env.{}", name.trim()), Some(UNKNOWN), Effective)
        }
        _ => return None,
    })
}

/// Reads the line with the configuration.
fn config(line: &str) -> Option<Vec<ToldSetting>> {
    let list = fields(between(line, " with config: ", "")?, '=');
    let mut told = Vec::new();
    for (name, value) in list {
        if let Some((_, setting)) = CONFIG_FIELDS.iter().find(|(field, _)| *field == name) {
            told.push(ToldSetting::new(setting, value, Effective));
        }
        match name {
            "quantization" | "speculative_config" if value == "None" => {
                told.push(ToldSetting::new(name, value, Effective));
            }
            "speculative_config" => {
                let parts = fields(between(value, "speculativeconfig(", "")?, '=');
                let tokens = parts.iter().find(|(name, _)| *name == "num_spec_tokens");
                let tokens =
                    tokens.map(|(_, tokens)| format!("{{num_speculative_tokens: {tokens}}}"));
                told.extend(tokens.map(|tokens| ToldSetting::new(name, &tokens, Effective)));
            }
            // An empty one says nothing: not every version keeps it here.
            "structured_outputs_config" => {
                let parts = fields(between(value, "structuredoutputsconfig(", "")?, '=');
                let parser = parts.iter().find(|(name, _)| *name == "reasoning_parser");
                let parser = parser.map(|(_, parser)| unquoted(parser)).filter(|it| !it.is_empty());
                told.extend(
                    parser.map(|parser| ToldSetting::new("reasoning_parser", parser, Effective)),
                );
            }
            _ => {}
        }
    }
    Some(told)
}
