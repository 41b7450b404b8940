//! Edits a key of a recipe's file, or a flag of its rendered command.

use super::{Change, split};
use crate::engine::Engine;
use crate::engine::flags::{self, FlagKind};
use crate::engine::launch::{FlagKey, Shape};
use crate::error::Mistake;
use crate::shell::quoted;
use crate::spec::field::document;
use crate::spec::node::python::{Python, coerce, json};
use crate::spec::node::{Node, Value, write};
use crate::spec::recipe::read::read;
use crate::spec::recipe::render::{built, engine_of};
use crate::spec::recipe::values::{Values, set_of};
use crate::spec::recipe::{ReadRecipe, SpecFile, docker};

pub(super) fn changed(base: &ReadRecipe, changes: &[Change]) -> Result<String, Mistake> {
    let mut root = document(&base.recipe.source)?.root;
    for change in changes.iter().filter(|change| change.is_of_file()) {
        let value = change.value.as_deref().map(|value| Node::scalar(value, true));
        let Some(name) = change.variable() else {
            put(&mut root, &change.key, value);
            continue;
        };
        let known = root.get("env").filter(|node| node.is_map()).cloned();
        let mut env = known.unwrap_or(Node::map(Vec::new()));
        put(&mut env, name, value);
        put(&mut root, "env", Some(env));
    }
    let source = SpecFile { text: write(&root), ..base.recipe.source.clone() };
    let flags: Vec<&Change> = changes.iter().filter(|change| !change.is_of_file()).collect();
    if flags.is_empty() {
        return Ok(source.text);
    }
    let wrong = |why: String| Mistake::new(why).at(&base.recipe.source.origin);
    let mut command = read(source)?
        .command
        .ok_or_else(|| wrong("the recipe has no command to vary".to_owned()))?;
    for change in flags {
        command = with_flag(engine_of(&base.recipe.runtime), &command, change).map_err(wrong)?;
    }
    // Escapes braces, so that the template renders to the same command.
    if command.contains('{') {
        command = command.replace('{', "{{").replace('}', "}}");
    }
    put(&mut root, "command", Some(Node::scalar(command, true)));
    Ok(write(&root))
}

fn put(map: &mut Node, key: &str, value: Option<Node>) {
    let Value::Map(pairs) = &mut map.value else { return };
    let place = pairs.iter().position(|(known, _)| known.text() == Some(key));
    pairs.retain(|(known, _)| known.text() != Some(key));
    if let Some(value) = value {
        let place = place.unwrap_or(pairs.len()).min(pairs.len());
        pairs.insert(place, (Node::scalar(key, true), value));
    }
}

/// Returns a command with a flag's value replaced.
pub(super) fn with_flag(engine: Engine, command: &str, change: &Change) -> Result<String, String> {
    let inner = docker::inner(command);
    let at = command.find(&inner).filter(|_| !inner.starts_with(['(', '{']));
    let at = at.ok_or("the server's command is wrapped so that no flag can be set")?;
    let (stem, field) = split(&change.key);
    let stem = flags::canonical(engine, stem);
    let all = flags::arguments(engine, &inner);
    let whole = all.iter().find(|flag| field.is_some() && flag.setting == stem);
    let (name, value) = match (whole, field, &change.value) {
        (Some(flag), _, Some(value)) => (stem, Some(edited(&flag.value, &change.key, value)?)),
        (_, field, value) => {
            (field.map_or(stem.clone(), |field| format!("{stem}.{field}")), value.clone())
        }
    };
    let mut edited = inner.clone();
    for flag in all.iter().rev() {
        let rest = flag.setting.strip_prefix(&name);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            edited.replace_range(flag.span.clone(), "");
        }
    }
    let mut edited = edited.trim_end_matches(['\\', ' ', '\n']).to_owned();
    if let Some(value) = value {
        let goes_on = if inner.contains("\\\n") { " \\\n  " } else { " " };
        edited.extend([goes_on, &written(engine, &name, &value)]);
    }
    let mut whole = command.to_owned();
    whole.replace_range(at..at + inner.len(), &edited);
    Ok(whole)
}

fn edited(json: &str, key: &str, value: &str) -> Result<String, String> {
    let (stem, _) = split(key);
    let set = set_of(&[(key.to_owned(), value.to_owned())]);
    let set = set.map_err(|wrong| wrong.what().to_owned())?;
    let mut values = Values::default();
    values.set(stem, Python::Text(json.to_owned()));
    Ok(json::dumps(values.with(&set)?.get(stem).unwrap_or(&Python::None)))
}

fn written(engine: Engine, name: &str, value: &str) -> String {
    let (stem, field) = split(name);
    let key = built::keys(engine).iter().find(|key| flags::canonical(engine, key.name) == stem);
    let flag = key.map_or(format!("--{}", stem.replace('_', "-")), FlagKey::flag);
    let flag = field.map_or(flag.clone(), |field| format!("{flag}.{field}"));
    let kind = flags::found(engine, stem).map(|(_, kind)| kind);
    let is_switch = kind.is_none_or(|kind| kind == FlagKind::Switch)
        && key.is_none_or(|key| key.shape != Shape::Value);
    match coerce(value.trim()) {
        Some(Python::Bool(true)) if is_switch => flag,
        Some(Python::Bool(false)) if is_switch => flag.replacen("--", "--no-", 1),
        _ if kind == Some(FlagKind::Values) => {
            let values: Vec<String> = value.split_whitespace().map(quoted).collect();
            format!("{flag} {}", values.join(" "))
        }
        _ => format!("{flag} {}", quoted(value)),
    }
}
