//! Writes a tree as YAML, to keep a merged or edited recipe as one file.

use std::fmt::Write;

use super::python::{Python, is_text, json};
use super::{Node, Value};

/// Writes a map, with each key on its own line.
pub(crate) fn write(root: &Node) -> String {
    let mut out = String::new();
    for (key, node) in root.entries() {
        let key = named(key);
        let lines = match &node.value {
            Value::Scalar { raw, quoted: true } if is_literal(raw) => raw,
            _ => {
                let _ = writeln!(out, "{key}: {}", inline(node));
                continue;
            }
        };
        let body = lines.strip_suffix('\n');
        let _ = writeln!(out, "{key}: {}", if body.is_some() { "|" } else { "|-" });
        for line in body.unwrap_or(lines).split('\n') {
            let _ = writeln!(out, "{}", format!("  {line}").trim_end_matches([' ']));
        }
    }
    out
}

/// Returns any text as a double-quoted YAML scalar.
pub(crate) fn double_quoted(text: &str) -> String {
    json::quoted_by(text, |character| format!("\\U{:08X}", u32::from(character)))
}

/// Whether a text survives a round trip as a literal block scalar.
fn is_literal(raw: &str) -> bool {
    let body = raw.strip_suffix('\n').unwrap_or(raw);
    let is_plain =
        |line: &str| line.chars().all(|c| matches!(c, ' '..='~')) && !line.ends_with(' ');
    body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && !body.ends_with('\n')
        && body.split('\n').all(is_plain)
}

fn named(key: &str) -> String {
    let is_word = key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if is_word && is_text(key) { key.to_owned() } else { double_quoted(key) }
}

fn inline(node: &Node) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match (&node.value, Python::of(node)) {
        (_, Python::Text(text)) => double_quoted(&text),
        (_, Python::None) => "null".to_owned(),
        (Value::Scalar { raw, .. }, _) => raw.clone(),
        (Value::Seq(items), _) => format!("[{}]", joined(items.iter().map(inline).collect())),
        (Value::Map(_), _) => {
            let pairs = node.entries().into_iter();
            let pairs = pairs.map(|(key, value)| format!("{}: {}", named(key), inline(value)));
            format!("{{{}}}", joined(pairs.collect()))
        }
    }
}
