//! Reads sparkrun's `benchmark_*.yaml`: what llama-benchy wrote stands in it, as JSON and as CSV.

use serde_json::Value as Json;

use crate::analysis::arena::Table;
use crate::error::Mistake;
use crate::spec::node::{self, Node, Value};

use super::{csv, json, wrong};

/// Reads a text.
pub(super) fn read(origin: &str, text: &str) -> Result<Table, Mistake> {
    let document = node::parse(text)
        .map_err(|flaw| wrong(origin, flaw.line as u64, format!("this YAML: {}", flaw.message)))?;
    let Some(benchmark) = document.root.get("sparkrun_benchmark") else {
        return Err(Mistake::new("`sparkrun_benchmark` is missing").at(origin));
    };
    let framework = benchmark.get("benchmark").and_then(|it| it.get("framework"));
    if let Some(other) = framework.and_then(Node::text).filter(|name| *name != "llama-benchy") {
        let what = format!("this is a benchmark of {}, not of llama-benchy", super::shown(other));
        return Err(Mistake::new(what).at(origin));
    }
    let results = benchmark.get("results");
    let found = |key: &str| results.and_then(|it| it.get(key));
    if let Some(whole) = found("json").filter(|it| it.get("benchmarks").is_some()) {
        return json::document_of(&format!("{origin} results.json"), as_json(whole));
    }
    let text = found("csv").and_then(Node::text).filter(|text| !text.trim().is_empty());
    match text {
        Some(text) => csv::read(&format!("{origin} results.csv"), text),
        None => Err(Mistake::new("its `results` hold no figures: nothing was measured")
            .at(origin)
            .hint("`sparkrun benchmark resume` of a benchmark that was not finished")),
    }
}

/// Converts a tree; unquoted scalars that are JSON's stay so.
fn as_json(node: &Node) -> Json {
    match &node.value {
        Value::Seq(items) => Json::Array(items.iter().map(as_json).collect()),
        Value::Map(_) => {
            let entries = node.entries().into_iter();
            Json::Object(entries.map(|(key, value)| (key.to_owned(), as_json(value))).collect())
        }
        Value::Scalar { raw, quoted: true } => Json::String(raw.clone()),
        Value::Scalar { raw, quoted: false } => match raw.as_str() {
            "" | "~" | "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            // YAML writes 1e-05 and 5., which are no JSON; Rust reads them.
            raw => serde_json::from_str(raw)
                .ok()
                .or_else(|| {
                    raw.parse().ok().and_then(serde_json::Number::from_f64).map(Json::Number)
                })
                .unwrap_or_else(|| Json::String(raw.to_owned())),
        },
    }
}
