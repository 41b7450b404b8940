//! Checks the keys of a recipe's file: known pitfalls, unused keys, the description.

use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::field::{Field, shown};
use crate::spec::node::Node;
use crate::spec::node::python::Python;
use crate::spec::recipe::Layer;
use crate::spec::recipe::include::MergedRecipe;

/// Keys that sparkrun 0.4.2 knows (`core/recipe.py`); others are kept and reported.
const KNOWN: &str = "sparkrun_version recipe_version min_sparkrun_version name description model \
    model_revision runtime runtime_version mode min_nodes max_nodes container containers \
    defaults env command runtime_config cluster_only solo_only benchmark metadata pre_exec \
    post_exec post_commands mods stop_after_post builder builder_config executor \
    executor_config scheduler distribution_config layout cluster_config runtime_cache \
    readiness capabilities unsupported_capabilities include overrides";

const FIELDS: &str = "command defaults env overrides model runtime container description";

/// Keys for the runtime's version under `metadata`, as found in recipes.
const VERSIONS: &str =
    "runtime_version engine_version vllm_version sglang_version llama_cpp_version";

fn is_among(words: &str, key: &str) -> bool {
    words.split_whitespace().any(|word| word == key)
}

/// Returns the runtime's version: sparkrun's own key, else the first under `metadata`.
pub(super) fn version(root: &Node) -> Option<&str> {
    let metadata = root.get("metadata");
    let mut of_metadata = VERSIONS.split_whitespace().filter_map(|key| metadata?.get(key)?.said());
    let own = root.get("runtime_version").and_then(Node::said);
    own.or_else(|| of_metadata.next()).filter(|version| !version.is_empty())
}

pub(super) fn check_it_is_one(root: &Field<'_>) -> Result<(), Mistake> {
    let name = &root.source.name;
    if !root.node.is_map() {
        let kind = root.node.kind();
        return Err(root.mistake(format!("`{name}` is not a recipe: it is {kind}")));
    }
    let says = |key: &&str| root.node.get(key).is_some_and(|node| !node.is_null());
    if ["model", "command", "container", "defaults"].iter().any(says) {
        return Ok(());
    }
    let is_scenario = ["workloads", "framework", "contract"].iter().any(says);
    Err(root.mistake(format!("`{name}` is not a recipe: it has neither model nor command")).hint(
        if is_scenario { "it looks like a scenario: --scenario" } else { "docs/formats/recipe.md" },
    ))
}

pub(super) fn unknown(root: &Node) -> Vec<String> {
    let keys = root.entries().into_iter().map(|(key, _)| key);
    keys.filter(|key| !is_among(KNOWN, key)).map(str::to_owned).collect()
}

pub(super) fn others(root: &Node) -> Vec<(String, String)> {
    let others = root.entries().into_iter();
    let others = others.filter(|(key, node)| !is_among(FIELDS, key) && !node.is_null());
    others.map(|(key, node)| (key.to_owned(), Python::of(node).flag())).collect()
}

/// Returns warnings: duplicate keys, unapplied layers, and a command that sparkrun refuses.
pub(super) fn warnings(whole: &MergedRecipe, layers: &[Layer]) -> Vec<String> {
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
    warnings.truncate(50);
    let command = whole.root.get("command").filter(|node| !node.is_null());
    if let Some(node) = command.filter(|node| !matches!(Python::of(node), Python::Text(_))) {
        let line = node.line;
        warnings.push(format!("line {line}: `command` is not a string, and sparkrun refuses it"));
    }
    let open = layers.iter().filter(|layer| layer.applied.is_none()).count();
    if open > 0 {
        warnings.push(format!(
            "conditional layers in `overrides` that are not applied: {open}; nothing says where it will run (--when)"
        ));
    }
    warnings
}

pub(super) fn about(root: &Node, model: Option<&str>, runtime: &str) -> String {
    let text = |node: &Node| node.get("description")?.said().map(str::to_owned);
    let Some(description) = text(root).or_else(|| text(root.get("metadata")?)) else {
        return format!("{} on {runtime}.", model.unwrap_or("An unnamed model"));
    };
    let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(". ").map_or(line.len(), |end| end + 1);
    one_line(&line[..end], 400)
}
