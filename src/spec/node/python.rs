//! Models values as Python holds and writes them, since the recipe format's tools do.

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
        !matches!(
            self.repr().as_str(),
            "None" | "False" | "0" | "0.0" | "-0.0" | "''" | "[]" | "{}"
        )
    }

    pub(crate) fn text(&self) -> Option<&str> {
        let Python::Text(text) = self else { return None };
        Some(text)
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
            Python::Text(text) => text.trim().parse().ok(),
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

    /// Formats as a flag's value: a text as it is, all else as JSON.
    pub(crate) fn flag(&self) -> String {
        match self {
            Python::Text(text) => text.clone(),
            other => json::dumps(other),
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
            let Some(what) = rare(raw) else { return Ok(()) };
            let shown = one_line(raw, 60);
            let flaw = format!("`{shown}` without quotes may be {what} to a YAML parser");
            let mut flaw = Flaw::new(node.line, flaw + ", and is not read");
            if matches!(what, "true" | "false") {
                flaw = flaw.hint(format!("{what}, if that is what is meant"));
            }
            Err(flaw.hint(format!("\"{shown}\", as a string")))
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

/// Returns the rare type that some YAML parser gives a plain scalar.
fn rare(raw: &str) -> Option<&'static str> {
    let body = raw.strip_prefix(['-', '+']).unwrap_or(raw);
    let joined = raw.replace('_', "");
    let digits = joined.trim_start_matches(['-', '+']);
    let (whole, is_float) = (integer(&joined), is_float(&joined));
    let is_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let minutes = digits.split_once('.').filter(|(_, rest)| is_digits(rest));
    let minutes = minutes.map_or(digits, |(minutes, _)| minutes);
    let mut parts = minutes.split(':');
    let is_sixties = minutes.contains(':')
        && parts.next().is_some_and(|part| !part.is_empty() && is_digits(part))
        && parts.all(|part| matches!(part.parse(), Ok(0..60_u8)));
    let is_odd = whole.is_some_and(|value| !fits(value))
        || is_float && number(&joined).is_none()
        || raw.contains('_') && !raw.starts_with('_') && (whole.is_some() || is_float)
        || digits.strip_prefix("0b").is_some_and(is_digits)
        || digits.len() > 1 && digits.starts_with('0') && is_digits(digits);
    let shape = body.replace(|c: char| c.is_ascii_digit(), "9");
    let is_date = shape.starts_with("9999-9") && shape.contains(":99:99");
    match raw.to_ascii_lowercase().as_str() {
        "yes" | "on" => Some("true"),
        "no" | "off" => Some("false"),
        ".inf" | "-.inf" | "+.inf" | ".nan" => Some("another number"),
        _ if is_odd || is_sixties => Some("another number"),
        _ => (is_date || shape == "9999-99-99").then_some("a date"),
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

/// Whether the text is a float: a point is required, before it a digit where there is a sign, and
/// an exponent needs its sign.
fn is_float(raw: &str) -> bool {
    let (mantissa, exponent) = raw.split_once(['e', 'E']).unwrap_or((raw, "+0"));
    let is_signed = raw.starts_with(['+', '-']);
    mantissa.find('.').is_some_and(|at| at != usize::from(is_signed) || !is_signed)
        && exponent.starts_with(['+', '-'])
        && raw.parse::<f64>().is_ok()
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
    match word.replace('_', "").parse::<f64>() {
        Err(_) => Some(Python::Text(word.to_owned())),
        Ok(value) if value.is_finite() && word.contains(['.', 'e', 'E']) && !word.contains('_') => {
            Some(Python::Float(value))
        }
        Ok(_) => None,
    }
}

/// Sets a key; an existing one keeps its position.
pub(crate) fn put<T>(pairs: &mut Vec<(String, T)>, key: String, value: T) {
    match pairs.iter_mut().find(|(known, _)| *known == key) {
        Some(pair) => pair.1 = value,
        None => pairs.push((key, value)),
    }
}

pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let escaped = |c: char| match c {
        '\n' | '\t' | '\r' => c.escape_default().to_string(),
        c if c == '\\' || c == mark => format!("\\{c}"),
        c => c.to_string(),
    };
    format!("{mark}{}{mark}", text.chars().map(escaped).collect::<String>())
}

/// Formats as Python's `repr(float)`: as Rust's, but an exponent has a sign and two digits.
fn float(value: f64) -> String {
    let text = format!("{value:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let sign = if exponent.starts_with('-') { '-' } else { '+' };
    format!("{digits}e{sign}{:0>2}", exponent.trim_start_matches('-'))
}
