//! Reads recipes: tolerantly, since they are other people's files. Knows
//! their shape; what is made of them is said by `render`.

mod line;
mod told;

use std::collections::BTreeMap;

use super::draft::Draft;
use super::include::{Beside, whole};
use super::layers;
use super::places::Places;
use super::render;
use super::values::{Values, set_of};
use super::{Reading, Recipe, Source, Wishes, docker};
use crate::engine::flags;
use crate::error::Mistake;
use crate::spec::field::Field;
use crate::spec::node::python::{Python, json};
use crate::spec::node::{self, Flaw};

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
    node::check_size(&source.text).map_err(|flaw| too_large(source, flaw))?;
    if let Some(start) = docker::begins(&source.text) {
        let line = docker::parse(&source.text, start);
        return Ok(line::reading(source.clone(), &line, wishes));
    }
    let whole = whole(source, beside)?;
    let root = Field::root(source, &whole.document);
    told::check_it_is_one(&root)?;
    let mut warnings: Vec<String> = Vec::new();
    for (file, document) in &whole.parts {
        let place = if whole.parts.len() > 1 { format!("{file} ") } else { String::new() };
        warnings.extend(told::traps(document).into_iter().map(|text| format!("{place}{text}")));
    }
    warnings.extend(told::unfit_command(root.node));
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
    let others = told::others(root.node);
    let hooks = |(key, _): &(String, String)| HOOKS.contains(&key.as_str());
    let (hooks, others) = others.into_iter().partition(hooks);
    let included: Vec<String> = whole.parts[1..].iter().map(|(file, _)| file.clone()).collect();
    let mut recipe = recipe(&root, &draft, rendered.command, &values, &set);
    recipe.warnings = warnings;
    recipe.source = source.clone();
    let places = Places::of(&whole.parts, render::engine_of(&draft.runtime));
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
        version_key: told::version(root.node).map(|(key, _)| key),
        places,
    })
}

fn too_large(source: &Source, flaw: Flaw) -> Mistake {
    Mistake::new(flaw.message).at(&source.origin).hint("a recipe, or a saved command line")
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
    let inner = command.as_deref().map(docker::inner);
    settings.extend(inner.as_deref().map(|text| flags::settings(engine, text)).unwrap_or_default());
    let of_command = || inner.as_deref().and_then(model_of_command);
    let model = draft.model_name().or_else(of_command);
    let metadata = root.node.get("metadata");
    Recipe {
        about: told::about(root.node, model.as_deref(), &draft.runtime),
        container: draft.container.clone(),
        profile: metadata.and_then(|m| m.get("profile")?.said().map(str::to_owned)),
        served: served(&settings, model.as_deref()),
        model,
        runtime: draft.runtime.clone(),
        runtime_version: told::version(root.node).map(|(_, version)| version.to_owned()),
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
