//! What is told of a recipe's file besides what is served: that it is one,
//! what it is for, its traps, and keys that nothing is made of.

use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::field::{Field, shown};
use crate::spec::node::Node;
use crate::spec::node::python::{Python, json};
use crate::spec::recipe::Layer;
use crate::spec::recipe::include::Whole;

/// Keys that sparkrun 0.4.2 knows (`core/recipe.py`); any other is kept and told.
const KNOWN: &str = "sparkrun_version recipe_version min_sparkrun_version name description model \
    model_revision runtime runtime_version mode min_nodes max_nodes container containers \
    defaults env command runtime_config cluster_only solo_only benchmark metadata pre_exec \
    post_exec post_commands mods stop_after_post builder builder_config executor \
    executor_config scheduler distribution_config layout cluster_config runtime_cache \
    readiness capabilities unsupported_capabilities include overrides";

/// Keys whose values are told elsewhere.
const TOLD: &str = "command defaults env overrides model runtime container description";

/// Keys of a runtime's version under `metadata`, as people write them.
const VERSIONS: &str =
    "runtime_version engine_version vllm_version sglang_version llama_cpp_version";

/// Bounds what is told of one file.
const WARNINGS_MAX: usize = 50;

fn is_among(words: &str, key: &str) -> bool {
    words.split_whitespace().any(|word| word == key)
}

/// The runtime's version: by sparkrun's own key, else what stands first under `metadata`.
pub fn version(root: &Node) -> Option<&str> {
    let of_metadata = || {
        let metadata = root.get("metadata")?;
        VERSIONS.split_whitespace().find_map(|key| metadata.get(key)?.said())
    };
    let own = root.get("runtime_version").and_then(Node::said);
    own.or_else(of_metadata).filter(|version| !version.is_empty())
}

/// That it is a recipe at all.
pub fn check_it_is_one(root: &Field<'_>) -> Result<(), Mistake> {
    let name = &root.source.name;
    if !root.node.is_map() {
        let kind = root.node.kind();
        return Err(root.mistake(format!("`{name}` is no recipe: it is {kind}")));
    }
    let says = |key: &&str| root.node.get(key).is_some_and(|node| !node.is_null());
    if ["model", "command", "container", "defaults"].iter().any(says) {
        return Ok(());
    }
    let is_scenario = ["workloads", "framework", "contract"].iter().any(says);
    Err(root.mistake(format!("`{name}` is no recipe: it has neither model nor command")).hint(
        if is_scenario { "it looks like a scenario: --scenario" } else { "docs/formats/recipe.md" },
    ))
}

/// Its keys that nobody knows.
pub fn unknown(root: &Node) -> Vec<String> {
    let keys = root.entries().into_iter().map(|(key, _)| key);
    keys.filter(|key| !is_among(KNOWN, key)).map(str::to_owned).collect()
}

/// Every key that is not told elsewhere, as text.
pub fn others(root: &Node) -> Vec<(String, String)> {
    let pairs = root.entries().into_iter();
    pairs
        .filter(|(key, node)| !is_among(TOLD, key) && !node.is_null())
        .map(|(key, node)| {
            let value = Python::of(node);
            let text = match value {
                Python::List(_) | Python::Map(_) => json::dumps(&value),
                other => other.str(),
            };
            (key.to_owned(), text)
        })
        .collect()
}

/// Keys that stand twice, layers that nobody applied, and a command that sparkrun refuses.
pub fn warnings(whole: &Whole, layers: &[Layer]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (file, document) in &whole.parts {
        let place = if whole.parts.len() > 1 { format!("{file} ") } else { String::new() };
        for twice in &document.duplicates {
            let (key, first, again) = (shown(&twice.key), twice.first, twice.again);
            warnings.push(format!(
                "{place}line {again}: {key} stands again (before on line {first}); the last one counts"
            ));
        }
    }
    let more = warnings.len().saturating_sub(WARNINGS_MAX);
    warnings.truncate(WARNINGS_MAX);
    if more > 0 {
        warnings.push(format!("{more} more of the same kind"));
    }
    let command = whole.root.get("command").filter(|node| !node.is_null());
    if let Some(node) = command.filter(|node| !matches!(Python::of(node), Python::Text(_))) {
        let line = node.line;
        warnings.push(format!("line {line}: `command` is no text, and sparkrun refuses it"));
    }
    let open = layers.iter().filter(|layer| layer.applied.is_none()).count();
    if open > 0 {
        warnings.push(format!(
            "{open} conditional layer(s) in `overrides` are not applied: nothing is said of where it runs (--when)"
        ));
    }
    warnings
}

/// The first sentence of the description.
pub fn about(root: &Node, model: Option<&str>, runtime: &str) -> String {
    let description = |node: &Node| node.get("description")?.said().map(str::to_owned);
    let description = description(root).or_else(|| description(root.get("metadata")?));
    let Some(description) = description else {
        return format!("{} on {runtime}.", model.unwrap_or("An unnamed model"));
    };
    let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(". ").map_or(line.len(), |end| end + 1);
    one_line(&line[..end], 400)
}
