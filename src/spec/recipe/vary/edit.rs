//! Changes in a recipe's own file: a key of the file, else a flag of the
//! rendered command, which then takes the template's place. Comments are lost.

use std::ops::Range;

use super::{Change, split};
use crate::engine::flags::{self, Kind};
use crate::engine::launch::{Key, Shape};
use crate::engine::{Engine, llama_cpp, sglang, vllm};
use crate::error::Mistake;
use crate::escape::quoted;
use crate::spec::field::document;
use crate::spec::node::python::{Python, coerce, json, strip};
use crate::spec::node::{Node, Value, write};
use crate::spec::recipe::render::engine_of;
use crate::spec::recipe::values::{Values, set_of};
use crate::spec::recipe::{Reading, Source, Wishes, docker, read_as};

/// The file with changes.
///
/// # Errors
/// A change cannot be made.
pub fn changed(base: &Reading, changes: &[Change]) -> Result<String, Mistake> {
    let mut root = document(&base.recipe.source)?.root;
    for change in changes {
        let value = change.value.as_deref().map(|value| Node::scalar(value, true));
        match change.variable() {
            Some(name) => within(&mut root, "env", name, value),
            None if change.is_of_file() => put(&mut root, &change.key, value),
            None => {}
        }
    }
    let source = Source { text: write(&root), ..base.recipe.source.clone() };
    let reading = read_as(&source, &Wishes::default(), &|_| Ok(None))?;
    let mut command = reading.recipe.command;
    let flags: Vec<&Change> = changes.iter().filter(|change| !change.is_of_file()).collect();
    if flags.is_empty() {
        return Ok(source.text);
    }
    for change in flags {
        let edited = command.ok_or_else(|| "the recipe has no command to vary".to_owned());
        let engine = engine_of(&base.recipe.runtime);
        let edited = edited.and_then(|command| with_flag(engine, &command, change));
        command = Some(edited.map_err(|why| Mistake::new(why).at(&base.recipe.source.origin))?);
    }
    let mut command = command.unwrap_or_default();
    // As a template that renders to it.
    if command.contains('{') {
        command = command.replace('{', "{{").replace('}', "}}");
    }
    put(&mut root, "command", Some(Node::scalar(command, true)));
    Ok(write(&root))
}

/// Sets a key of the map under another key, which is made where it is missing.
fn within(root: &mut Node, map: &str, key: &str, value: Option<Node>) {
    let known = root.get(map).filter(|node| node.is_map()).cloned();
    let mut node = known.unwrap_or(Node::map(Vec::new()));
    put(&mut node, key, value);
    put(root, map, Some(node));
}

/// Sets a key of a map, or takes it away.
fn put(map: &mut Node, key: &str, value: Option<Node>) {
    let Value::Map(pairs) = &mut map.value else { return };
    let place = pairs.iter().position(|(known, _)| known.text() == Some(key));
    pairs.retain(|(known, _)| known.text() != Some(key));
    if let Some(value) = value {
        let place = place.unwrap_or(pairs.len()).min(pairs.len());
        pairs.insert(place, (Node::scalar(key, true), value));
    }
}

/// A command with a flag that has another value: it stands at the end, where every engine takes
/// the last one, and whatever said the same before is gone. Without a value it only goes.
///
/// # Errors
/// It cannot be made, in one sentence.
pub fn with_flag(engine: Engine, command: &str, change: &Change) -> Result<String, String> {
    let inner = docker::inner(command);
    let at = command
        .find(&inner)
        .ok_or_else(|| "the server's command is wrapped so that no flag can be set".to_owned())?;
    let (stem, field) = split(&change.key);
    let stem = flags::canonical(engine, stem);
    let all = flags_of(engine, &inner);
    let whole = all.iter().find(|flag| field.is_some() && flag.setting == stem);
    let (name, value) = match (whole, field, &change.value) {
        (Some(flag), _, Some(value)) => (stem, Some(edited(&flag.value, change, value)?)),
        (_, Some(field), value) => (format!("{stem}.{field}"), value.clone()),
        (_, None, value) => (stem, value.clone()),
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

/// A JSON value with one field of it set.
fn edited(json: &str, change: &Change, value: &str) -> Result<String, String> {
    let (stem, _) = split(&change.key);
    let mut values = Values::default();
    values.set(stem, Python::Text(json.to_owned()));
    let set = set_of(&[(change.key.clone(), value.to_owned())]);
    let values = values.with(&set.map_err(|wrong| wrong.what().to_owned())?)?;
    Ok(json::dumps(values.get(stem).unwrap_or(&Python::None)))
}

/// A flag where it stands in a command line.
struct Flag {
    /// The setting behind it, with its field: `speculative_config.method`.
    setting: String,
    value: String,
    /// Up to where the next word begins.
    span: Range<usize>,
}

/// All flags of a command line; what follows one that is in no table is taken for its value.
fn flags_of(engine: Engine, command: &str) -> Vec<Flag> {
    let words = flags::words(command);
    let starts: Vec<usize> =
        (0..words.len()).filter(|at| flags::is_flag(&words[*at].text)).collect();
    let flag = |(index, at): (usize, &usize)| {
        let (spelled, inline) = match words[*at].text.split_once('=') {
            Some((spelled, value)) => (spelled, Some(value)),
            None => (words[*at].text.as_str(), None),
        };
        let name = spelled.trim_start_matches('-').replace('-', "_");
        let (setting, kind) = flags::found(engine, &name).unwrap_or((name, Kind::Values));
        let most = match kind {
            _ if inline.is_some() => 0,
            Kind::Value => 1,
            Kind::Values => words.len(),
            Kind::Switch | Kind::Off => 0,
        };
        let next = starts.get(index + 1).copied().unwrap_or(words.len());
        let next = next.min((at + 1).saturating_add(most));
        let values = words[at + 1..next].iter().map(|word| word.text.as_str());
        let end = words.get(next).map_or(command.len(), |word| word.start);
        Flag {
            setting,
            value: inline.into_iter().chain(values).collect::<Vec<_>>().join(" "),
            span: words[*at].start..end,
        }
    };
    starts.iter().enumerate().map(flag).collect()
}

/// A flag with a value, as the engine spells it.
fn written(engine: Engine, name: &str, value: &str) -> String {
    let (stem, field) = split(name);
    let keys: &[Key] = match engine {
        Engine::Sglang => &sglang::launch::KEYS,
        Engine::LlamaCpp => &llama_cpp::launch::KEYS,
        Engine::Vllm | Engine::Unknown => &vllm::launch::KEYS,
    };
    let key = keys.iter().find(|key| flags::canonical(engine, key.name) == stem);
    let flag = key.map_or(format!("--{}", stem.replace('_', "-")), Key::flag);
    let flag = field.map_or(flag.clone(), |field| format!("{flag}.{field}"));
    let kind = flags::found(engine, stem).map(|(_, kind)| kind);
    let is_switch = kind.is_none_or(|kind| kind == Kind::Switch)
        && key.is_none_or(|key| key.shape != Shape::Value);
    match coerce(strip(value)) {
        Python::Bool(true) if is_switch => flag,
        Python::Bool(false) if is_switch => flag.replacen("--", "--no-", 1),
        _ if kind == Some(Kind::Values) => {
            let values: Vec<String> = value.split_whitespace().map(quoted).collect();
            format!("{flag} {}", values.join(" "))
        }
        _ => format!("{flag} {}", quoted(value)),
    }
}
