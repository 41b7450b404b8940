//! From a recipe to the command that its own tools would run, byte for byte.
//! Nothing is executed, and nothing is known of single recipes.

pub mod built;
pub mod eugr;
pub mod sparkrun;

use super::draft::Draft;
use super::values::Values;
use crate::engine::Engine;
use crate::spec::node::python::Python;

/// Bounds one command: a width (`{port:9999999999}`) or a value that holds itself several
/// times would fill the memory.
const COMMAND_BYTES_MAX: usize = 1 << 20;

/// Bounds what is told of one command.
const LEFT_OVER_MAX: usize = 20;

/// By whose rules a command template is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// sparkrun 0.3 and 0.4: placeholders, again and again; JSON's braces are themselves.
    Sparkrun,
    /// eugr's `run-recipe.py`: Python's `str.format`, once.
    Eugr,
}

impl Dialect {
    /// Both.
    pub const ALL: [Dialect; 2] = [Dialect::Sparkrun, Dialect::Eugr];

    /// The word on the command line and in reports.
    pub fn word(self) -> &'static str {
        match self {
            Dialect::Sparkrun => "sparkrun",
            Dialect::Eugr => "eugr",
        }
    }

    /// The dialect of a word.
    pub fn of(word: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.word() == word)
    }
}

/// How a command came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// From the recipe's template.
    Template(Dialect),
    /// From its defaults, since it has no template.
    Built(Engine),
    /// It stood there as it is, in a `docker run`.
    AsItStands,
    /// There is none: a runtime whose commands longhaul cannot build.
    NotRendered,
}

/// A command, and what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The command.
    pub command: Option<String>,
    /// How it came about.
    pub how: How,
    /// What the user must know.
    pub warnings: Vec<String>,
    /// What other tools, or older ones, would make of it.
    pub notes: Vec<String>,
}

/// How it is to be rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// By whose rules, where the user says so.
    pub dialect: Option<Dialect>,
    /// For a single machine, as `run-recipe.py --solo` does.
    pub solo: bool,
}

/// Renders a recipe's command.
///
/// # Errors
/// Why it cannot be, in one sentence.
pub fn rendered(
    draft: &Draft,
    set: &[(String, Python)],
    manner: Manner,
) -> Result<(Rendered, Values), String> {
    let values = collapsed(draft).with(set)?;
    let own = if draft.version == "1" { Dialect::Eugr } else { Dialect::Sparkrun };
    let dialect = manner.dialect.unwrap_or(own);
    let Some(template) = draft.command.as_deref() else {
        let mut rendered = built(draft, set, &values)?;
        if dialect == Dialect::Eugr && rendered.command.is_some() {
            let text = "it has no `command` that run-recipe.py could run; built as sparkrun does";
            rendered.warnings.insert(0, text.to_owned());
        }
        return Ok((rendered, values));
    };
    if dialect == Dialect::Eugr {
        match by_eugr(draft, set, manner.solo, template) {
            Ok(found) => return Ok(found),
            Err(why) if manner.dialect.is_some() => return Err(why),
            Err(why) => {
                let (mut rendered, values) = by_sparkrun(draft, set, template, values)?;
                let text = format!(
                    "run-recipe.py cannot render `command`: {why}; rendered as sparkrun does"
                );
                rendered.warnings.insert(0, text);
                return Ok((rendered, values));
            }
        }
    }
    by_sparkrun(draft, set, template, values)
}

/// The values with doubled braces in string defaults made single ones, as sparkrun loads
/// them; a layer's stay.
pub fn collapsed(draft: &Draft) -> Values {
    let mut draft = draft.clone();
    for (_, value) in &mut draft.defaults {
        if let Python::Text(text) = value {
            *text = sparkrun::unescape_default(text);
        }
    }
    Values::of(&draft)
}

fn by_eugr(
    draft: &Draft,
    set: &[(String, Python)],
    solo: bool,
    template: &str,
) -> Result<(Rendered, Values), String> {
    let mut values = Values::default();
    for (key, value) in draft.defaults.iter().chain(&draft.layered) {
        if let Python::Text(key) = key {
            values.set(key, value.clone());
        }
    }
    let mut values = values.with(set)?;
    if solo && !set.iter().any(|(key, _)| key == "tensor_parallel") {
        values.set("tensor_parallel", Python::Int(1));
    }
    let command = eugr::rendered(template, &values, solo)?;
    let mut notes = old_notes(draft, set, template, &command);
    let new = collapsed(draft).with(set)?;
    if !solo && sparkrun::since_0_3(template, &|key| new.text(key)).as_ref() != Some(&command) {
        notes.push(
            "sparkrun since 0.3 renders this command otherwise (--dialect sparkrun)".to_owned(),
        );
    }
    let how = How::Template(Dialect::Eugr);
    Ok((Rendered { command: Some(command), how, warnings: Vec::new(), notes }, values))
}

fn by_sparkrun(
    draft: &Draft,
    set: &[(String, Python)],
    template: &str,
    values: Values,
) -> Result<(Rendered, Values), String> {
    let command = sparkrun::since_0_3(template, &|key| values.text(key))
        .ok_or("the command grows without end when its placeholders are filled in")?;
    let mut warnings: Vec<String> = left_over(&command)
        .into_iter()
        .map(|word| format!("{word} in `command` has no value in `defaults`"))
        .collect();
    let is_used = |key: &str| template.contains(&format!("{{{key}}}"));
    for (key, value) in values.iter() {
        if matches!(value, Python::Map(_) | Python::List(_)) && is_used(key) {
            warnings.push(format!(
                "`{key}` is structure, and sparkrun puts it into `command` as Python writes it, which is no JSON"
            ));
        }
    }
    let notes = old_notes(draft, set, template, &command);
    let how = How::Template(Dialect::Sparkrun);
    Ok((Rendered { command: Some(command), how, warnings, notes }, values))
}

/// What sparkrun up to 0.2 would have made of it, where that is something else.
fn old_notes(
    draft: &Draft,
    set: &[(String, Python)],
    template: &str,
    command: &str,
) -> Vec<String> {
    let Ok(values) = Values::of(draft).with(set) else { return Vec::new() };
    match sparkrun::until_0_2(template, &|key| values.text(key)) {
        Some(old) if old == command => Vec::new(),
        Some(_) => vec!["sparkrun up to 0.2 renders this command otherwise".to_owned()],
        None => vec!["sparkrun up to 0.2 never ends on this command".to_owned()],
    }
}

/// The first placeholders that nothing was put in for; a shell's `${NAME}` is none.
fn left_over(command: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for (at, _) in command.match_indices('{') {
        let name = &command[at + 1..];
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        let is_name = end > 0 && !name.starts_with(|c: char| c.is_ascii_digit());
        if !is_name || !name[end..].starts_with('}') || command[..at].ends_with('$') {
            continue;
        }
        let word = &command[at..at + end + 2];
        if found.len() < LEFT_OVER_MAX && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

fn built(draft: &Draft, set: &[(String, Python)], values: &Values) -> Result<Rendered, String> {
    let engine = engine_of(&draft.runtime);
    let command = built::command(engine, draft, values, set)?;
    let mut warnings = Vec::new();
    if command.is_some() && draft.model_name().is_none() {
        warnings.push("it has neither a command nor a model to build one for".to_owned());
    }
    let how = if command.is_some() { How::Built(engine) } else { How::NotRendered };
    let mut notes = Vec::new();
    if command.is_none() {
        notes.push(format!(
            "it has no `command`, and longhaul does not know how {} is started from `defaults`: it is shown, not rendered",
            draft.runtime
        ));
    }
    Ok(Rendered { command, how, warnings, notes })
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
