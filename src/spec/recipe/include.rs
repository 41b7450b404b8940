//! `include`: a recipe as a small change to another one beside it, merged as
//! sparkrun 0.4 merges them.
//!
//! Only names of files beside the recipe are followed: a stranger's recipe
//! must not choose what is read from a disk, and nothing is fetched.

use crate::error::Mistake;
use crate::spec::Source;
use crate::spec::field::{Field, document, flawed, shown};
use crate::spec::node::{Document, Node, Value, python};

/// Hands in a file beside the recipe, by its name: `Ok(None)` where there is none.
pub type Beside<'a> = &'a dyn Fn(&str) -> Result<Option<String>, Mistake>;

/// sparkrun's own bound.
const DEPTH_MAX: usize = 8;

/// A recipe with all that it includes.
pub struct Whole {
    pub root: Node,
    /// The documents it was merged from, the outermost first, each with its file's name.
    pub parts: Vec<(String, Document)>,
}

/// Reads a recipe and what it includes.
///
/// # Errors
/// No YAML, a value that is refused, a name that is none of a file beside it, a file that is
/// missing, a circle, or a chain longer than sparkrun takes.
pub fn whole(source: &Source, beside: Beside<'_>) -> Result<Whole, Mistake> {
    let mut source = source.clone();
    let mut parts = vec![(source.origin.clone(), plain(&source)?)];
    let mut names = vec![file_stem(&source.origin).to_owned()];
    loop {
        let outer = &parts[parts.len() - 1].1;
        let Some(node) = outer.root.get("include") else { break };
        let field = Field::root(&source, outer).below("include", node);
        let name = name(&field, outer)?;
        let wrong = |what: String| field.mistake(format!("{} {what}", shown(&name)));
        if parts.len() > DEPTH_MAX {
            return Err(wrong(format!("is included, and more than {DEPTH_MAX} follow each other"))
                .hint("sparkrun export recipe … --realize writes them as one file"));
        }
        if names.iter().any(|known| known == file_stem(&name)) {
            return Err(wrong("includes itself in a circle".to_owned())
                .hint("take `include` out of one of them"));
        }
        let Some((file, text)) = found(&name, beside)? else {
            return Err(
                wrong("is included and not there".to_owned()).hint("put it beside the recipe")
            );
        };
        let next = Source { name: file_stem(&file).to_owned(), origin: file.clone(), text };
        let inner = plain(&next)?;
        if !inner.root.is_map() || is_version_1(&inner) {
            return Err(wrong("is no recipe of version 2".to_owned())
                .hint("a recipe of version 2 beside this one"));
        }
        names.push(file_stem(&name).to_owned());
        parts.push((file, inner));
        source = next;
    }
    let mut root = parts[parts.len() - 1].1.root.clone();
    for (_, outer) in parts.iter().rev().skip(1) {
        root = merged(&root, &outer.root);
    }
    Ok(Whole { root, parts })
}

/// A file without anything that is refused.
fn plain(source: &Source) -> Result<Document, Mistake> {
    let document = document(source)?;
    python::check(&document.root).map_err(|flaw| flawed(source, flaw))?;
    Ok(document)
}

/// The name that a recipe includes, checked.
fn name(field: &Field<'_>, document: &Document) -> Result<String, Mistake> {
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
    if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c)) {
        return Err(field
            .mistake(format!("{} is no name of a recipe beside this one", shown(&name)))
            .hint("a file's name, without folders"));
    }
    Ok(name)
}

fn is_version_1(document: &Document) -> bool {
    document.root.get("recipe_version").and_then(Node::text) == Some("1")
}

fn found(name: &str, beside: Beside<'_>) -> Result<Option<(String, String)>, Mistake> {
    let ends: &[&str] = if file_stem(name) == name { &[".yaml", ".yml"] } else { &[""] };
    for end in ends {
        let file = format!("{name}{end}");
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

/// One recipe over another: maps by their keys, all the way down, but a value of `defaults` or
/// `env` is one whole; `overrides` follow each other, anything else is replaced, null removes.
fn merged(base: &Node, outer: &Node) -> Node {
    let include = |key: &str| key == "include";
    let mut root = by_keys(base, outer, &|key, base, value| match &value.value {
        Value::Map(_) if matches!(key, "defaults" | "env") => {
            by_keys(base, value, &|_, _, value| value.clone())
        }
        Value::Seq(more) if key == "overrides" => {
            let items = base.items().unwrap_or_default().iter().chain(more).cloned();
            Node { value: Value::Seq(items.collect()), ..value.clone() }
        }
        _ => deep(base, value),
    });
    if let Value::Map(pairs) = &mut root.value {
        pairs.retain(|(key, _)| !key.text().is_some_and(include));
    }
    root
}

fn deep(base: &Node, value: &Node) -> Node {
    if !base.is_map() || !value.is_map() {
        return value.clone();
    }
    by_keys(base, value, &|_, base, value| deep(base, value))
}

/// Two maps as one, `both` said of a key that stands in both.
fn by_keys(base: &Node, outer: &Node, both: &dyn Fn(&str, &Node, &Node) -> Node) -> Node {
    let mut pairs: Vec<(String, Node)> =
        base.entries().into_iter().map(|(key, node)| (key.to_owned(), node.clone())).collect();
    for (key, value) in outer.entries() {
        match pairs.iter().position(|(known, _)| known == key) {
            _ if value.is_null() => pairs.retain(|(known, _)| known != key),
            Some(at) => pairs[at].1 = both(key, &pairs[at].1, value),
            None => pairs.push((key.to_owned(), value.clone())),
        }
    }
    let named = |(key, node): (String, Node)| (Node::scalar(key, true), node);
    Node { line: outer.line, ..Node::map(pairs.into_iter().map(named).collect()) }
}
