//! A tree as YAML again: how a recipe that was put together from several is
//! kept as one file.

use std::fmt::Write;

use super::{Node, Value};

/// Writes a map as a block, one blank line between its parts left out.
pub fn write(node: &Node) -> String {
    let mut out = String::new();
    block(node, 0, &mut out);
    out
}

/// A text in YAML's double quotes, whatever is in it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            other => {
                let _ = write!(out, "\\U{:08X}", u32::from(other));
            }
        }
    }
    out.push('"');
    out
}

/// A value that begins on a line of its own.
fn block(node: &Node, depth: usize, out: &mut String) {
    let margin = "  ".repeat(depth);
    match &node.value {
        Value::Map(pairs) => {
            for (key, value) in pairs {
                let _ = write!(out, "{margin}{}:", inline(key));
                behind(value, depth, out);
            }
        }
        Value::Seq(items) => {
            for item in items {
                let _ = write!(out, "{margin}-");
                behind(item, depth, out);
            }
        }
        Value::Scalar { .. } => {
            let _ = writeln!(out, "{margin}{}", inline(node));
        }
    }
}

/// A value behind its key or dash.
fn behind(node: &Node, depth: usize, out: &mut String) {
    match &node.value {
        Value::Map(pairs) if !pairs.is_empty() => {
            out.push('\n');
            block(node, depth + 1, out);
        }
        Value::Seq(items) if !items.is_empty() => {
            out.push('\n');
            block(node, depth + 1, out);
        }
        Value::Scalar { raw, quoted: true } if is_literal(raw) => {
            let lines = raw.strip_suffix('\n');
            out.push_str(if lines.is_some() { " |\n" } else { " |-\n" });
            for line in lines.unwrap_or(raw).split('\n') {
                let margin = if line.is_empty() { String::new() } else { "  ".repeat(depth + 1) };
                let _ = writeln!(out, "{margin}{line}");
            }
        }
        _ => {
            let text = inline(node);
            let _ = writeln!(out, "{}{text}", if text.is_empty() { "" } else { " " });
        }
    }
}

/// Whether a text may stand as a block of lines and come back as itself.
fn is_literal(raw: &str) -> bool {
    let body = raw.strip_suffix('\n').unwrap_or(raw);
    body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && !body.ends_with('\n')
        && body.chars().all(|c| c == '\n' || c == '\t' || !c.is_control() && c.is_ascii())
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Scalar { raw, quoted: false } => raw.clone(),
        Value::Scalar { raw, .. } => quoted(raw),
        Value::Seq(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Map(pairs) => {
            let pairs =
                pairs.iter().map(|(key, value)| format!("{}: {}", inline(key), inline(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}
