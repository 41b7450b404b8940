//! Parsers that do not fit a model or each other, and settings that are known
//! to break it, as its users have reported. One function, one report.

use super::{Finding, Grade, Seen};
use crate::engine::Engine;
use crate::spec::field::shown;

/// With that share of memory and drafted tokens, a DGX Spark locked up under Nemotron-3-Super.
const SHARE_THAT_LOCKS_UP: f64 = 0.82;

/// Drafted tokens a step from which vLLM was seen to write a tool call's arguments twice.
const DRAFTED_THAT_SPOIL_CALLS: u64 = 3;

/// All conflicts.
pub fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    let checks = [nemotron_hermes, nemotron_reasoning, half_a_tool_choice, drafted_calls, locks_up];
    checks.iter().filter_map(|check| check(seen)).collect()
}

fn conflict(seen: &Seen<'_>, name: &str, why: String, hint: &str) -> Finding {
    Finding::new(name, Grade::Conflict, why).at(seen.place(name)).hint(hint)
}

fn is_model(seen: &Seen<'_>, part: &str) -> bool {
    let model = seen.reading.recipe.model.as_deref().unwrap_or_default();
    model.to_ascii_lowercase().contains(part)
}

/// The record's author, of Super: 500s from the server in May 2026; in July no crash, and a score
/// of 20 of 100 in tool-eval, of 90 with `qwen3_coder`.
fn nemotron_hermes(seen: &Seen<'_>) -> Option<Finding> {
    let name = "tool_call_parser";
    let fits = !is_model(seen, "nemotron-3-super") || seen.setting(name) != Some("hermes");
    if fits {
        return None;
    }
    let why = "`hermes` crashed the server on this model, and later scored 20 of 100 in tool-eval";
    Some(conflict(seen, name, why.to_owned(), "qwen3_coder"))
}

/// `super_v3` is a file of the model's repository, and the record's article and later runs have
/// `nemotron_v3`, which newer vLLM has built in. Of `nano_v3` only that it comes by a plugin is known.
fn nemotron_reasoning(seen: &Seen<'_>) -> Option<Finding> {
    let name = "reasoning_parser";
    let parser = seen.setting(name)?;
    if !matches!(parser, "super_v3" | "nano_v3") || seen.engine != Engine::Vllm {
        return None;
    }
    if seen.setting("reasoning_parser_plugin").is_none() {
        let why = format!("{} comes from a plugin, and none is named", shown(parser));
        return Some(conflict(seen, name, why, "--reasoning-parser-plugin FILE"));
    }
    if parser != "super_v3" {
        return None;
    }
    let why =
        "`super_v3` is what the record's run had; its article and later runs have `nemotron_v3`"
            .to_owned();
    Some(conflict(seen, name, why, "nemotron_v3 where the image has it; say which one ran"))
}

/// vLLM needs both to make calls of a model's text.
fn half_a_tool_choice(seen: &Seen<'_>) -> Option<Finding> {
    if seen.engine != Engine::Vllm || !seen.has_command() {
        return None;
    }
    let (parser, choice) = ("tool_call_parser", "enable_auto_tool_choice");
    match (seen.setting(parser), seen.is_on(choice)) {
        (None, true) => {
            let why = "without --tool-call-parser vLLM does not start".to_owned();
            Some(conflict(seen, choice, why, "--tool-call-parser NAME"))
        }
        (Some(_), false) => {
            let why = "without --enable-auto-tool-choice calls stay text".to_owned();
            Some(conflict(seen, parser, why, "--enable-auto-tool-choice"))
        }
        _ => None,
    }
}

fn drafted(seen: &Seen<'_>) -> Option<u64> {
    let tokens = seen.field("speculative_config", "num_speculative_tokens")?;
    tokens.parse().ok()
}

/// vllm-project/vllm#35421.
fn drafted_calls(seen: &Seen<'_>) -> Option<Finding> {
    let name = "tool_call_parser";
    let parser = seen.setting(name)?;
    let tokens = drafted(seen).filter(|tokens| *tokens >= DRAFTED_THAT_SPOIL_CALLS)?;
    if seen.engine != Engine::Vllm {
        return None;
    }
    let why = format!(
        "{} with {tokens} drafted tokens: arguments were seen written twice",
        shown(parser)
    );
    Some(conflict(seen, name, why, "one or two drafted tokens, or a test of tool calls"))
}

/// The record's author, on one DGX Spark.
fn locks_up(seen: &Seen<'_>) -> Option<Finding> {
    let name = "gpu_memory_utilization";
    let share: f64 = seen.setting(name)?.parse().ok()?;
    drafted(seen)?;
    if !is_model(seen, "nemotron-3-super") || share < SHARE_THAT_LOCKS_UP {
        return None;
    }
    let why = format!("{share} with drafted tokens locked up a DGX Spark on this model");
    Some(conflict(seen, name, why, "below 0.82; the record has 0.75"))
}
