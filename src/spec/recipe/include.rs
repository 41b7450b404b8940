//! `include`: a recipe as a small change to another one beside it, merged as
//! sparkrun 0.4 merges them.
//!
//! Only names of files beside the recipe are followed: a stranger's recipe
//! must not choose what is read from a disk, and nothing is fetched.

use std::collections::BTreeMap;

use crate::error::Mistake;
use crate::spec::Source;
use crate::spec::field::{Field, document, shown};
use crate::spec::node::{Document, Node, Value};

/// Hands in a file beside the recipe, by its name: `Ok(None)` where there is none.
pub type Beside<'a> = &'a dyn Fn(&str) -> Result<Option<String>, Mistake>;

/// sparkrun's own bound.
const DEPTH_MAX: usize = 8;

/// A recipe with all that it includes.
pub struct Whole {
    /// The tree.
    pub document: Document,
    /// The documents it was merged from, the outermost first, each with its file's name.
    pub parts: Vec<(String, Document)>,
}

/// Reads a recipe and what it includes.
///
/// # Errors
/// No YAML, a name that is none of a file beside it, a file that is missing, a circle, or a
/// chain longer than sparkrun takes.
pub fn whole(source: &Source, beside: Beside<'_>) -> Result<Whole, Mistake> {
    let own = document(source)?;
    let mut parts = vec![(source.origin.clone(), own)];
    let mut sources = vec![source.clone()];
    let mut names = vec![file_stem(&source.origin).to_owned()];
    while let Some(name) = included(&sources[parts.len() - 1], &parts[parts.len() - 1].1)? {
        let outer = &parts[parts.len() - 1].1;
        let place = Field::root(&sources[parts.len() - 1], outer);
        let field = place.below("include", outer.root.get("include").unwrap_or(&outer.root));
        if parts.len() > DEPTH_MAX {
            return Err(field
                .mistake(format!("more than {DEPTH_MAX} recipes include each other"))
                .hint("sparkrun export recipe … --realize writes them as one file"));
        }
        if names.iter().any(|known| known == file_stem(&name)) {
            return Err(field
                .mistake(format!("{} includes itself in a circle", shown(&name)))
                .hint("take `include` out of one of them"));
        }
        let Some((file, text)) = found(&name, beside)? else {
            return Err(field
                .mistake(format!("{} is included and not there", shown(&name)))
                .hint("put it beside the recipe"));
        };
        names.push(file_stem(&name).to_owned());
        let source = Source { name: file_stem(&file).to_owned(), origin: file.clone(), text };
        let inner = document(&source)?;
        if !inner.root.is_map() || is_version_1(&inner) {
            let what = if inner.root.is_map() { "is of version 1" } else { "is no recipe" };
            return Err(field
                .mistake(format!("{} {what}", shown(&name)))
                .hint("a recipe of version 2 beside this one"));
        }
        parts.push((file, inner));
        sources.push(source);
    }
    let mut merged = parts[parts.len() - 1].1.clone();
    for (_, outer) in parts.iter().rev().skip(1) {
        merged.root = merged_over(&merged.root, &outer.root);
    }
    Ok(Whole { document: merged, parts })
}

/// The name that a recipe includes, checked.
fn included(source: &Source, document: &Document) -> Result<Option<String>, Mistake> {
    let Some(node) = document.root.get("include") else { return Ok(None) };
    let field = Field::root(source, document);
    let field = field.below("include", node);
    let name = field.text()?.trim().to_owned();
    if is_version_1(document) {
        return Err(field
            .mistake("a recipe of version 1 cannot include another")
            .hint("recipe_version: \"2\""));
    }
    if name.starts_with('@') {
        return Err(field
            .mistake(format!("{} stands in a registry, and nothing is fetched", shown(&name)))
            .hint("sparkrun export recipe … --realize writes it as one file"));
    }
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
    if !begins || !is_name {
        return Err(field
            .mistake(format!("{} is no name of a recipe beside this one", shown(&name)))
            .hint("a file's name, without folders"));
    }
    Ok(Some(name))
}

fn is_version_1(document: &Document) -> bool {
    document.root.get("recipe_version").and_then(Node::text) == Some("1")
}

fn found(name: &str, beside: Beside<'_>) -> Result<Option<(String, String)>, Mistake> {
    let has_end = file_stem(name) != name;
    let names = if has_end {
        vec![name.to_owned()]
    } else {
        vec![format!("{name}.yaml"), format!("{name}.yml")]
    };
    for file in names {
        if let Some(text) = beside(&file)? {
            return Ok(Some((file, text)));
        }
    }
    Ok(None)
}

fn file_stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file)
}

/// One recipe over another: maps by their keys, anything else replaced, null removes, a value
/// of `defaults` or `env` is one whole, `overrides` follow each other.
fn merged_over(base: &Node, outer: &Node) -> Node {
    let mut pairs = last_pairs(base);
    pairs.retain(|(key, _)| key.text() != Some("include"));
    for (key, value) in last_pairs(outer) {
        let name = key.text().unwrap_or_default().to_owned();
        let at = pairs.iter().position(|(known, _)| known.text() == key.text());
        if name == "include" {
            continue;
        }
        if value.is_null() {
            pairs.retain(|(known, _)| known.text() != key.text());
            continue;
        }
        let Some(at) = at else {
            pairs.push((key, value));
            continue;
        };
        let is_atomic = name == "defaults" || name == "env";
        pairs[at].1 = match (&pairs[at].1.value, &value.value) {
            (Value::Seq(base), Value::Seq(more)) if name == "overrides" => {
                let items = base.iter().chain(more).cloned().collect();
                Node { value: Value::Seq(items), line: value.line }
            }
            (Value::Map(_), Value::Map(_)) => merged_maps(&pairs[at].1, &value, is_atomic),
            _ => value,
        };
    }
    Node { value: Value::Map(pairs), line: outer.line }
}

fn merged_maps(base: &Node, outer: &Node, is_atomic: bool) -> Node {
    let mut pairs = last_pairs(base);
    for (key, value) in last_pairs(outer) {
        let at = pairs.iter().position(|(known, _)| known.text() == key.text());
        match at {
            _ if value.is_null() => pairs.retain(|(known, _)| known.text() != key.text()),
            None => pairs.push((key, value)),
            Some(at) if !is_atomic && value.is_map() && pairs[at].1.is_map() => {
                pairs[at].1 = merged_maps(&pairs[at].1, &value, false);
            }
            Some(at) => pairs[at].1 = value,
        }
    }
    Node { value: Value::Map(pairs), line: outer.line }
}

/// A map's pairs, the last of each key at the place of the first.
fn last_pairs(node: &Node) -> Vec<(Node, Node)> {
    let mut pairs: Vec<(Node, Node)> = Vec::new();
    let mut places: BTreeMap<(Option<&str>, bool), usize> = BTreeMap::new();
    for (key, value) in node.pairs() {
        let name = (key.text(), key.is_quoted());
        if let Some(at) = places.get(&name) {
            pairs[*at].1 = value.clone();
        } else {
            places.insert(name, pairs.len());
            pairs.push((key.clone(), value.clone()));
        }
    }
    pairs
}
