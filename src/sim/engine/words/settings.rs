//! Writes what vLLM logs of its settings when it starts, as 0.19 to 0.33 do.

use super::LogWriter;
use crate::engine::Engine;
use crate::engine::effect::is_default;
use crate::sim::Setup;
use crate::spec::node::python::{Python, coerce, json};

/// Returns the lines of a start: one alone for a setup without a recipe.
pub(super) fn lines(writer: LogWriter, setup: &Setup) -> Vec<String> {
    if setup.given.is_empty() {
        return vec![writer.core("INFO [core.py:133] Initializing a V1 LLM engine (simulated)")];
    }
    let mut lines = Vec::new();
    let follows = |name: &str| setup.settings.get(name).map(String::as_str);
    let is_on = |name: &str| follows(name) == Some("true");
    lines.push(writer.server(&format!("INFO [utils.py:233] {}", arguments(setup))));
    let length = setup.max_model_len;
    lines.push(writer.server(&format!("INFO [model.py:1685] Using max model len {length}")));
    if let Some(kind) = follows("kv_cache_dtype").filter(|kind| *kind != "auto") {
        let words = format!("Using {kind} data type to store kv cache.");
        lines.push(writer.server(&format!("INFO [cache.py:247] {words}")));
    }
    if is_on("enable_chunked_prefill") {
        let tokens = setup.max_num_batched_tokens;
        let words = format!("Chunked prefill is enabled with max_num_batched_tokens={tokens}.");
        lines.push(writer.server(&format!("INFO [scheduler.py:239] {words}")));
    }
    if setup.given.contains_key("async_scheduling") {
        let word = if is_on("async_scheduling") { "enabled" } else { "disabled" };
        let words = format!("Asynchronous scheduling is {word}.");
        lines.push(writer.server(&format!("INFO [vllm.py:754] {words}")));
    }
    lines.push(writer.core(&format!("INFO [core.py:133] {}", config(setup))));
    if setup.given.contains_key("moe_backend") {
        let kernel = follows("moe_backend").unwrap_or("FLASHINFER_CUTLASS").to_ascii_uppercase();
        let words =
            "NvFp4 MoE backend out of potential backends: ['FLASHINFER_CUTLASS', 'MARLIN'].";
        lines.push(writer.core(&format!("INFO [nvfp4.py:203] Using '{kernel}' {words}")));
    }
    lines
}

/// Returns the arguments that are not the default, in Python's form.
fn arguments(setup: &Setup) -> String {
    let given = setup.given.iter();
    let given = given.filter(|(name, value)| is_default(Engine::Vllm, name, value) != Some(true));
    let words = given.map(|(name, value)| {
        let value = match name.as_str() {
            "served_model_name" => {
                Python::List(value.split(' ').map(|name| Python::Text(name.to_owned())).collect())
            }
            _ => json::loads(value)
                .filter(|_| value.starts_with('{'))
                .or_else(|| coerce(value))
                .unwrap_or_else(|| Python::Text(value.clone())),
        };
        format!("'{name}': {}", value.repr())
    });
    format!("non-default args: {{{}}}", words.collect::<Vec<_>>().join(", "))
}

/// Returns the configuration, as far as it is simulated.
fn config(setup: &Setup) -> String {
    let model = Python::Text(setup.model.clone()).repr();
    let drafts = match setup.speculative_tokens {
        0 => "None".to_owned(),
        n => format!("SpeculativeConfig(method='mtp', model={model}, num_spec_tokens={n})"),
    };
    let kind = setup.settings.get("kv_cache_dtype").map_or("auto", String::as_str);
    let caching = if setup.prefix_caching { "True" } else { "False" };
    let length = setup.max_model_len;
    format!(
        "Initializing a V1 LLM engine (simulated) with config: model={model}, \
         speculative_config={drafts}, max_seq_len={length}, kv_cache_dtype={kind}, \
         enable_prefix_caching={caching}"
    )
}
