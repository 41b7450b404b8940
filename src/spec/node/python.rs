//! What PyYAML (YAML 1.1) makes of a plain scalar, and how Python writes it:
//! sparkrun renders recipes with `str(value)`.
//!
//! Patterns: PyYAML `resolver.py`, `constructor.py`.

use super::{Node, Value};

/// What a plain scalar is to PyYAML.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// `~`, `null`, or nothing.
    Null,
    /// `true`, but also `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number; `010` is octal, `1_000` and `12:30` (base 60) are numbers.
    Int(i128),
    /// A number with a point.
    Float(f64),
    /// Anything else.
    Text,
}

/// Reads a plain scalar as PyYAML does.
pub fn plain(raw: &str) -> Plain {
    match raw {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Plain::Bool(true);
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Plain::Bool(false);
        }
        _ => {}
    }
    whole(raw).map(Plain::Int).or_else(|| broken(raw).map(Plain::Float)).unwrap_or(Plain::Text)
}

/// Whether YAML 1.2 and most people would read a plain scalar otherwise than PyYAML.
pub fn is_trap(raw: &str) -> bool {
    match plain(raw) {
        Plain::Bool(_) => !raw.eq_ignore_ascii_case("true") && !raw.eq_ignore_ascii_case("false"),
        Plain::Int(value) => {
            raw.strip_prefix('+').unwrap_or(raw) != value.to_string() && {
                let digits = raw.trim_start_matches(['-', '+']);
                !digits.starts_with("0x") && !matches!(digits, "0")
            }
        }
        Plain::Float(_) => raw.contains(['_', ':']),
        Plain::Null | Plain::Text => false,
    }
}

/// A node as Python's `str()` writes the value that PyYAML reads; `None` for null.
pub fn str_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::Scalar { raw, quoted: true } => Some(raw.clone()),
        Value::Scalar { raw, quoted: false } => match plain(raw) {
            Plain::Null => None,
            Plain::Text => Some(raw.clone()),
            other => Some(written(&other)),
        },
        Value::Seq(_) | Value::Map(_) => Some(repr(node)),
    }
}

fn written(plain: &Plain) -> String {
    match plain {
        Plain::Null | Plain::Text => "None".to_owned(),
        Plain::Bool(true) => "True".to_owned(),
        Plain::Bool(false) => "False".to_owned(),
        Plain::Int(value) => value.to_string(),
        Plain::Float(value) => float(*value),
    }
}

fn repr(node: &Node) -> String {
    match &node.value {
        Value::Scalar { raw, quoted } => match plain(raw) {
            other if !quoted && other != Plain::Text => written(&other),
            _ => quote(raw),
        },
        Value::Seq(items) => {
            format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", "))
        }
        Value::Map(_) => {
            let pairs: Vec<String> = node
                .pairs()
                .iter()
                .enumerate()
                .filter(|(index, (key, _))| {
                    !node.pairs()[index + 1..].iter().any(|(later, _)| later.value == key.value)
                })
                .map(|(_, (key, value))| format!("{}: {}", repr(key), repr(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(mark);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(mark);
    out
}

/// Python's `repr(float)`: the shortest digits, an exponent below 1e-4 and from 1e16.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
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

/// `int` of the resolver: decimal, `0b`, `0x`, octal with a leading 0, base 60.
fn whole(raw: &str) -> Option<i128> {
    let (sign, body) = signed(raw);
    let digits = |text: &str| text.replace('_', "");
    let made_of = |text: &str, allowed: fn(char) -> bool| {
        !text.is_empty() && text.chars().all(|c| c == '_' || allowed(c))
    };
    let radix = |text: &str, base: u32| i128::from_str_radix(&digits(text), base).ok();
    let value = if let Some(binary) = body.strip_prefix("0b") {
        made_of(binary, |c| matches!(c, '0' | '1')).then(|| radix(binary, 2))?
    } else if let Some(hex) = body.strip_prefix("0x") {
        made_of(hex, |c| c.is_ascii_hexdigit()).then(|| radix(hex, 16))?
    } else if body == "0" {
        Some(0)
    } else if let Some(octal) = body.strip_prefix('0') {
        made_of(octal, |c| ('0'..='7').contains(&c)).then(|| radix(octal, 8))?
    } else if body.starts_with(|c: char| c.is_ascii_digit()) && body.contains(':') {
        sixties(body).and_then(|(whole, rest)| rest.is_none().then_some(whole))
    } else {
        (body.starts_with(|c: char| c.is_ascii_digit()) && made_of(body, |c| c.is_ascii_digit()))
            .then(|| radix(body, 10))?
    };
    value.map(|value| sign * value)
}

/// `float` of the resolver: a point is required; an exponent needs its sign.
fn broken(raw: &str) -> Option<f64> {
    let (sign, body) = signed(raw);
    let sign = sign as f64;
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if body == raw => return Some(f64::NAN),
        _ => {}
    }
    if body.contains(':') {
        let (whole, rest) = sixties(body)?;
        return Some(sign * (whole as f64 + rest?));
    }
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    if let Some(exponent) = exponent {
        let number = exponent.strip_prefix(['+', '-'])?;
        if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
    }
    let (before, after) = mantissa.split_once('.')?;
    let digits = |text: &str| text.chars().all(|c| c == '_' || c.is_ascii_digit());
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if !digits(before) || !digits(after) || !(begins(before) || before.is_empty() && begins(after))
    {
        return None;
    }
    if before.is_empty() && body != raw {
        return None;
    }
    body.replace('_', "").parse::<f64>().ok().map(|value| sign * value)
}

fn signed(raw: &str) -> (i128, &str) {
    match raw.strip_prefix('-') {
        Some(body) => (-1, body),
        None => (1, raw.strip_prefix('+').unwrap_or(raw)),
    }
}

/// Base 60: `1:30`, `1:30.5`. The whole part, and the fraction where there is a point.
fn sixties(body: &str) -> Option<(i128, Option<f64>)> {
    let (whole, fraction) = match body.split_once('.') {
        Some((whole, fraction)) => {
            if !fraction.chars().all(|c| c == '_' || c.is_ascii_digit()) {
                return None;
            }
            let digits = format!("0.{}0", fraction.replace('_', ""));
            (whole, Some(digits.parse::<f64>().ok()?))
        }
        None => (body, None),
    };
    let mut parts = whole.split(':');
    let first = parts.next()?.replace('_', "");
    let mut value: i128 = first.parse().ok()?;
    let mut count = 0;
    for part in parts {
        let is_sixty = matches!(part.len(), 1 | 2) && part.chars().all(|c| c.is_ascii_digit());
        let part: i128 = part.parse().ok().filter(|part| is_sixty && *part < 60)?;
        value = value.checked_mul(60)?.checked_add(part)?;
        count += 1;
    }
    (count > 0).then_some((value, fraction))
}
