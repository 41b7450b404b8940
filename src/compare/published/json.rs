//! Reads JSON: llama-benchy's document, or the result of `vllm bench serve`. What cannot be read is
//! described by its place in the document.

use serde_json::Value;

use crate::analysis::arena::Table;
use crate::analysis::arena::benchy::BenchyJson;
use crate::error::Mistake;

use super::{llama_bench, serve, shown, wrong};

/// Key of a run, its form, and whether a value has it.
type Key = (&'static str, &'static str, fn(&Value) -> bool);

/// Keys that a run of llama-benchy must have.
const RUN: [Key; 3] = [
    ("concurrency", "a whole number", Value::is_u64),
    ("context_size", "a whole number", Value::is_u64),
    ("is_context_prefill_phase", "true or false", Value::is_boolean),
];

/// Reads a text.
pub(super) fn read(origin: &str, text: &str) -> Result<Table, Mistake> {
    let document: Value = serde_json::from_str(text).map_err(|why| {
        let what = if why.is_eof() {
            "this JSON ends in the middle: the file was cut"
        } else {
            "this is not JSON from here on"
        };
        wrong(origin, why.line() as u64, what).hint("the whole file, as it was written")
    })?;
    document_of(origin, document)
}

/// Reads a document.
pub(super) fn document_of(origin: &str, document: Value) -> Result<Table, Mistake> {
    let first = document.as_array().and_then(|all| all.first()).unwrap_or(&document);
    if first.get("n_prompt").is_some() && first.get("avg_ts").is_some() {
        return Err(llama_bench(origin));
    }
    if document.get("benchmarks").is_some() {
        return benchy(origin, document);
    }
    if serve::is_result(&document) {
        return serve::read(origin, &document);
    }
    let keys: Vec<String> = match &document {
        Value::Object(keys) => keys.keys().take(4).map(|key| shown(key)).collect(),
        _ => Vec::new(),
    };
    let has =
        if keys.is_empty() { String::new() } else { format!(" (it has {} …)", keys.join(", ")) };
    Err(Mistake::new(format!("this JSON is no benchmark that longhaul knows{has}"))
        .at(origin)
        .hint("what `llama-benchy --format json` writes: it has `benchmarks`")
        .hint("what `vllm bench serve --save-result` writes: it has `mean_ttft_ms`"))
}

/// Reads llama-benchy's document.
fn benchy(origin: &str, document: Value) -> Result<Table, Mistake> {
    let refused = |what: String| {
        Mistake::new(what).at(origin).hint("what `llama-benchy --format json` writes")
    };
    let flaw = flaw(&document);
    let document: BenchyJson = serde_json::from_value(document).map_err(|_| {
        refused(flaw.unwrap_or_else(|| "a value has another form than llama-benchy's".to_owned()))
    })?;
    document.table().map_err(|(place, why)| Mistake::new(why).at(format!("{origin} {place}")))
}

/// Returns what is wrong with a document, in words.
fn flaw(document: &Value) -> Option<String> {
    if !document.get("model").is_some_and(Value::is_string) {
        return Some("`model` is missing, or is no text".to_owned());
    }
    let Some(runs) = document.get("benchmarks").and_then(Value::as_array) else {
        return Some("`benchmarks` is no list".to_owned());
    };
    runs.iter().enumerate().find_map(|(index, run)| {
        let known = RUN.iter().find_map(|(key, form, fits)| match run.get(key) {
            None => Some(format!("benchmarks[{index}] does not say its `{key}`")),
            Some(value) if !fits(value) => {
                Some(format!("`{key}` of benchmarks[{index}] is not {form}"))
            }
            Some(_) => None,
        });
        known.or_else(|| metric_flaw(index, run))
    })
}

/// Returns the first metric of a run that has no number as its mean.
fn metric_flaw(index: usize, run: &Value) -> Option<String> {
    let is_metric =
        |key: &str| key.ends_with("_throughput") || ["ttfr", "est_ppt", "e2e_ttft"].contains(&key);
    let metrics = run.as_object()?.iter().filter(|(key, _)| is_metric(key));
    let mut broken = metrics.filter(|(_, it)| !it.is_null() && !it["mean"].is_number());
    broken
        .next()
        .map(|(key, _)| format!("`{key}` of benchmarks[{index}] has no number as its mean"))
}
