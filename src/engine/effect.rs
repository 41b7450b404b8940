//! Reads what an engine says of its settings while it starts: the arguments that it took, the
//! values that it runs with, and the kernels that it chose. One file each for what is particular to
//! an engine; what is common to all of them, the values and how they are compared, is here.

pub(crate) mod value;

use super::{Engine, llama_cpp, sglang, vllm};

/// Setting as a line of the startup log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToldSetting {
    /// Common name of the setting; `env.NAME` for an environment variable.
    pub setting: String,
    /// Value as written, without quotes.
    pub value: String,
    pub kind: ToldKind,
}

/// Kind of a statement about a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ToldKind {
    /// Argument that the engine took; nothing shows yet that it follows it.
    Argument,
    /// Value that the engine runs with.
    Effective,
    /// Choice for one part of the model. Other parts may have others.
    Chosen,
}

impl ToldSetting {
    pub(crate) fn new(setting: &str, value: &str, kind: ToldKind) -> ToldSetting {
        ToldSetting { setting: setting.to_owned(), value: value.to_owned(), kind }
    }
}

/// Value told of an environment variable that the engine does not know.
pub(crate) const UNKNOWN: &str = "unknown";

/// Returns what a log line with a signature says of settings.
pub(crate) fn told(signature: &str, line: &str) -> Vec<ToldSetting> {
    let readers = [vllm::effect::told, sglang::effect::told, llama_cpp::effect::told];
    readers.iter().find_map(|read| read(signature, line)).unwrap_or_default()
}

/// Whether a log line with a signature lists all arguments that the engine took.
pub(crate) fn lists_arguments(signature: &str) -> bool {
    [vllm::effect::ARGUMENTS, sglang::effect::ARGUMENTS].contains(&signature)
}

/// Returns whether a setting has its default, where the engine's list of arguments lacks it: such a
/// list has only what is not the default. `None` where that is not known.
pub(crate) fn is_default(engine: Engine, setting: &str, declared: &str) -> Option<bool> {
    if engine != Engine::Vllm {
        return None;
    }
    let (_, defaults) = vllm::effect::DEFAULTS.iter().find(|(name, _)| *name == setting)?;
    Some(defaults.iter().any(|default| value::is_same(setting, declared, default)))
}

/// Whether an engine exports the counter of drafted tokens only where it drafts.
pub(crate) fn counts_drafts_only_if_on(engine: Engine) -> bool {
    engine == Engine::Vllm
}

/// Whether a model with this reasoning parser reasons in every answer, unless it is told not to: the
/// parser takes all text up to the end of the reasoning for reasoning.
pub(crate) fn always_reasons(parser: &str) -> bool {
    ["super_v3", "nano_v3", "nemotron_v3", "deepseek_r1"].contains(&parser)
}

/// Returns the text of a line between two texts, found without regard to case.
pub(super) fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let lower = line.to_ascii_lowercase();
    let from = lower.find(before)? + before.len();
    let until = if after.is_empty() { line.len() } else { from + lower[from..].find(after)? };
    line.get(from..until)
}

/// Returns the number after a text.
pub(super) fn number_after<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    let rest = between(line, before, "")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|number| !number.is_empty())
}

#[cfg(test)]
mod tests;
