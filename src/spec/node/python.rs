//! Models values as Python holds and writes them, since the recipe format's tools do.

use std::fmt::Write;

pub(crate) mod json;

use super::{Flaw, Node, Value};
use crate::escape::one_line;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Python {
    None,
    Bool(bool),
    /// Integer of 64 bits, signed or unsigned.
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Python>),
    /// Dict, in the order of the keys' first occurrence.
    Map(Vec<(String, Python)>),
}

impl Python {
    /// Converts a node that [`check`] accepted.
    pub(crate) fn of(node: &Node) -> Python {
        match &node.value {
            Value::Scalar { raw, quoted: true } => Python::Text(raw.clone()),
            Value::Scalar { raw, quoted: false } => plain(raw),
            Value::Seq(items) => Python::List(items.iter().map(Python::of).collect()),
            Value::Map(_) => Python::Map(
                node.entries()
                    .into_iter()
                    .map(|(key, node)| (key.to_owned(), Python::of(node)))
                    .collect(),
            ),
        }
    }

    /// Whether the value is truthy in Python.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Python::None => false,
            Python::Bool(value) => *value,
            Python::Int(value) => *value != 0,
            Python::Float(value) => *value != 0.0,
            Python::Text(text) => !text.is_empty(),
            other => !matches!(other.str().as_str(), "[]" | "{}"),
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Python::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Python> {
        let Python::Map(pairs) = self else { return None };
        pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Converts as `int()` does; `None` where Python would raise.
    pub(crate) fn whole(&self) -> Option<i128> {
        match self {
            Python::Bool(value) => Some(i128::from(*value)),
            Python::Int(value) => Some(*value),
            Python::Float(value) => Some(value.trunc() as i128),
            Python::Text(text) => strip(text).parse().ok(),
            _ => None,
        }
    }

    /// Formats as `str()` does.
    pub(crate) fn str(&self) -> String {
        match self {
            Python::Text(text) => text.clone(),
            other => other.repr(),
        }
    }

    /// Formats as a flag's value: structures as JSON, booleans in lower case.
    pub(crate) fn flag(&self) -> String {
        match self {
            Python::Bool(_) | Python::List(_) | Python::Map(_) => json::dumps(self),
            other => other.str(),
        }
    }

    /// Formats as `repr()` does.
    pub(crate) fn repr(&self) -> String {
        let joined = |items: Vec<String>| items.join(", ");
        match self {
            Python::None => "None".to_owned(),
            Python::Bool(true) => "True".to_owned(),
            Python::Bool(false) => "False".to_owned(),
            Python::Int(value) => value.to_string(),
            Python::Float(value) => float(*value),
            Python::Text(text) => quote(text),
            Python::List(items) => {
                format!("[{}]", joined(items.iter().map(Python::repr).collect()))
            }
            Python::Map(pairs) => {
                let pairs =
                    pairs.iter().map(|(key, value)| format!("{}: {}", quote(key), value.repr()));
                format!("{{{}}}", joined(pairs.collect()))
            }
        }
    }
}

/// Refuses a tree with a plain scalar that YAML parsers read differently.
pub(crate) fn check(node: &Node) -> Result<(), Flaw> {
    match &node.value {
        Value::Seq(items) => items.iter().try_for_each(check),
        Value::Map(pairs) => {
            pairs.iter().try_for_each(|(key, value)| check(key).and_then(|()| check(value)))
        }
        Value::Scalar { quoted: true, .. } => Ok(()),
        Value::Scalar { raw, .. } => {
            let Some((what, plainly)) = rare(raw) else { return Ok(()) };
            let shown = one_line(raw, 60);
            let what = format!("`{shown}` without quotes is {what} to PyYAML, and is not read");
            let flaw = Flaw::new(node.line, what);
            let flaw = plainly.into_iter().fold(flaw, |flaw, plainly| {
                flaw.hint(format!("{plainly}, if that is what is meant"))
            });
            Err(flaw.hint(format!("\"{shown}\", to have it as the text that it looks like")))
        }
    }
}

/// Converts a plain scalar by PyYAML's common rules.
fn plain(raw: &str) -> Python {
    match raw {
        "" | "~" | "null" | "Null" | "NULL" => return Python::None,
        "true" | "True" | "TRUE" => return Python::Bool(true),
        "false" | "False" | "FALSE" => return Python::Bool(false),
        _ => {}
    }
    let whole = integer(raw).filter(|value| fits(*value)).map(Python::Int);
    let number = || is_float(raw).then(|| raw.parse().map(Python::Float).ok()).flatten();
    whole.or_else(number).unwrap_or_else(|| Python::Text(raw.to_owned()))
}

/// Whether every YAML parser reads a plain scalar as text.
pub(crate) fn is_text(raw: &str) -> bool {
    rare(raw).is_none() && matches!(plain(raw), Python::Text(_))
}

/// Returns the rare type that PyYAML gives a plain scalar, and another way to write it.
fn rare(raw: &str) -> Option<(&'static str, Option<String>)> {
    match raw {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Some(("True", Some("true".into()))),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Some(("False", Some("false".into()))),
        _ => {}
    }
    let body = raw.strip_prefix(['-', '+']).unwrap_or(raw);
    if !body.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let joined = raw.replace('_', "");
    let digits = joined.trim_start_matches(['-', '+']);
    let of_base = |mark, base| u64::from_str_radix(digits.strip_prefix(mark)?, base).ok();
    let (whole, is_float) = (integer(&joined), is_float(&joined));
    // Replaces each digit by 9.
    let shape = body.replace(|c: char| c.is_ascii_digit(), "9");
    let (minutes, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut parts = minutes.split(':');
    let is_first = |part: &str| integer(part).is_some_and(|it| it > 0) || digits.contains('.');
    let is_sixties = minutes.contains(':')
        && shape.chars().all(|c| "9:.".contains(c))
        && !fraction.contains(['.', ':'])
        && parts.next().is_some_and(is_first)
        && parts.all(|part| part.len() <= 2 && matches!(part.parse(), Ok(0..60_u8)));
    let is_time = shape.starts_with("9999-9") && shape.contains(":99:99");
    let is_date =
        shape == "9999-99-99" || is_time && shape.chars().all(|c| "9-:.+TtZ \t".contains(c));
    if matches!(&*body.to_lowercase(), ".inf" | ".nan") || is_float && number(&joined).is_none() {
        Some(("no finite number", None))
    } else if let Some(value) = of_base("0b", 2) {
        Some(("a number of base 2", Some(value.to_string())))
    } else if let Some(value) = of_base("0", 8) {
        Some(("a number of base 8", Some(value.to_string())))
    } else if whole.is_some_and(|value| !fits(value)) {
        Some(("a number beyond 64 bits", None))
    } else if raw.contains('_') && (whole.is_some() || is_float) {
        Some(("a number", Some(joined)))
    } else if is_sixties {
        Some(("a number of base 60", None))
    } else {
        is_date.then_some(("a date", None))
    }
}

fn fits(value: i128) -> bool {
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value)
}

/// Parses decimal digits, or hex digits after `0x`; a number that overflows becomes the largest.
fn integer(raw: &str) -> Option<i128> {
    let (sign, body) = match raw.strip_prefix('-') {
        Some(body) => (-1, body),
        None => (1, raw.strip_prefix('+').unwrap_or(raw)),
    };
    let (digits, base) = body.strip_prefix("0x").map_or((body, 10), |digits| (digits, 16));
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
    let has_zero = base == 10 && body.len() > 1 && body.starts_with('0');
    (is_number && !has_zero)
        .then(|| i128::from_str_radix(digits, base).map_or(i128::MAX, |value| sign * value))
}

/// Whether the text is a float: a point is required, and an exponent needs its sign.
fn is_float(raw: &str) -> bool {
    let body = raw.strip_prefix(['-', '+']).unwrap_or(raw);
    let (mantissa, exponent) = body.split_once(['e', 'E']).unwrap_or((body, "+0"));
    let all = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or_default();
    let Some((before, after)) = mantissa.split_once('.') else { return false };
    let has_digits = !before.is_empty() || body == raw && !after.is_empty();
    has_digits && all(before) && all(after) && !exponent.is_empty() && all(exponent)
}

/// Strips as `str.strip()`: Python counts four more control characters as white space.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Whether `str.isspace()` holds for a character.
pub(crate) fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

/// Converts a word as sparkrun's `-o key=value` does; `None` for a number only Python reads.
pub(crate) fn coerce(word: &str) -> Option<Python> {
    match word.to_lowercase().as_str() {
        "true" | "yes" => return Some(Python::Bool(true)),
        "false" | "no" => return Some(Python::Bool(false)),
        _ => {}
    }
    if let Some(value) = word.parse().ok().filter(|value| fits(*value)) {
        return Some(Python::Int(value));
    }
    let plain = word.replace('_', "");
    let Ok(value) = plain.parse::<f64>() else { return Some(Python::Text(word.to_owned())) };
    let is_whole = plain.trim_start_matches(['-', '+']).chars().all(|c| c.is_ascii_digit());
    let is_odd = word.contains('_') || is_whole || !value.is_finite();
    (!is_odd).then_some(Python::Float(value))
}

/// Sets a key; an existing one keeps its position.
pub(crate) fn put<T>(pairs: &mut Vec<(String, T)>, key: String, value: T) {
    match pairs.iter_mut().find(|(known, _)| *known == key) {
        Some(pair) => pair.1 = value,
        None => pairs.push((key, value)),
    }
}

pub(crate) fn number(text: &str) -> Option<f64> {
    strip(text).parse().ok().filter(|value: &f64| value.is_finite())
}

fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(mark);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c == '\\' || c == mark => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push(mark);
    out
}

/// Formats as Python's `repr(float)`: shortest digits, an exponent below 1e-4 and from 1e16.
fn float(value: f64) -> String {
    let exponential = format!("{value:e}");
    let (digits, exponent) = exponential.split_once('e').unwrap_or((&exponential, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}
