//! What makes two runs of the same parts differ: chance, the machine's memory,
//! and defaults that an engine chooses by itself.

use super::{Finding, Grade, Seen};
use crate::engine::Engine;
use crate::spec::field::shown;

/// Settings whose `auto` is read from the model, and so the same everywhere.
const BY_MODEL: [&str; 5] =
    ["dtype", "kv_cache_dtype", "load_format", "tokenizer_mode", "quantization"];

/// What vLLM chooses by version, model and memory where nobody says it.
const LEFT_TO_VLLM: [&str; 3] = ["max_num_seqs", "max_num_batched_tokens", "enable_prefix_caching"];

/// Settings by which a cache has one size everywhere, whatever share of memory it is.
const SIZED: [&str; 3] = ["kv_cache_memory_bytes", "max_total_tokens", "num_gpu_blocks_override"];

/// All of it.
pub fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(longest_context(seen));
    found.extend(automatic(seen));
    found.extend(environment(seen));
    if seen.has_command() {
        found.extend(share_of_memory(seen));
        found.extend(left_to_the_engine(seen));
        found.extend(seed(seen));
    }
    found
}

fn longest_context(seen: &Seen<'_>) -> Option<Finding> {
    let name = "max_model_len";
    let value = seen.setting(name)?;
    if !matches!(value, "auto" | "-1") {
        return None;
    }
    let why = format!("{}: as much as the machine's memory allows", shown(value));
    Some(Finding::new(name, Grade::Floating, why).at(seen.place(name)).hint("a number of tokens"))
}

fn automatic(seen: &Seen<'_>) -> Vec<Finding> {
    let is_auto = |(name, value): &(&String, &String)| {
        *value == "auto" && !BY_MODEL.contains(&name.as_str()) && *name != "max_model_len"
    };
    let autos = seen.settings.iter().filter(is_auto);
    autos
        .map(|(name, _)| {
            Finding::new(name, Grade::Varies, "`auto`: the engine chooses, by version and machine")
                .at(seen.place(name))
                .hint("what it chose, from the server's log")
        })
        .collect()
}

/// A `$` in a value: eugr's script and sparkrun up to 0.2 put in what the machine has.
fn environment(seen: &Seen<'_>) -> Vec<Finding> {
    let of_machine = seen.reading.recipe.env.iter().filter(|(_, value)| value.contains('$'));
    of_machine
        .map(|(name, value)| {
            let why = format!("{}: older launchers put in what the machine has", shown(value));
            let what = format!("env.{name}");
            let place = seen.reading.places.key(&what);
            Finding::new(what, Grade::Varies, why).at(place).hint("the value itself")
        })
        .collect()
}

fn share_of_memory(seen: &Seen<'_>) -> Option<Finding> {
    let name = "gpu_memory_utilization";
    let is_share = matches!(seen.engine, Engine::Vllm | Engine::Sglang);
    if !is_share || SIZED.iter().any(|sized| seen.setting(sized).is_some()) {
        return None;
    }
    let why = match seen.setting(name) {
        Some(share) => format!("{share} of the memory: the cache is what is left of it at start"),
        None => "not said: the engine's own share, or the launcher's".to_owned(),
    };
    let hint = match seen.engine {
        Engine::Sglang => "--max-total-tokens gives the cache one size",
        _ => "--kv-cache-memory-bytes gives the cache one size",
    };
    Some(Finding::new(name, Grade::Varies, why).at(seen.place(name)).hint(hint))
}

fn left_to_the_engine(seen: &Seen<'_>) -> Option<Finding> {
    if seen.engine != Engine::Vllm {
        return None;
    }
    let unsaid: Vec<&str> =
        LEFT_TO_VLLM.into_iter().filter(|name| seen.setting(name).is_none()).collect();
    if unsaid.is_empty() {
        return None;
    }
    let why = format!("{}: by version, model and memory", unsaid.join(", "));
    Some(Finding::new("left to vLLM", Grade::Varies, why).hint("say what you mean to have"))
}

fn seed(seen: &Seen<'_>) -> Option<Finding> {
    let is_known = seen.engine != Engine::Unknown;
    if !is_known || seen.setting("seed").is_some() {
        return None;
    }
    let why = "none: what is drawn from the model is the engine's choice";
    let hint = if seen.engine == Engine::Sglang { "--random-seed 1" } else { "--seed 1" };
    Some(Finding::new("seed", Grade::Varies, why).hint(hint))
}
