//! Reads recipes of sparkrun (version 2) and of eugr's `run-recipe.py`
//! (version 1): tolerantly, since they are other people's files.

use std::collections::BTreeMap;

use super::render::{Values, sparkrun_0_3, unescape_default};
use super::{Recipe, Source};
use crate::engine::vllm::flags;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::field::{Field, document, shown};
use crate::spec::node::{Document, Node, Value, python};

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

/// Keys without which nothing can be said of what is served.
const TELLING: [&str; 4] = ["model", "command", "container", "defaults"];

/// Reads a recipe.
///
/// # Errors
/// It is no YAML, no recipe, or a part that longhaul needs has the wrong shape.
pub fn read(source: Source) -> Result<Recipe, Mistake> {
    let document = document(&source)?;
    let root = Field::root(&source, &document);
    check_it_is_one(&root)?;
    let mut warnings = warnings(&document);
    let model = text(&root, "model")?;
    let defaults = map(&root, "defaults")?;
    let command = command(&root, model.as_deref(), &defaults, &mut warnings)?;
    let settings = settings(&defaults, command.as_deref());
    let model = model.or_else(|| command.as_deref().and_then(model_of_command));
    let served = match settings.get("served_model_name") {
        Some(names) => names.split_whitespace().map(str::to_owned).collect(),
        None => model.iter().cloned().collect(),
    };
    let env = map(&root, "env")?;
    let env = env.iter().map(|(key, node)| (key.clone(), said(node))).collect();
    let runtime = match text(&root, "runtime")? {
        Some(runtime) => runtime,
        None => runtime_of_command(command.as_deref().unwrap_or_default()).to_owned(),
    };
    let unknown = document.root.entries().into_iter().map(|(key, _)| key);
    let unknown = unknown.filter(|key| !KNOWN.contains(key)).map(str::to_owned).collect();
    Ok(Recipe {
        about: about(&document.root, model.as_deref(), &runtime),
        container: text(&root, "container")?,
        profile: document
            .root
            .get("metadata")
            .and_then(|m| m.get("profile")?.said().map(str::to_owned)),
        model,
        served,
        runtime,
        env,
        command,
        settings,
        warnings,
        unknown,
        source,
    })
}

fn check_it_is_one(root: &Field<'_>) -> Result<(), Mistake> {
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

/// A key's text, `None` where it is missing or null.
fn text(root: &Field<'_>, key: &str) -> Result<Option<String>, Mistake> {
    match root.node.get(key) {
        None => Ok(None),
        Some(node) if node.is_null() => Ok(None),
        Some(node) => root.below(key, node).text().map(|text| Some(text.to_owned())),
    }
}

/// A key's map, empty where it is missing or null.
fn map<'a>(root: &Field<'a>, key: &str) -> Result<Vec<(String, &'a Node)>, Mistake> {
    match root.node.get(key) {
        None => Ok(Vec::new()),
        Some(node) if node.is_null() => Ok(Vec::new()),
        Some(node) => {
            let values = root.below(key, node).any_map()?;
            Ok(values.into_iter().map(|(key, field)| (key.to_owned(), field.node)).collect())
        }
    }
}

/// A value as Python writes it; nothing for null.
fn said(node: &Node) -> String {
    python::str_of(node).unwrap_or_default()
}

fn command(
    root: &Field<'_>,
    model: Option<&str>,
    defaults: &[(String, &Node)],
    warnings: &mut Vec<String>,
) -> Result<Option<String>, Mistake> {
    let Some(template) = text(root, "command")? else { return Ok(None) };
    let mut values = Values::new();
    for (key, node) in defaults {
        if let Some(value) = python::str_of(node) {
            let is_text = node.text() == Some(value.as_str());
            values.insert(key.clone(), if is_text { unescape_default(&value) } else { value });
        }
    }
    if let Some(model) = model {
        for key in ["model", "resolved_model_path"] {
            values.entry(key.to_owned()).or_insert_with(|| model.to_owned());
        }
    }
    if let Some(revision) = text(root, "model_revision")? {
        values.entry("model_revision".to_owned()).or_insert(revision);
    }
    let Some(command) = sparkrun_0_3(&template, &values) else {
        let node = root.node.get("command").unwrap_or(root.node);
        let mistake = root
            .below("command", node)
            .mistake("the command grows without end when its placeholders are filled in");
        return Err(mistake.hint("a value in `defaults` holds itself"));
    };
    for word in ["{model}", "{port}", "{host}", "{served_model_name}", "{max_model_len}"] {
        if command.contains(word) {
            warnings.push(format!("{word} in `command` has no value in `defaults`"));
        }
    }
    Ok(Some(command))
}

/// Settings from `defaults`, then from the command's flags, which win.
fn settings(defaults: &[(String, &Node)], command: Option<&str>) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (key, node) in defaults {
        let value = match &node.value {
            Value::Scalar { raw, .. } if node.is_quoted() => unescape_default(raw),
            Value::Scalar { raw, .. } => match python::plain(raw) {
                python::Plain::Null => continue,
                python::Plain::Bool(value) => value.to_string(),
                _ => said(node),
            },
            _ => json(node).to_string(),
        };
        settings.insert(flags::canonical(key), value);
    }
    settings.extend(command.map(flags::settings).unwrap_or_default());
    settings
}

/// A structured default (`speculative_config: {…}`) as JSON, which is what the flag takes.
fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Seq(items) => items.iter().map(json).collect(),
        Value::Map(_) => {
            node.entries().into_iter().map(|(key, node)| (key.to_owned(), json(node))).collect()
        }
        Value::Scalar { raw, quoted: true } => raw.as_str().into(),
        Value::Scalar { raw, quoted: false } => match python::plain(raw) {
            python::Plain::Null => serde_json::Value::Null,
            python::Plain::Bool(value) => value.into(),
            python::Plain::Int(value) => {
                i64::try_from(value).map_or(raw.as_str().into(), Into::into)
            }
            python::Plain::Float(value) => value.into(),
            python::Plain::Text => raw.as_str().into(),
        },
    }
}

fn warnings(document: &Document) -> Vec<String> {
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
    find_traps(&document.root, &mut warnings);
    warnings.sort();
    warnings.into_iter().map(|(line, text)| format!("line {line}: {text}")).collect()
}

fn find_traps(node: &Node, warnings: &mut Vec<(usize, String)>) {
    match &node.value {
        Value::Scalar { raw, quoted } => {
            if !quoted && python::is_trap(raw) {
                let text =
                    format!("{} is {} to PyYAML; a text needs quotes", shown(raw), said(node));
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

/// By sparkrun's own expressions, in its order.
fn runtime_of_command(command: &str) -> &'static str {
    let words = flags::words(command.lines().next().unwrap_or_default());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["sglang", "serve", ..] | ["python" | "python3", "-m", "sglang.launch_server", ..] => {
            "sglang"
        }
        ["llama-server", ..] => "llama-cpp",
        ["trtllm-serve", ..] => "trtllm",
        _ => "vllm",
    }
}

/// `vllm serve MODEL`, where the recipe has no `model` of its own.
fn model_of_command(command: &str) -> Option<String> {
    let words = flags::words(command);
    let serve = words.iter().position(|word| word == "serve")?;
    words.get(serve + 1).filter(|word| !word.starts_with(['-', '{'])).cloned()
}

/// The first sentence of the description.
fn about(root: &Node, model: Option<&str>, runtime: &str) -> String {
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

#[cfg(test)]
mod tests;
