//! One test of a condition: `8`, `[a, b]`, `{gte: 2}`.

use crate::spec::node::python::{Python, number_of_text};

/// What is, as far as it is known.
pub enum Actual {
    /// One value, or none that is known: then nothing holds.
    One(Option<Python>),
    /// A set of tags.
    Many(Vec<String>),
    /// A setting: that it is not there is an answer, too.
    Setting(Vec<Python>),
}

/// Whether it holds.
///
/// # Errors
/// Why not.
pub fn holds(selector: &str, wanted: &Python, actual: &Actual) -> Result<(), String> {
    let tests: Vec<(String, &Python)> = match wanted {
        Python::Map(operators) => {
            operators.iter().map(|(operator, operand)| (operator.str(), operand)).collect()
        }
        Python::List(_) => vec![("in".to_owned(), wanted)],
        _ => vec![("eq".to_owned(), wanted)],
    };
    for (operator, operand) in tests {
        let is_order = matches!(operator.as_str(), "gt" | "gte" | "lt" | "lte");
        if !is_order && !matches!(operator.as_str(), "eq" | "ne" | "in" | "not_in") {
            return Err(format!("has an operator that is not known: {operator}"));
        }
        if !passes(selector, &operator, operand, actual) {
            return Err("does not match".to_owned());
        }
    }
    Ok(())
}

/// A value as it is compared.
#[derive(Clone, PartialEq)]
enum Norm {
    Null,
    Bool(bool),
    Number(f64),
    Word(String),
}

fn norm(selector: &str, value: &Python) -> Norm {
    match value {
        Python::None => Norm::Null,
        _ if selector == "arch" => Norm::Word(arch(&value.str())),
        Python::Bool(value) => Norm::Bool(*value),
        Python::Int(value) => Norm::Number(*value as f64),
        Python::Float(value) => Norm::Number(*value),
        other => {
            let text = other.str();
            let text = text.trim();
            number_of_text(text).map_or_else(|| Norm::Word(text.to_lowercase()), Norm::Number)
        }
    }
}

/// `sm_120a` and `12.0` are `sm_120`.
fn arch(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let digits = text.strip_prefix("sm_").or_else(|| text.strip_prefix("sm"));
    if let Some(digits) = digits {
        let digits = digits.strip_suffix(['a', 'f']).unwrap_or(digits);
        if matches!(digits.len(), 2 | 3) && digits.chars().all(|c| c.is_ascii_digit()) {
            return format!("sm_{digits}");
        }
        return text;
    }
    match text.split_once('.') {
        Some((major, minor)) if minor.len() == 1 => match major.parse::<u8>() {
            Ok(major) if minor.chars().all(|c| c.is_ascii_digit()) => format!("sm_{major}{minor}"),
            _ => text.clone(),
        },
        _ => text,
    }
}

fn passes(selector: &str, operator: &str, operand: &Python, actual: &Actual) -> bool {
    let candidates: Vec<Norm> = match operand {
        Python::List(items)
            if operator != "eq" && operator != "ne" || matches!(actual, Actual::Many(_)) =>
        {
            items.iter().map(|item| norm(selector, item)).collect()
        }
        other => vec![norm(selector, other)],
    };
    let wants_hit = matches!(operator, "eq" | "in");
    let is_choice = wants_hit || matches!(operator, "ne" | "not_in");
    let value = match actual {
        Actual::One(None) => return false,
        Actual::Setting(values) if values.is_empty() => return matches!(operator, "ne" | "not_in"),
        Actual::Many(tags) => {
            let hit = tags
                .iter()
                .any(|tag| candidates.contains(&norm(selector, &Python::Text(tag.clone()))));
            return is_choice && hit == wants_hit;
        }
        Actual::One(Some(value)) => value,
        Actual::Setting(values) => &values[0],
    };
    let value = norm(selector, value);
    if is_choice {
        return candidates.contains(&value) == wants_hit;
    }
    let (Norm::Number(value), [Norm::Number(bound)]) = (value, candidates.as_slice()) else {
        return false;
    };
    match operator {
        "gt" => value > *bound,
        "gte" => value >= *bound,
        "lt" => value < *bound,
        _ => value <= *bound,
    }
}
