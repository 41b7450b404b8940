//! What is told of a recipe's file besides what is served: that it is one,
//! what it is for, its traps, and keys that nothing is made of.

use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::field::{Field, shown};
use crate::spec::node::python::{Python, is_trap, json, plain};
use crate::spec::node::{Document, Node, Value};

/// Keys that sparkrun 0.4.2 knows (`core/recipe.py`); any other is kept and told.
const KNOWN: [&str; 41] = [
    "sparkrun_version",
    "recipe_version",
    "min_sparkrun_version",
    "name",
    "description",
    "model",
    "model_revision",
    "runtime",
    "runtime_version",
    "mode",
    "min_nodes",
    "max_nodes",
    "container",
    "containers",
    "defaults",
    "env",
    "command",
    "runtime_config",
    "cluster_only",
    "solo_only",
    "benchmark",
    "metadata",
    "pre_exec",
    "post_exec",
    "post_commands",
    "mods",
    "stop_after_post",
    "builder",
    "builder_config",
    "executor",
    "executor_config",
    "scheduler",
    "distribution_config",
    "layout",
    "cluster_config",
    "runtime_cache",
    "readiness",
    "capabilities",
    "unsupported_capabilities",
    "include",
    "overrides",
];

/// Where a recipe says its runtime's version, the first of them counts: sparkrun's own key, then
/// what people write under `metadata`.
const VERSIONS: [&str; 6] = [
    "runtime_version",
    "metadata.runtime_version",
    "metadata.engine_version",
    "metadata.vllm_version",
    "metadata.sglang_version",
    "metadata.llama_cpp_version",
];

/// Bounds what is told of one file.
const WARNINGS_MAX: usize = 50;

/// Keys without which nothing can be said of what is served.
const TELLING: [&str; 4] = ["model", "command", "container", "defaults"];

/// The runtime's version, and the key that says it.
pub fn version(root: &Node) -> Option<(&'static str, &str)> {
    VERSIONS.into_iter().find_map(|key| {
        let node = match key.split_once('.') {
            Some((map, key)) => root.get(map)?.get(key)?,
            None => root.get(key)?,
        };
        node.said().filter(|version| !version.is_empty()).map(|version| (key, version))
    })
}

/// That it is a recipe at all.
pub fn check_it_is_one(root: &Field<'_>) -> Result<(), Mistake> {
    if !root.node.is_map() {
        return Err(root.mistake(format!(
            "`{}` is no recipe: it is {}",
            root.source.name,
            root.node.kind()
        )));
    }
    if TELLING.iter().any(|key| root.node.get(key).is_some_and(|node| !node.is_null())) {
        return Ok(());
    }
    let mistake = root
        .mistake(format!("`{}` is no recipe: it has neither model nor command", root.source.name));
    let is_scenario =
        ["workloads", "framework", "contract"].iter().any(|key| root.node.get(key).is_some());
    Err(if is_scenario {
        mistake.hint("it looks like a scenario: --scenario")
    } else {
        mistake.hint("docs/formats/recipe.md")
    })
}

/// Its keys that nobody knows.
pub fn unknown(root: &Node) -> Vec<String> {
    let keys = root.entries().into_iter().map(|(key, _)| key);
    keys.filter(|key| !KNOWN.contains(key)).map(str::to_owned).collect()
}

/// Every key but those that [`Draft`] holds, as text.
pub fn others(root: &Node) -> Vec<(String, String)> {
    let told =
        ["command", "defaults", "env", "overrides", "model", "runtime", "container", "description"];
    let pairs =
        root.entries().into_iter().filter(|(key, node)| !told.contains(key) && !node.is_null());
    pairs
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

/// That the command is no text: there is something to show, and nothing that would be started.
pub fn unfit_command(root: &Node) -> Option<String> {
    let node = root.get("command").filter(|node| !node.is_null())?;
    let is_text = matches!(Python::of(node), Python::Text(_));
    let line = node.line;
    (!is_text).then(|| format!("line {line}: `command` is no text, and sparkrun refuses it"))
}

/// Keys that stand twice, and values that are not what they look like.
pub fn traps(document: &Document) -> Vec<String> {
    let mut warnings: Vec<(usize, String)> = document
        .duplicates
        .iter()
        .map(|duplicate| {
            let key = shown(&duplicate.key);
            let text = format!(
                "{key} stands again (before on line {}); the last one counts",
                duplicate.first
            );
            (duplicate.again, text)
        })
        .collect();
    warnings.extend(document.tags.iter().cloned());
    find_traps(&document.root, &mut warnings);
    warnings.sort();
    if warnings.len() > WARNINGS_MAX {
        let line = warnings[WARNINGS_MAX].0;
        let text = format!("{} more of the same kind", warnings.len() - WARNINGS_MAX);
        warnings.truncate(WARNINGS_MAX);
        warnings.push((line, text));
    }
    warnings.into_iter().map(|(line, text)| format!("line {line}: {text}")).collect()
}

fn find_traps(node: &Node, warnings: &mut Vec<(usize, String)>) {
    match &node.value {
        Value::Scalar { raw, quoted } => {
            if !quoted && is_trap(raw) {
                let text = format!(
                    "{} is {} to PyYAML; a text needs quotes",
                    shown(raw),
                    plain(raw).str()
                );
                warnings.push((node.line, text));
            }
        }
        Value::Seq(items) => items.iter().for_each(|item| find_traps(item, warnings)),
        Value::Map(pairs) => {
            for (key, value) in pairs {
                find_traps(key, warnings);
                find_traps(value, warnings);
            }
        }
    }
}

/// The first sentence of the description.
pub fn about(root: &Node, model: Option<&str>, runtime: &str) -> String {
    let description = root.get("description").and_then(Node::said);
    let description =
        description.or_else(|| root.get("metadata").and_then(|m| m.get("description")?.said()));
    let Some(description) = description else {
        return format!("{} on {runtime}.", model.unwrap_or("An unnamed model"));
    };
    let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(". ").map_or(line.len(), |end| end + 1);
    one_line(&line[..end], 400)
}
