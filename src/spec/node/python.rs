//! Values as Python holds them: what PyYAML (YAML 1.1) makes of a node, and
//! how Python writes it. The tools that own the recipes are written in it, so
//! a command is only right when its values are.

mod dict;
pub mod json;
mod moment;
mod scalar;
mod whole;
mod write;

pub use dict::Dict;
pub use scalar::{is_trap, plain};

use super::{Node, Value};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Python {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// One that is too long for that, by its decimal digits.
    Huge(String),
    /// A number with a point.
    Float(f64),
    /// A text.
    Text(String),
    /// A date or a moment: as `str()` and as `repr()` write it.
    Moment(String, String),
    /// A list.
    List(Vec<Python>),
    /// A dict, in the order in which its keys first came.
    Map(Vec<(Python, Python)>),
}

impl Python {
    /// What PyYAML reads.
    pub fn of(node: &Node) -> Python {
        match &node.value {
            Value::Scalar { raw, quoted: true } => Python::Text(raw.clone()),
            Value::Scalar { raw, quoted: false } => plain(raw),
            Value::Seq(items) => Python::List(items.iter().map(Python::of).collect()),
            Value::Map(pairs) => {
                let mut dict = Dict::default();
                for (key, value) in pairs {
                    dict.insert(Python::of(key), Python::of(value));
                }
                Python::Map(dict.into_pairs())
            }
        }
    }

    /// Whether Python takes it for true.
    pub fn is_true(&self) -> bool {
        match self {
            Python::None => false,
            Python::Bool(value) => *value,
            Python::Int(value) => *value != 0,
            Python::Float(value) => *value != 0.0,
            Python::Text(text) => !text.is_empty(),
            Python::Moment(..) | Python::Huge(_) => true,
            Python::List(items) => !items.is_empty(),
            Python::Map(pairs) => !pairs.is_empty(),
        }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Python::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value under a key that is a text.
    pub fn get(&self, key: &str) -> Option<&Python> {
        let Python::Map(pairs) = self else { return None };
        pairs.iter().find(|(known, _)| known.text() == Some(key)).map(|(_, value)| value)
    }

    /// As `int()` takes it: `None` where Python would raise, or it is out of all reason.
    pub fn whole(&self) -> Option<i128> {
        match self {
            Python::Bool(value) => Some(i128::from(*value)),
            Python::Int(value) => Some(*value),
            Python::Float(value) if value.is_finite() => Some(value.trunc() as i128),
            Python::Text(text) => match whole_of_text(text) {
                Some(Python::Int(value)) => Some(value),
                _ => None,
            },
            _ => None,
        }
    }
}

/// `str.strip()`: Python takes four control characters for blanks that Rust does not.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// `str.rstrip()`.
pub fn rstrip(text: &str) -> &str {
    text.trim_end_matches(is_blank)
}

/// `str.isspace()` of one character.
pub fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

/// What a word of a command line is: sparkrun makes numbers and switches of `-o key=value`.
pub fn coerce(word: &str) -> Python {
    match word.to_lowercase().as_str() {
        "true" | "yes" => return Python::Bool(true),
        "false" | "no" => return Python::Bool(false),
        _ => {}
    }
    if let Some(value) = whole_of_text(word) {
        return value;
    }
    number_of_text(word).map_or_else(|| Python::Text(word.to_owned()), Python::Float)
}

/// `int(text)`.
fn whole_of_text(text: &str) -> Option<Python> {
    let text = digits_joined(strip(text))?;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let is_whole = digits.starts_with(|c: char| c.is_ascii_digit());
    is_whole.then(|| whole::number(text.starts_with('-'), digits, 10))?
}

/// `float(text)`.
pub fn number_of_text(text: &str) -> Option<f64> {
    let text = strip(text);
    let body = text.strip_prefix(['-', '+']).unwrap_or(text).to_ascii_lowercase();
    let is_number = body.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !is_number && !matches!(body.as_str(), "inf" | "infinity" | "nan") {
        return None;
    }
    digits_joined(text)?.parse().ok()
}

/// A number's text without its underscores, each of which must stand between two digits.
fn digits_joined(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let fits = bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte != b'_' || is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)));
    fits.then(|| text.replace('_', ""))
}
