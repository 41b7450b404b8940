//! Parses and writes JSON as Python's `json` module does.

use serde::de::IgnoredAny;

use super::Python;
use crate::spec::node::{Node, Value, parse};

/// Parses as `json.loads`; `None` where it would raise (its `NaN` and surrogate escapes aside).
/// JSON on one line is YAML, whose parser keeps the order of keys and has bounds.
pub(crate) fn loads(text: &str) -> Option<Python> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let text = text.replace(['\t', '\n', '\r'], " ");
    Some(value(&parse(text.trim()).ok()?.root))
}

fn value(node: &Node) -> Python {
    match &node.value {
        Value::Seq(items) => Python::List(items.iter().map(value).collect()),
        Value::Map(_) => {
            let pairs = node.entries().into_iter();
            Python::Map(pairs.map(|(key, node)| (key.to_owned(), value(node))).collect())
        }
        Value::Scalar { raw, quoted } => match Python::of(node) {
            // `1e5` is a number in JSON, but a text for PyYAML.
            Python::Text(_) if !quoted => Python::Float(raw.parse().unwrap_or(f64::NAN)),
            other => other,
        },
    }
}

/// Writes as `json.dumps` without spaces, unknown types as their text.
pub(crate) fn dumps(value: &Python) -> String {
    let joined = |items: Vec<String>| items.join(",");
    match value {
        Python::None => "null".to_owned(),
        Python::Bool(value) => value.to_string(),
        Python::Int(_) | Python::Float(_) => value.str(),
        Python::Text(text) => quote(text),
        Python::List(items) => format!("[{}]", joined(items.iter().map(dumps).collect())),
        Python::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}:{}", quote(key), dumps(value)));
            format!("{{{}}}", joined(pairs.collect()))
        }
    }
}

fn quote(text: &str) -> String {
    quoted_by(text, |character| {
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units).iter();
        units.fold(String::new(), |out, unit| format!("{out}\\u{unit:04x}"))
    })
}

/// Quotes a text in ASCII, with an escape of one's own for what is not.
pub(crate) fn quoted_by(text: &str, escape: impl Fn(char) -> String) -> String {
    let mut out = String::new();
    for character in serde_json::Value::from(text).to_string().chars() {
        match character {
            ..='~' => out.push(character),
            other => out.push_str(&escape(other)),
        }
    }
    out
}
