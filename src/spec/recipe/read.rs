//! Parses recipes; unknown keys are noted, values that are not understood are refused.

mod keys;
mod line;

use std::collections::BTreeMap;

use super::draft::Draft;
use super::include::{ReadInclude, whole};
use super::layers;
use super::render;
use super::values::{Values, set_of};
use super::{ReadOptions, ReadRecipe, Recipe, SpecFile, compose, docker};
use crate::engine::flags;
use crate::error::Mistake;
use crate::shell::{has_open_quote, words};
use crate::spec::field::{Field, flawed};
use crate::spec::node::python::{Python, put};
use crate::spec::node::{self, Node};

/// Keys with commands for the host. longhaul shows them and never runs them.
const HOOKS: [&str; 5] = ["pre_exec", "post_exec", "post_commands", "mods", "build_args"];

/// Warning about a command that a shell would refuse.
const OPEN_QUOTE: &str = "a quote in the command is not closed: what follows it is read as one word, and a shell refuses it";

/// Parses a recipe without changes. One that includes another needs [`read_as`].
#[allow(clippy::needless_pass_by_value)] // as every spec is read
pub(crate) fn read(source: SpecFile) -> Result<Recipe, Mistake> {
    read_as(&source, &ReadOptions::default(), &|_| Ok(None)).map(|reading| reading.recipe)
}

/// Parses a recipe with the changes of flags; `load` returns the files beside it.
pub(crate) fn read_as(
    source: &SpecFile,
    options: &ReadOptions,
    load: ReadInclude<'_>,
) -> Result<ReadRecipe, Mistake> {
    node::check_size(&source.text).map_err(|flaw| flawed(source, flaw))?;
    if let Some(line) = saved(source)? {
        return line::reading(source.clone(), &line, options);
    }
    let whole = whole(source, load)?;
    let root = Field { source, node: &whole.root, path: String::new() };
    keys::check_it_is_one(&root).map_err(|wrong| with_hint(source, wrong))?;
    let mut draft = Draft::of(&root)?;
    let (env, set): (Vec<_>, Vec<_>) = set_of(&options.set)?
        .into_iter()
        .partition(|(key, _)| key.len() > 4 && key.starts_with("env."));
    let with_set = |draft: &Draft| {
        Values::of(draft).with(&set).map_err(|why| {
            Mistake::new(why).at("--set").hint("set the whole value: --set 'key={…}'")
        })
    };
    let declared = with_set(&draft)?;
    for (key, value) in &env {
        put(&mut draft.env, key[4..].to_owned(), value.str());
    }
    let layers = layers::applied(&root, &mut draft, &declared, options.deployment.as_ref())?;
    // The user's variables override those of layers, and keep their position.
    for (key, value) in env {
        put(&mut draft.env, key[4..].to_owned(), value.str());
    }
    let values = with_set(&draft)?;
    let rendered = render::rendered(&draft, &values, &set, options.dialect).map_err(|flaw| {
        let line = flaw.line + root.node.get("command").unwrap_or(root.node).line;
        flawed(source, flaw).at(format!("{}:{line} command", source.origin))
    })?;
    let settings = settings(&draft, &values, &set, rendered.command.as_deref());
    let model = draft.model_name().or_else(|| model_of_command(rendered.command.as_deref()?));
    let mut warnings = keys::warnings(&whole, &layers);
    warnings.extend(rendered.warnings);
    warnings.extend(rendered.command.as_deref().and_then(open_quote));
    let nothing = settings.iter().filter(|(_, value)| *value == "None");
    warnings.extend(nothing.map(|(name, _)| {
        format!("`{name}` is the word `None`, which is a string in YAML; write `null` for no value")
    }));
    let included: Vec<String> = whole.parts[1..].iter().map(|(file, _)| file.clone()).collect();
    let mut source = source.clone();
    if !included.is_empty() {
        source.text = node::write(root.node);
    }
    let profile = root.node.get("metadata").and_then(|metadata| metadata.get("profile"));
    let recipe = Recipe {
        about: keys::about(root.node, model.as_deref(), &draft.runtime),
        profile: profile.and_then(Node::said).map(str::to_owned),
        served: served(&settings, model.as_deref()),
        runtime_version: keys::version(root.node).map(str::to_owned),
        unknown: keys::unknown(root.node),
        command: rendered.command,
        container: draft.container,
        runtime: draft.runtime,
        env: draft.env,
        source,
        model,
        settings,
        warnings,
    };
    let (hooks, others) =
        keys::others(root.node).into_iter().partition(|(key, _)| HOOKS.contains(&key.as_str()));
    Ok(ReadRecipe { recipe, how: rendered.how, layers, hooks, others, included })
}

/// Returns the `docker run` that a text is, or the server's service of a compose file.
pub(super) fn saved(source: &SpecFile) -> Result<Option<docker::Line>, Mistake> {
    match docker::line(&source.text) {
        None => compose::line(source).map_err(|wrong| with_hint(source, wrong)),
        line => Ok(line),
    }
}

/// Adds where a `docker run` is looked for, if the text holds one that was not found.
fn with_hint(source: &SpecFile, wrong: Mistake) -> Mistake {
    let hint = "a `docker run` at the beginning of a line: docs/formats/recipe.md";
    let is_held = ["docker", "podman"].iter().any(|name| source.text.contains(name));
    if is_held && source.text.contains(" run ") { wrong.hint(hint) } else { wrong }
}

/// Collects the settings: the recipe's own values, overridden by the command's flags.
fn settings(
    draft: &Draft,
    values: &Values,
    set: &[(String, Python)],
    command: Option<&str>,
) -> BTreeMap<String, String> {
    let engine = render::engine_of(&draft.runtime);
    let is_own = |key: &str| {
        draft.defaults.iter().any(|(known, _)| known == key)
            || set.iter().any(|(known, _)| known.split('.').next() == Some(key))
    };
    let own = values.iter().filter(|(key, value)| is_own(key) && **value != Python::None);
    let mut settings: BTreeMap<String, String> =
        own.map(|(key, value)| (flags::canonical(engine, key), value.flag())).collect();
    if let Some(command) = command {
        settings.extend(flags::settings(engine, &docker::inner(command)));
    }
    settings
}

fn served(settings: &BTreeMap<String, String>, model: Option<&str>) -> Vec<String> {
    match settings.get("served_model_name") {
        Some(names) => names.split_whitespace().map(str::to_owned).collect(),
        None => model.iter().map(|model| (*model).to_owned()).collect(),
    }
}

fn open_quote(command: &str) -> Option<String> {
    has_open_quote(command).then(|| OPEN_QUOTE.to_owned())
}

/// Returns the model of `vllm serve MODEL`, for a recipe without `model`.
pub(super) fn model_of_command(command: &str) -> Option<String> {
    let words = words(&docker::inner(command));
    let serve = words.iter().position(|word| word.text == "serve")?;
    let word = words.get(serve + 1).map(|word| word.text.clone());
    word.filter(|word| !word.starts_with(['-', '{']))
}

#[cfg(test)]
mod tests;
