//! Changes in a recipe's own file, key by key; comments are lost, nothing else.

use super::{Change, command, split};
use crate::error::Mistake;
use crate::spec::field::document;
use crate::spec::node::python::{Python, coerce, json, strip};
use crate::spec::node::{Node, Value, write};
use crate::spec::recipe::render::engine_of;
use crate::spec::recipe::values::{Values, set_of};
use crate::spec::recipe::{Reading, Source, Wishes, read_as};

/// The file with changes; `flat` writes the rendered command out and edits that.
pub fn changed(base: &Reading, changes: &[Change], flat: bool) -> Result<String, Mistake> {
    let origin = &base.recipe.source.origin;
    let mut root = document(&base.recipe.source)?.root;
    for change in changes {
        if let Some(name) = change.variable() {
            let value = change.value.as_deref().map(text);
            within(&mut root, "env", |env| put(env, name, value));
        } else if change.is_of_file() {
            put(&mut root, &change.key, change.value.as_deref().map(text));
        } else {
            set_default(&mut root, change).map_err(|why| Mistake::new(why).at(origin))?;
        }
    }
    if flat {
        let source = Source { text: write(&root), ..base.recipe.source.clone() };
        let reading = read_as(&source, &Wishes::default(), &|_| Ok(None))?;
        let Some(mut words) = reading.recipe.command else { return Ok(write(&root)) };
        let engine = engine_of(&base.recipe.runtime);
        for change in changes.iter().filter(|change| !change.is_of_file()) {
            words = command::changed(engine, &words, change)
                .map_err(|why| Mistake::new(why).at(origin))?;
        }
        put(&mut root, "command", Some(text(&escaped(&words))));
    }
    Ok(write(&root))
}

/// A default, where the recipe has it, or builds its command from what it has.
fn set_default(root: &mut Node, change: &Change) -> Result<(), String> {
    let (stem, field) = split(&change.key);
    let known = root.get("defaults").and_then(|defaults| defaults.get(stem)).map(Python::of);
    let builds = root.get("command").is_none_or(Node::is_null);
    if known.is_none() && !builds {
        return Ok(());
    }
    let node = match (&change.value, field) {
        (Some(value), None) => Some(plain(&coerce(strip(value)))),
        (Some(value), Some(_)) => {
            let was_text = matches!(known, None | Some(Python::Text(_)));
            let edited = edited(known.unwrap_or(Python::Map(Vec::new())), change, value)?;
            Some(if was_text { text(&json::dumps(&edited)) } else { plain(&edited) })
        }
        (None, Some(_)) => return Err(format!("`{}` cannot be taken away alone", change.key)),
        // The command would be left with a placeholder of no value: it is edited instead.
        (None, None) if !builds => return Ok(()),
        (None, None) => None,
    };
    within(root, "defaults", |defaults| put(defaults, stem, node));
    Ok(())
}

/// A structure with one field of it set.
pub fn edited(known: Python, change: &Change, value: &str) -> Result<Python, String> {
    let (stem, _) = split(&change.key);
    let mut values = Values::default();
    values.set(stem, known);
    let set = set_of(&[(change.key.clone(), value.to_owned())]);
    let values = values.with(&set)?;
    Ok(values.get(stem).cloned().unwrap_or(Python::None))
}

/// A rendered command as a template that renders to it.
fn escaped(words: &str) -> String {
    if words.contains('{') { words.replace('{', "{{").replace('}', "}}") } else { words.to_owned() }
}

fn text(text: &str) -> Node {
    scalar(text.to_owned(), true)
}

fn plain(value: &Python) -> Node {
    match value {
        Python::Text(text) => scalar(text.clone(), true),
        Python::Map(_) | Python::List(_) => scalar(json::dumps(value), false),
        other => scalar(other.str(), false),
    }
}

fn scalar(raw: String, quoted: bool) -> Node {
    Node { value: Value::Scalar { raw, quoted }, line: 0 }
}

/// Does something to the map under a key, which is made where it is missing.
fn within(root: &mut Node, key: &str, work: impl FnOnce(&mut Node)) {
    let mut node = root.get(key).filter(|node| node.is_map()).cloned();
    let map = node.get_or_insert(Node { value: Value::Map(Vec::new()), line: 0 });
    work(map);
    put(root, key, node);
}

/// Sets a key of a map, or takes it away.
fn put(map: &mut Node, key: &str, value: Option<Node>) {
    let Value::Map(pairs) = &mut map.value else { return };
    let place = pairs.iter().position(|(known, _)| known.text() == Some(key));
    pairs.retain(|(known, _)| known.text() != Some(key));
    if let Some(value) = value {
        let place = place.unwrap_or(pairs.len()).min(pairs.len());
        let is_plain = key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        pairs.insert(place, (scalar(key.to_owned(), !is_plain), value));
    }
}
