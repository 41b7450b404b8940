//! From a command template to a command, as eugr's `run-recipe.py` does it:
//! Python's `str.format`, once.

mod number;
mod spec;

use super::COMMAND_BYTES_MAX;
use crate::spec::node::python::{Python, rstrip, strip};
use crate::spec::recipe::values::Values;

/// A format's own format may hold fields, whose own may not: as in Python.
const DEPTH_MAX: usize = 2;

/// Renders a command. On a single machine the distributed backend goes, and lines that it
/// leaves empty.
///
/// # Errors
/// What Python would raise, in one sentence.
pub fn rendered(template: &str, values: &Values, solo: bool) -> Result<String, String> {
    let mut command = format(template, values, DEPTH_MAX)?;
    if solo {
        command = without_backend(&command);
        let keep = |line: &&str| !matches!(strip(line), "" | "\\");
        command = command.split('\n').filter(keep).collect::<Vec<_>>().join("\n");
    }
    let mut end = rstrip(&command);
    if end.ends_with('\\') {
        end = rstrip(end.trim_end_matches(['\\', '\n']));
    }
    Ok(strip(end).to_owned())
}

/// `--distributed-executor-backend\s+\S+`, wherever it stands.
fn without_backend(command: &str) -> String {
    const FLAG: &str = "--distributed-executor-backend";
    let mut out = String::new();
    let mut rest = command;
    while let Some(found) = rest.find(FLAG) {
        let after = &rest[found + FLAG.len()..];
        let value = after.trim_start();
        out.push_str(&rest[..found]);
        if value.is_empty() || value.len() == after.len() {
            out.push_str(FLAG);
            rest = after;
        } else {
            rest = &value[value.find(char::is_whitespace).unwrap_or(value.len())..];
        }
    }
    out.push_str(rest);
    out
}

/// `template.format(**values)`.
fn format(template: &str, values: &Values, depth: usize) -> Result<String, String> {
    if depth == 0 {
        return Err("a format inside a format inside a format".to_owned());
    }
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
        } else if brace == "}" || rest.is_empty() {
            return Err(format!("a single `{brace}` (doubled, it stands for itself)"));
        } else {
            let (field, after) = Field::parse(rest)?;
            out.push_str(&field.written(values, depth)?);
            rest = after;
        }
        if out.len() > COMMAND_BYTES_MAX {
            return Err("the command grows without end".to_owned());
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// `name[index]!conversion:format`, without its braces.
struct Field<'a> {
    name: &'a str,
    conversion: Option<char>,
    spec: &'a str,
}

impl<'a> Field<'a> {
    /// Reads a field whose `{` is already gone; what stands after its `}` comes with it.
    fn parse(text: &'a str) -> Result<(Field<'a>, &'a str), String> {
        let end = end_of_name(text)?;
        let name = &text[..end];
        let mut rest = &text[end + 1..];
        let mut conversion = None;
        match text.as_bytes()[end] {
            b'}' => return Ok((Field { name, conversion, spec: "" }, rest)),
            b'!' => {
                let mut characters = rest.chars();
                conversion = characters.next();
                let Some(_) = conversion else {
                    return Err("a `!` without a conversion".to_owned());
                };
                rest = characters.as_str();
                if let Some(after) = rest.strip_prefix('}') {
                    return Ok((Field { name, conversion, spec: "" }, after));
                }
                rest = rest
                    .strip_prefix(':')
                    .ok_or_else(|| format!("a `:` must follow the conversion of `{{{name}`"))?;
            }
            _ => {}
        }
        let mut open = 1;
        for (at, character) in rest.char_indices() {
            match character {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Ok((Field { name, conversion, spec: &rest[..at] }, &rest[at + 1..]));
            }
        }
        Err(format!("the format of `{{{name}` has no end"))
    }

    fn written(&self, values: &Values, depth: usize) -> Result<String, String> {
        let value = self.value(values)?;
        let value = match self.conversion {
            None => value,
            Some('s') => Python::Text(value.str()),
            Some('r') => Python::Text(value.repr()),
            Some('a') => Python::Text(ascii(&value.repr())),
            Some(other) => return Err(format!("`!{other}` is no conversion; !s, !r and !a are")),
        };
        if !self.spec.contains('{') {
            return spec::format(&value, self.spec);
        }
        spec::format(&value, &format(self.spec, values, depth - 1)?)
    }

    /// The value of `name`, or what `name[index]` finds in it.
    fn value(&self, values: &Values) -> Result<Python, String> {
        let end = self.name.find(['.', '[']).unwrap_or(self.name.len());
        let (first, mut path) = self.name.split_at(end);
        if first.is_empty() || first.chars().all(|c| c.is_ascii_digit()) {
            return Err(format!("`{{{}}}` names no parameter", self.name));
        }
        let mut value =
            values.entry(first).ok_or_else(|| format!("the parameter `{first}` is missing"))?;
        while !path.is_empty() {
            let index = path.strip_prefix('[').and_then(|inner| inner.split_once(']'));
            let Some((index, after)) = index.filter(|(index, _)| !index.is_empty()) else {
                return Err(format!("`{{{}}}` reaches into a value's attributes", self.name));
            };
            value = item(value, index)
                .ok_or_else(|| format!("`{{{}}}` finds nothing under `{index}`", self.name))?;
            path = after;
            if !path.is_empty() && !path.starts_with(['[', '.']) {
                return Err(format!("`{{{}}}` goes on after its `]`", self.name));
            }
        }
        Ok(value.clone())
    }
}

/// Where a field's name ends: at `}`, `:` or `!` outside of brackets.
fn end_of_name(text: &str) -> Result<usize, String> {
    let mut in_brackets = false;
    for (at, character) in text.char_indices() {
        match character {
            ']' if in_brackets => in_brackets = false,
            _ if in_brackets => {}
            '[' => in_brackets = true,
            '{' => return Err(format!("a `{{` inside the field `{{{}`", &text[..at])),
            '}' | ':' | '!' => return Ok(at),
            _ => {}
        }
    }
    Err("a `{` without its `}`".to_owned())
}

fn item<'a>(value: &'a Python, index: &str) -> Option<&'a Python> {
    let number = index.chars().all(|c| c.is_ascii_digit()).then(|| index.parse::<usize>().ok());
    match (value, number.flatten()) {
        (Python::List(items), Some(number)) => items.get(number),
        (Python::Map(pairs), Some(number)) => {
            let key = Python::Int(i128::try_from(number).ok()?);
            pairs.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
        }
        (value, None) => value.get(index),
        _ => None,
    }
}

/// `ascii()`: what is not ASCII is escaped.
fn ascii(repr: &str) -> String {
    let written = |character: char| match u32::from(character) {
        0..=0x7f => character.to_string(),
        code @ 0x80..=0xff => format!("\\x{code:02x}"),
        code @ 0x100..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    repr.chars().map(written).collect()
}

#[cfg(test)]
mod tests;
