//! Reads recipes: tolerantly where a key is nobody's, and not at all where a
//! value is not understood. What is made of them is said by `render`.

mod line;
mod told;

use std::collections::BTreeMap;

use super::draft::Draft;
use super::include::{Beside, whole};
use super::layers;
use super::render;
use super::values::{Values, set_of};
use super::{Reading, Recipe, Source, Wishes, docker};
use crate::engine::flags;
use crate::error::Mistake;
use crate::spec::field::{Field, flawed};
use crate::spec::node::python::{Python, json, put};
use crate::spec::node::{self, Node};

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
/// has a shape of which nothing can be made, a value is not understood, or its command cannot
/// be rendered.
pub fn read_as(source: &Source, wishes: &Wishes, beside: Beside<'_>) -> Result<Reading, Mistake> {
    node::check_size(&source.text).map_err(|flaw| flawed(source, flaw))?;
    if let Some(start) = docker::begins(&source.text) {
        let line = docker::parse(&source.text, start);
        return Ok(line::reading(source.clone(), &line, wishes));
    }
    let whole = whole(source, beside)?;
    let root = Field { source, node: &whole.root, path: String::new() };
    told::check_it_is_one(&root)?;
    let mut draft = Draft::of(&root)?;
    let (env, set): (Vec<_>, Vec<_>) = set_of(&wishes.set)?
        .into_iter()
        .partition(|(key, _)| key.len() > 4 && key.starts_with("env."));
    let wrong_set =
        |why: String| Mistake::new(why).at("--set").hint("set the whole value: --set 'key={…}'");
    let declared = Values::of(&draft).with(&set).map_err(wrong_set)?;
    let set_env = |draft: &mut Draft| {
        for (key, value) in &env {
            put(&mut draft.env, key[4..].to_owned(), value.str());
        }
    };
    set_env(&mut draft);
    let layers = layers::applied(&root, &mut draft, &declared, wishes.place.as_ref())?;
    // What the user sets counts before any layer.
    set_env(&mut draft);
    let values = Values::of(&draft).with(&set).map_err(wrong_set)?;
    let rendered = render::rendered(&draft, &values, &set).map_err(|why| {
        let line = why.line + root.node.get("command").unwrap_or(root.node).line;
        let place = format!("{}:{line} command", source.origin);
        Mistake::new(why.what).at(place).hint(why.hint)
    })?;
    let (hooks, others) =
        told::others(root.node).into_iter().partition(|(key, _)| HOOKS.contains(&key.as_str()));
    let included: Vec<String> = whole.parts[1..].iter().map(|(file, _)| file.clone()).collect();
    let mut recipe = recipe(&root, &draft, rendered.command, &values, &set);
    recipe.warnings = told::warnings(&whole, &layers);
    recipe.warnings.extend(rendered.warnings);
    if !included.is_empty() {
        recipe.source.text = node::write(root.node);
    }
    Ok(Reading { recipe, how: rendered.how, layers, hooks, others, included })
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
        draft.defaults.iter().chain(&draft.layered).any(|(known, _)| known == key)
            || set.iter().any(|(known, _)| known.split('.').next() == Some(key))
    };
    let mut settings = BTreeMap::new();
    for (key, value) in values.iter().filter(|(key, _)| is_own(key)) {
        if let Some(text) = setting(value) {
            settings.insert(flags::canonical(engine, key), text);
        }
    }
    let inner = command.as_deref().map(docker::inner);
    settings.extend(inner.as_deref().map(|text| flags::settings(engine, text)).unwrap_or_default());
    let of_command = || inner.as_deref().and_then(model_of_command);
    let model = draft.model_name().or_else(of_command);
    let profile = root.node.get("metadata").and_then(|metadata| metadata.get("profile"));
    Recipe {
        about: told::about(root.node, model.as_deref(), &draft.runtime),
        container: draft.container.clone(),
        profile: profile.and_then(Node::said).map(str::to_owned),
        served: served(&settings, model.as_deref()),
        model,
        runtime: draft.runtime.clone(),
        runtime_version: told::version(root.node).map(str::to_owned),
        env: draft.env.clone(),
        command,
        settings,
        warnings: Vec::new(),
        unknown: told::unknown(root.node),
        source: root.source.clone(),
    }
}

fn served(settings: &BTreeMap<String, String>, model: Option<&str>) -> Vec<String> {
    match settings.get("served_model_name") {
        Some(names) => names.split_whitespace().map(str::to_owned).collect(),
        None => model.iter().map(|model| (*model).to_owned()).collect(),
    }
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

/// `vllm serve MODEL`, where the recipe has no `model` of its own.
fn model_of_command(command: &str) -> Option<String> {
    let words = flags::words(command);
    let serve = words.iter().position(|word| word.text == "serve")?;
    let word = words.get(serve + 1).map(|word| word.text.clone());
    word.filter(|word| !word.starts_with(['-', '{']))
}

#[cfg(test)]
mod tests;
