//! Resolves `include`: merges a recipe over another beside it, as sparkrun 0.4 does.

use crate::error::Mistake;
use crate::spec::SpecFile;
use crate::spec::field::{Field, document, flawed, shown};
use crate::spec::node::{Document, Node, Value, python};

/// Loads a file beside the recipe by its name: `Ok(None)` where there is none.
pub(crate) type ReadInclude<'a> = &'a dyn Fn(&str) -> Result<Option<String>, Mistake>;

const DEPTH_MAX: usize = 8;

pub(super) struct MergedRecipe {
    pub root: Node,
    /// Merged documents, the outermost first, each with its file's name.
    pub parts: Vec<(String, Document)>,
}

pub(super) fn whole(source: &SpecFile, load: ReadInclude<'_>) -> Result<MergedRecipe, Mistake> {
    let mut source = source.clone();
    let mut parts = vec![(source.origin.clone(), plain(&source)?)];
    loop {
        let outer = &parts[parts.len() - 1].1;
        let Some(node) = outer.root.get("include") else { break };
        let field = Field::root(&source, outer).below("include", node);
        let name = field.text()?.trim();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
        let is_circle = parts.iter().any(|(file, _)| file_stem(file) == file_stem(name));
        let as_one = "sparkrun export recipe … --realize writes them as one file";
        let refusals = [
            (
                is_version_1(outer),
                "is included by version 1, which cannot",
                "recipe_version: \"2\"",
            ),
            (name.starts_with('@'), "stands in a registry, and nothing is fetched", as_one),
            (!is_name, "is no name of a recipe beside this one", "a file's name, without folders"),
            (parts.len() > DEPTH_MAX, "is included, and more than 8 follow each other", as_one),
            (is_circle, "includes itself in a circle", "take `include` out of one of them"),
        ];
        let wrong =
            |what: &str, hint: &str| field.mistake(format!("{} {what}", shown(name))).hint(hint);
        if let Some((_, what, hint)) = refusals.into_iter().find(|(is_wrong, ..)| *is_wrong) {
            return Err(wrong(what, hint));
        }
        let (file, text) = found(name, load)?
            .ok_or_else(|| wrong("is included and not there", "put it beside the recipe"))?;
        let next = SpecFile { name: file_stem(&file).to_owned(), origin: file.clone(), text };
        let inner = plain(&next)?;
        if !inner.root.is_map() || is_version_1(&inner) {
            let hint = "a recipe of version 2 beside this one";
            return Err(wrong("is no recipe of version 2", hint));
        }
        parts.push((file, inner));
        source = next;
    }
    let mut root = parts[parts.len() - 1].1.root.clone();
    for (_, outer) in parts.iter().rev().skip(1) {
        root = merged(&root, &outer.root, Level::Root);
    }
    Ok(MergedRecipe { root, parts })
}

fn plain(source: &SpecFile) -> Result<Document, Mistake> {
    let document = document(source)?;
    python::check(&document.root).map_err(|flaw| flawed(source, flaw))?;
    Ok(document)
}

fn is_version_1(document: &Document) -> bool {
    document.root.get("recipe_version").and_then(Node::text) == Some("1")
}

fn found(name: &str, load: ReadInclude<'_>) -> Result<Option<(String, String)>, Mistake> {
    let ends: &[&str] = if file_stem(name) == name { &[".yaml", ".yml"] } else { &[""] };
    for file in ends.iter().map(|end| format!("{name}{end}")) {
        if let Some(text) = load(&file)? {
            return Ok(Some((file, text)));
        }
    }
    Ok(None)
}

fn file_stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file)
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    /// Level of `defaults` and `env`, whose values are replaced whole.
    Flat,
    Deep,
}

/// Merges maps: lists of `overrides` are concatenated, other values replaced, null removes.
fn merged(base: &Node, outer: &Node, level: Level) -> Node {
    let own = |(key, node): (&str, &Node)| (key.to_owned(), node.clone());
    let mut pairs: Vec<(String, Node)> = base.entries().into_iter().map(own).collect();
    for (key, value) in outer.entries() {
        let known = pairs.iter().position(|(known, _)| known == key);
        let Some(at) = known.filter(|_| !value.is_null()) else {
            pairs.retain(|(known, _)| known != key);
            if !value.is_null() {
                pairs.push(own((key, value)));
            }
            continue;
        };
        let before = &pairs[at].1;
        let is_root = level == Level::Root;
        pairs[at].1 = match &value.value {
            Value::Map(_) if is_root && matches!(key, "defaults" | "env") => {
                merged(before, value, Level::Flat)
            }
            Value::Map(_) if before.is_map() && level != Level::Flat => {
                merged(before, value, Level::Deep)
            }
            Value::Seq(more) if is_root && key == "overrides" => {
                let items = before.items().unwrap_or_default().iter().chain(more).cloned();
                Node { value: Value::Seq(items.collect()), ..value.clone() }
            }
            _ => value.clone(),
        };
    }
    let is_kept = |(key, _): &(String, Node)| level != Level::Root || key != "include";
    let named = |(key, node): (String, Node)| (Node::scalar(key, true), node);
    let pairs = pairs.into_iter().filter(is_kept).map(named).collect();
    Node { line: outer.line, ..Node::map(pairs) }
}
