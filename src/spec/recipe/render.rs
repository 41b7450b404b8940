//! From a recipe to the command that sparkrun 0.4 would run, byte for byte;
//! `run-recipe.py` makes the same of what it can render. Nothing is executed,
//! and nothing is known of single recipes.

pub mod built;
mod sparkrun;

use super::draft::Draft;
use super::values::Values;
use crate::engine::Engine;
use crate::escape::one_line;
use crate::spec::node::python::Python;

/// Bounds one command: a value that holds itself several times would fill the memory.
const COMMAND_BYTES_MAX: usize = 1 << 20;

/// Bounds what is told of one command.
const LEFT_OVER_MAX: usize = 20;

/// How a command came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// From the recipe's template.
    Template,
    /// From its defaults, since it has no template.
    Built(Engine),
    /// It stood there as it is, in a `docker run`.
    AsItStands,
    /// There is none: a runtime whose commands longhaul cannot build.
    NotRendered,
    /// The file was not understood, and is handed on as it is.
    Unread,
}

/// A command, and what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    pub command: Option<String>,
    /// How it came about.
    pub how: How,
    /// What the user must know.
    pub warnings: Vec<String>,
}

/// Why there is no command.
#[derive(Clone, Debug, PartialEq)]
pub struct Unrendered {
    /// In one sentence.
    pub what: String,
    /// On which line of the template, from 0.
    pub line: usize,
    /// What to write instead.
    pub hint: String,
}

/// Renders a recipe's command; `set` are the keys that the user set among the values.
///
/// # Errors
/// Why it cannot be, and where.
pub fn rendered(
    draft: &Draft,
    values: &Values,
    set: &[(String, Python)],
) -> Result<Rendered, Unrendered> {
    let wrong = |what: String| {
        let hint = "longhaul recipe show says what the recipe holds".to_owned();
        Unrendered { what, line: 0, hint }
    };
    let Some(template) = draft.command.as_deref() else {
        let engine = engine_of(&draft.runtime);
        let command = built::command(engine, draft, values, set).map_err(wrong)?;
        let how = if command.is_some() { How::Built(engine) } else { How::NotRendered };
        let is_unnamed = command.is_some() && draft.model_name().is_none();
        let text = "it has neither a command nor a model to build one for";
        let warnings = if is_unnamed { vec![text.to_owned()] } else { Vec::new() };
        return Ok(Rendered { command, how, warnings });
    };
    check_formats(template, values)?;
    let command = sparkrun::rendered(template, &|key| values.text(key)).ok_or_else(|| {
        let what = "the command grows without end when its placeholders are filled in";
        let hint = "a value in `defaults` holds itself".to_owned();
        Unrendered { hint, ..wrong(what.to_owned()) }
    })?;
    let left = left_over(&command).into_iter();
    let mut warnings: Vec<String> =
        left.map(|word| format!("{word} in `command` has no value in `defaults`")).collect();
    let is_used = |key: &str| template.contains(&format!("{{{key}}}"));
    let is_structure = |value: &Python| matches!(value, Python::Map(_) | Python::List(_));
    for (key, _) in values.iter().filter(|(key, value)| is_structure(value) && is_used(key)) {
        warnings.push(format!(
            "`{key}` is structure, and sparkrun puts it into `command` as Python writes it, which is no JSON"
        ));
    }
    Ok(Rendered { command: Some(command), how: How::Template, warnings })
}

/// Refuses a placeholder for a value's digits in a form of Python's (`{gm:.2f}`). A shell's
/// `${NAME:-x}` is none.
fn check_formats(template: &str, values: &Values) -> Result<(), Unrendered> {
    for (at, _) in template.match_indices('{') {
        let name = &template[at + 1..];
        let end = name.find(['{', '}', '!', ':']).unwrap_or(name.len());
        let is_brace = template[..at].ends_with(['$', '{']);
        if is_brace || !name[end..].starts_with(['!', ':']) || values.get(&name[..end]).is_none() {
            continue;
        }
        let (name, placeholder) = (&name[..end], name.split_inclusive('}').next());
        let placeholder = one_line(placeholder.unwrap_or_default(), 60);
        return Err(Unrendered {
            what: format!(
                "the placeholder `{{{placeholder}` is in Python's format language, which is not read"
            ),
            line: template[..at].matches('\n').count(),
            hint: format!("`{{{name}}}`, and in `defaults` the text that it is to be, in quotes"),
        });
    }
    Ok(())
}

/// The first placeholders that nothing was put in for; a shell's `${NAME}` is none.
fn left_over(command: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for (at, _) in command.match_indices('{').filter(|(at, _)| !command[..*at].ends_with('$')) {
        let name = &command[at + 1..];
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        let is_name = end > 0 && !name.starts_with(|c: char| c.is_ascii_digit());
        if is_name && name[end..].starts_with('}') && found.len() < LEFT_OVER_MAX {
            found.push(&command[at..at + end + 2]);
        }
    }
    found.dedup();
    found
}

/// The engine behind a runtime's name.
pub fn engine_of(runtime: &str) -> Engine {
    match runtime {
        "vllm" | "vllm-distributed" | "vllm-ray" | "eugr-vllm" => Engine::Vllm,
        "sglang" => Engine::Sglang,
        "llama-cpp" => Engine::LlamaCpp,
        _ => Engine::Unknown,
    }
}
