//! `str()` and `repr()`.

use std::fmt::Write;

use super::Python;

impl Python {
    /// As `str()` writes it.
    pub fn str(&self) -> String {
        match self {
            Python::Text(text) | Python::Moment(text, _) => text.clone(),
            _ => self.repr(),
        }
    }

    /// As `repr()` writes it.
    pub fn repr(&self) -> String {
        match self {
            Python::None => "None".to_owned(),
            Python::Bool(true) => "True".to_owned(),
            Python::Bool(false) => "False".to_owned(),
            Python::Int(value) => value.to_string(),
            Python::Huge(digits) => digits.clone(),
            Python::Float(value) => float(*value),
            Python::Text(text) => quote(text),
            Python::Moment(_, text) => text.clone(),
            Python::List(items) => {
                format!("[{}]", items.iter().map(Python::repr).collect::<Vec<_>>().join(", "))
            }
            Python::Map(pairs) => {
                let pairs =
                    pairs.iter().map(|(key, value)| format!("{}: {}", key.repr(), value.repr()));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

pub fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(mark);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() || ('\u{7f}'..='\u{a0}').contains(&c) || c == '\u{ad}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() || is_format(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
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

/// Characters that `repr()` escapes since nothing of them is seen: separators, private ones and marks of
/// direction. Python's table is longer; these are those that people paste.
fn is_format(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2000}'..='\u{200a}'
        | '\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{1680}')
}

/// Python's `repr(float)`: the shortest digits, an exponent below 1e-4 and from 1e16.
pub fn float(value: f64) -> String {
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
