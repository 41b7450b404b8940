//! Builds the command of a recipe without one, as sparkrun 0.4 does for one machine.

use super::COMMAND_BYTES_MAX;
use super::sparkrun::filled;
use crate::engine::launch::{FlagKey, Shape};
use crate::engine::{Engine, llama_cpp, sglang, vllm};
use crate::shell::quoted;
use crate::spec::node::python::{Python, json};
use crate::spec::recipe::draft::Draft;
use crate::spec::recipe::values::Values;

pub(crate) fn command(
    engine: Engine,
    draft: &Draft,
    values: &Values,
    set: &[(String, Python)],
) -> Result<Option<String>, String> {
    let mut values = values.clone();
    let command = match engine {
        Engine::Vllm => vllm_serve(draft, &values),
        Engine::Sglang => sglang_serve(draft, &mut values)?,
        Engine::LlamaCpp => llama_server(draft, &mut values, set)?,
        Engine::Unknown => return Ok(None),
    };
    if command.len() <= COMMAND_BYTES_MAX {
        return Ok(Some(command));
    }
    Err(format!("the command it builds is longer than {} MiB", COMMAND_BYTES_MAX >> 20))
}

fn vllm_serve(draft: &Draft, values: &Values) -> String {
    let model = draft.model.str();
    let mut words = vec!["vllm".to_owned(), "serve".to_owned(), model.clone()];
    // A path has no revision, and the part after a GGUF's colon names a file.
    let has_revision = !model.starts_with('/') && !model.contains(':');
    if draft.revision.is_true() && has_revision && draft.resolved_model_path.is_none() {
        words.extend(["--revision".to_owned(), quoted(&draft.revision.str())]);
    }
    if let Some(tp) = values.get("tensor_parallel").filter(|tp| tp.is_true()) {
        words.extend(["-tp".to_owned(), tp.str()]);
    }
    words.extend(flags(values, Engine::Vllm));
    let command = words.join(" ");
    match values.get("served_model_name") {
        None if !model.is_empty() => with_flag(&command, "--served-model-name", &model),
        _ => command,
    }
}

fn sglang_serve(draft: &Draft, values: &mut Values) -> Result<String, String> {
    let revision = values.get("revision").and_then(Python::text).map(str::to_owned);
    if let Some(text) = revision.filter(|text| text.contains("{model_revision}")) {
        let text = filled(&text, false, &|key| values.text(key));
        values.set("revision", Python::Text(text.ok_or("`revision` grows without end")?));
    }
    let drafter = |key: &str| values.get(key).filter(|model| model.is_true()).cloned();
    let path = "speculative_draft_model_path";
    if let Some(drafter) = drafter(path).or_else(|| drafter("speculative_draft_model")) {
        values.set(path, drafter);
    }
    let mut words = vec!["sglang serve --model-path".to_owned(), quoted(&draft.model.str())];
    if let Some(tp) = values.get("tensor_parallel").filter(|tp| tp.is_true()) {
        words.extend(["--tp-size".to_owned(), tp.str()]);
    }
    words.extend(flags(values, Engine::Sglang));
    for key in ["tensor_parallel", "pipeline_parallel", "expert_parallel", "context_parallel"] {
        parallel(values, key)?;
    }
    let dp = parallel(values, "data_parallel")?.unwrap_or(1);
    let command = words.join(" ");
    Ok(if dp > 1 { with_flag(&command, "--dp-size", &dp.to_string()) } else { command })
}

fn llama_server(
    draft: &Draft,
    values: &mut Values,
    set: &[(String, Python)],
) -> Result<String, String> {
    // llama.cpp's name for the context length differs. The user's value overrides the recipe's.
    let is_set = |key: &str| set.iter().any(|(known, _)| known == key);
    let has_room = is_set("max_model_len") || values.get("ctx_size").is_none();
    let length = values.get("max_model_len").filter(|_| has_room && !is_set("ctx_size"));
    if let Some(length) = length.cloned() {
        values.set("ctx_size", length);
    }
    let tp = parallel(values, "tensor_parallel")?.unwrap_or(1);
    let pp = parallel(values, "pipeline_parallel")?.unwrap_or(1);
    // Split by row is tensor parallelism, by layer pipeline parallelism; llama.cpp cannot do both.
    let text = |word: &str| Python::Text(word.to_owned());
    match (tp > 1, pp > 1) {
        (true, true) => {
            let what = "llama.cpp splits by tensor_parallel or by pipeline_parallel, not by both";
            return Err(what.to_owned());
        }
        (true, false) => values.set("split_mode", text("row")),
        (false, true) => values.set("split_mode", text("layer")),
        (false, false) => values.fill("split_mode", text("layer")),
    }
    let model = draft.model_name().unwrap_or_default();
    let is_repository = model.contains('/') && !model.to_lowercase().ends_with(".gguf");
    let source = if is_repository { "-hf" } else { "-m" };
    let mut words = vec!["llama-server".to_owned(), source.to_owned(), model];
    words.extend(flags(values, Engine::LlamaCpp));
    let flash = values.get("flash_attn").map(|value| match value {
        Python::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
        other => other.str(),
    });
    words.extend(flash.into_iter().flat_map(|value| ["--flash-attn".to_owned(), value]));
    for key in ["webui", "mmap"] {
        if values.get(key).is_some_and(|value| !is_on(value)) {
            words.push(format!("--no-{key}"));
        }
    }
    Ok(words.join(" "))
}

fn parallel(values: &Values, key: &str) -> Result<Option<i128>, String> {
    let Some(value) = values.get(key) else { return Ok(None) };
    value
        .whole()
        .map(Some)
        .ok_or_else(|| format!("`{key}` is {}, which is not a whole number", value.repr()))
}

pub(crate) fn keys(engine: Engine) -> &'static [FlagKey] {
    match engine {
        Engine::Sglang => &sglang::launch::KEYS,
        Engine::LlamaCpp => &llama_cpp::launch::KEYS,
        Engine::Vllm | Engine::Unknown => &vllm::launch::KEYS,
    }
}

fn flags(values: &Values, engine: Engine) -> Vec<String> {
    let mut words = Vec::new();
    for key in keys(engine) {
        let Some(value) = values.get(key.name) else { continue };
        let flag = key.flag();
        match key.shape {
            Shape::Value => words.extend([flag, argument(value)]),
            Shape::Switch | Shape::Negatable if is_on(value) => words.push(flag),
            Shape::Negatable => words.push(flag.replacen("--", "--no-", 1)),
            Shape::Switch => {}
        }
    }
    words
}

/// Quotes a value for the shell: a structure as JSON, a text that is JSON verbatim.
fn argument(value: &Python) -> String {
    match value {
        Python::List(_) | Python::Map(_) => quoted(&json::dumps(value)),
        Python::Text(text) if text.trim().starts_with(['{', '[']) => quoted(text.trim()),
        other => other.str(),
    }
}

/// Whether sparkrun takes a switch as on: any text with a 1, a t or a y is.
fn is_on(value: &Python) -> bool {
    match value {
        Python::Bool(on) => *on,
        other => other.is_true() && other.str().to_lowercase().contains(['1', 't', 'y']),
    }
}

fn with_flag(command: &str, flag: &str, value: &str) -> String {
    format!("{} {flag} {value}", command.trim_end())
}
