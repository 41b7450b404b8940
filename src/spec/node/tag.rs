//! What a tag (`!!float 3`) makes of a value. PyYAML's safe loader obeys a few
//! of them; what it refuses, or makes something of that has no place here, is
//! taken without its tag and told.

use granit_parser::Tag;

use super::Value;
use super::python::{Python, number_of_text, plain};
use crate::spec::field::shown;

const YAML: &str = "tag:yaml.org,2002:";

/// A tagged scalar as it counts, written so that a plain reading finds it again, and what is to
/// be told of it.
pub fn scalar(tag: &Tag, raw: &str, is_plain: bool) -> (Value, Option<String>) {
    let name = tag.suffix_in_namespace(YAML);
    let read = match name.as_deref() {
        Some("str") => Some((raw.to_owned(), true)),
        Some("null") => Some((String::new(), false)),
        Some("bool") => switch(raw).map(|on| (on.to_string(), false)),
        Some("int") => {
            matches!(plain(raw), Python::Int(_) | Python::Huge(_)).then(|| (raw.to_owned(), false))
        }
        Some("float") => float(raw).map(|text| (text, false)),
        Some("timestamp") => {
            matches!(plain(raw), Python::Moment(..)).then(|| (raw.to_owned(), false))
        }
        None if is_bare(tag) => Some((raw.to_owned(), false)),
        _ => {
            let value = Value::Scalar { raw: raw.to_owned(), quoted: !is_plain };
            let bytes = "is bytes to PyYAML; here it stays the text that it is";
            let told = match name.as_deref() {
                Some("binary") => format!("{} {bytes}", written(tag)),
                _ => refused(tag),
            };
            return (value, Some(told));
        }
    };
    if let Some((raw, quoted)) = read {
        return (Value::Scalar { raw, quoted }, None);
    }
    let told = format!("{} is no {}, and PyYAML refuses it", shown(raw), written(tag));
    (Value::Scalar { raw: raw.to_owned(), quoted: !is_plain }, Some(told))
}

/// What is to be told of a tagged map or list, which is read as the one that it is.
pub fn structure(tag: &Tag, is_map: bool) -> Option<String> {
    let read = if is_map { "a map" } else { "a list" };
    let other = match (tag.suffix_in_namespace(YAML).as_deref(), is_map) {
        (Some("map"), true) | (Some("seq"), false) => return None,
        (Some("set"), true) => "a set",
        (Some("omap" | "pairs"), false) => "a list of pairs",
        (None, _) if is_bare(tag) => return None,
        _ => return Some(refused(tag)),
    };
    Some(format!("{} is {other} to PyYAML; here it is read as {read}", written(tag)))
}

fn refused(tag: &Tag) -> String {
    format!("PyYAML's safe loader refuses the tag {}; the value is read without it", written(tag))
}

/// The tag as it stands in the file.
fn written(tag: &Tag) -> String {
    shown(&format!("{}{}", tag.original_handle(), tag.suffix()))
}

/// A `!` alone asks for what the value looks like.
fn is_bare(tag: &Tag) -> bool {
    matches!((tag.handle(), tag.suffix()), ("" | "!", "") | ("", "!"))
}

fn switch(raw: &str) -> Option<bool> {
    match raw.to_lowercase().as_str() {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// A float with a point, which it needs to be one without its tag.
fn float(raw: &str) -> Option<String> {
    let value = match plain(raw) {
        Python::Float(_) => return Some(raw.to_owned()),
        Python::Int(value) if raw.contains(':') => value as f64,
        _ => number_of_text(&raw.replace('_', ""))?,
    };
    let text = Python::Float(value).str();
    Some(match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ if value.is_finite() => text,
        _ => text.replace("inf", ".inf").replace("nan", ".nan"),
    })
}
