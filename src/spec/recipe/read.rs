//! Reads recipes: tolerantly, since they are other people's files. Knows
//! their shape; what is made of them is said by `render`.

use std::collections::BTreeMap;

use super::draft::{self, Draft};
use super::include::{Beside, whole};
use super::layers;
use super::render::{self, How};
use super::values::{Values, set_of};
use super::{Reading, Recipe, Source, Wishes, docker};
use crate::engine::flags;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::field::{Field, shown};
use crate::spec::node::python::{Python, is_trap, json, plain};
use crate::spec::node::{self, Document, Node, Value};

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

/// What a recipe wants to have run on a machine. longhaul shows it and never runs it.
const HOOKS: [&str; 5] = ["pre_exec", "post_exec", "post_commands", "mods", "build_args"];

/// Reads a recipe as it stands. One that includes another needs [`read_as`].
///
/// # Errors
/// As [`read_as`].
#[allow(clippy::needless_pass_by_value)] // as every spec is read
pub fn read(source: Source) -> Result<Recipe, Mistake> {
    read_as(&source, &Wishes::default(), &|_| Ok(None)).map(|reading| reading.recipe)
}

/// Reads a recipe with what the user wishes of it; `beside` hands in the files beside it.
///
/// # Errors
/// It is no YAML and no `docker run`, holds none of the keys that tell what is served, a key
/// has a shape of which nothing can be made, or its command cannot be rendered.
pub fn read_as(source: &Source, wishes: &Wishes, beside: Beside<'_>) -> Result<Reading, Mistake> {
    if let Some(start) = docker::begins(&source.text) {
        let line = docker::parse(&source.text, start);
        return Ok(of_line(source.clone(), &line, wishes));
    }
    let whole = whole(source, beside)?;
    let root = Field::root(source, &whole.document);
    check_it_is_one(&root)?;
    let mut warnings: Vec<String> = Vec::new();
    for (file, document) in &whole.parts {
        let place = if whole.parts.len() > 1 { format!("{file} ") } else { String::new() };
        warnings.extend(traps(document).into_iter().map(|text| format!("{place}{text}")));
    }
    let set = set_of(&wishes.set);
    let (env, set): (Vec<_>, Vec<_>) =
        set.into_iter().partition(|(key, _)| key.len() > 4 && key.starts_with("env."));
    let mut draft = Draft::of(&root)?;
    let declared = render::collapsed(&draft).with(&set).map_err(wrong_set)?;
    let ground = layers::Ground { values: &declared, set: &set, place: wishes.place.as_ref() };
    let env: Vec<(String, String)> =
        env.into_iter().map(|(key, value)| (key[4..].to_owned(), value.str())).collect();
    layers::put(&mut draft.env, &env);
    let layers = layers::applied(root.node, &mut draft, &ground, &mut warnings);
    // What the user sets counts before any layer.
    layers::put(&mut draft.env, &env);
    let (rendered, values) =
        render::rendered(&draft, &set, wishes.manner).map_err(|why| unrendered(&root, why))?;
    warnings.extend(rendered.warnings);
    let others = others(root.node);
    let hooks = |(key, _): &(String, String)| HOOKS.contains(&key.as_str());
    let (hooks, others) = others.into_iter().partition(hooks);
    let included: Vec<String> = whole.parts[1..].iter().map(|(file, _)| file.clone()).collect();
    let mut recipe = recipe(&root, &draft, rendered.command, &values, &set);
    recipe.warnings = warnings;
    recipe.source = source.clone();
    if !included.is_empty() {
        recipe.source.text = node::write(root.node);
    }
    Ok(Reading {
        recipe,
        how: rendered.how,
        notes: rendered.notes,
        layers,
        hooks,
        others,
        included,
    })
}

fn wrong_set(why: String) -> Mistake {
    Mistake::new(why).at("--set").hint("set the whole value: --set 'key={…}'")
}

fn unrendered(root: &Field<'_>, why: String) -> Mistake {
    let Some(node) = root.node.get("command") else { return root.mistake(why) };
    let grows = why.contains("grows");
    let mistake = root.below("command", node).mistake(why);
    if grows { mistake.hint("a value in `defaults` holds itself") } else { mistake }
}

fn recipe(
    root: &Field<'_>,
    draft: &Draft,
    command: Option<String>,
    values: &Values,
    set: &[(String, Python)],
) -> Recipe {
    let engine = render::engine_of(&draft.runtime);
    let is_own = |key: &str| {
        draft.defaults.iter().chain(&draft.layered).any(|(known, _)| known.text() == Some(key))
            || set.iter().any(|(known, _)| known.split('.').next() == Some(key))
    };
    let mut settings = BTreeMap::new();
    for (key, value) in values.iter().filter(|(key, _)| is_own(key)) {
        if let Some(text) = setting(value) {
            settings.insert(flags::canonical(engine, key), text);
        }
    }
    settings
        .extend(command.as_deref().map(|text| flags::settings(engine, text)).unwrap_or_default());
    let of_command = || command.as_deref().and_then(model_of_command);
    let model = draft.model_name().or_else(of_command);
    let unknown = root.node.entries().into_iter().map(|(key, _)| key);
    let metadata = root.node.get("metadata");
    Recipe {
        about: about(root.node, model.as_deref(), &draft.runtime),
        container: draft.container.clone(),
        profile: metadata.and_then(|m| m.get("profile")?.said().map(str::to_owned)),
        served: served(&settings, model.as_deref()),
        model,
        runtime: draft.runtime.clone(),
        env: draft.env.clone(),
        command,
        settings,
        warnings: Vec::new(),
        unknown: unknown.filter(|key| !KNOWN.contains(key)).map(str::to_owned).collect(),
        source: root.source.clone(),
    }
}

fn served(settings: &BTreeMap<String, String>, model: Option<&str>) -> Vec<String> {
    match settings.get("served_model_name") {
        Some(names) => names.split_whitespace().map(str::to_owned).collect(),
        None => model.iter().map(|model| (*model).to_owned()).collect(),
    }
}

/// The recipe of a `docker run` line.
fn of_line(source: Source, line: &docker::Line, wishes: &Wishes) -> Reading {
    let image = line.image.as_deref().unwrap_or_default();
    let inner = line.command.as_deref().map(docker::inner);
    let runtime = runtime_of_line(image, inner.as_deref().unwrap_or_default());
    let engine = render::engine_of(runtime);
    let settings = inner.as_deref().map(|text| flags::settings(engine, text)).unwrap_or_default();
    let first = inner.as_deref().and_then(|text| flags::words(text).into_iter().next());
    let positional =
        first.map(|word| word.text).filter(|word| word.contains('/') && !word.starts_with('/'));
    let model = inner.as_deref().and_then(model_of_command);
    let model = model.or_else(|| settings.get("model").cloned()).or(positional);
    let mut warnings = Vec::new();
    let open = line.env.iter().filter(|(_, value)| value.is_none());
    warnings
        .extend(open.map(|(key, _)| format!("the value of {key} comes from whoever starts it")));
    if !wishes.set.is_empty() {
        warnings.push("nothing can be set in a `docker run`: it has no placeholders".to_owned());
    }
    let env = line.env.iter().map(|(key, value)| (key.clone(), value.clone().unwrap_or_default()));
    let served = served(&settings, model.as_deref());
    let recipe = Recipe {
        about: format!("{} on {runtime}.", model.as_deref().unwrap_or("An unnamed model")),
        model,
        served,
        runtime: runtime.to_owned(),
        container: line.image.clone(),
        env: env.collect(),
        command: line.command.clone(),
        settings,
        profile: None,
        warnings,
        unknown: Vec::new(),
        source,
    };
    Reading {
        recipe,
        how: How::AsItStands,
        notes: Vec::new(),
        layers: Vec::new(),
        hooks: Vec::new(),
        others: line.options.clone(),
        included: Vec::new(),
    }
}

/// By the command, else by the image that brings its own.
fn runtime_of_line(image: &str, command: &str) -> &'static str {
    let by_command = draft::runtime_of_command(command);
    if by_command != "vllm" {
        return by_command;
    }
    let image = image.to_lowercase();
    if image.contains("sglang") {
        "sglang"
    } else if image.contains("llama") && !image.contains("vllm") {
        "llama-cpp"
    } else {
        "vllm"
    }
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

/// Every key but those that [`Draft`] holds, as text.
fn others(root: &Node) -> Vec<(String, String)> {
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

/// A default as a setting: what the flag would take.
fn setting(value: &Python) -> Option<String> {
    match value {
        Python::None => None,
        Python::Bool(value) => Some(value.to_string()),
        Python::List(_) | Python::Map(_) => Some(json::dumps(value)),
        other => Some(other.str()),
    }
}

/// Keys that stand twice, and values that are not what they look like.
fn traps(document: &Document) -> Vec<String> {
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

/// `vllm serve MODEL`, where the recipe has no `model` of its own.
fn model_of_command(command: &str) -> Option<String> {
    let words = flags::words(command);
    let serve = words.iter().position(|word| word.text == "serve")?;
    let word = words.get(serve + 1).map(|word| word.text.clone());
    word.filter(|word| !word.starts_with(['-', '{']))
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
