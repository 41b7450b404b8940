//! Renders a recipe to the command that sparkrun 0.4 would run, byte for byte.

pub(crate) mod built;
mod eugr;
mod sparkrun;

use super::draft::Draft;
use super::values::Values;
use crate::engine::Engine;
use crate::escape::one_line;
use crate::spec::node::Flaw;
use crate::spec::node::python::Python;

/// Maximum size of a command, bytes: nested placeholders would otherwise exhaust memory.
const COMMAND_BYTES_MAX: usize = 1 << 20;

/// Tool whose rules render a command template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    #[default]
    Sparkrun,
    /// eugr's `run-recipe.py`.
    Eugr,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RenderMethod {
    Template(Dialect),
    /// Built from the recipe's defaults, since it has no template.
    Built(Engine),
    /// Taken verbatim from a `docker run` line.
    AsItStands,
    /// Taken from a service of a compose file.
    Composed,
    /// No command: a runtime whose commands longhaul cannot build.
    NotRendered,
    /// Not parsed: the file is passed on verbatim.
    #[default]
    Unread,
}

impl RenderMethod {
    /// Whether the recipe says how its container is started, on one machine.
    pub(super) fn is_container(self) -> bool {
        matches!(self, RenderMethod::AsItStands | RenderMethod::Composed)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rendered {
    pub command: Option<String>,
    pub how: RenderMethod,
    pub warnings: Vec<String>,
}

/// Renders a recipe's command; `set` holds the keys that the user set.
pub(crate) fn rendered(
    draft: &Draft,
    values: &Values,
    set: &[(String, Python)],
    dialect: Dialect,
) -> Result<Rendered, Flaw> {
    let texts = values.iter().map(|(_, value)| value.str()).chain(draft.command.clone());
    if texts.into_iter().any(|text| sparkrun::has_substitute(&text)) {
        let what = "`command` or a value in `defaults` holds a character that no command line can";
        return Err(Flaw::new(0, what).hint("without the escapes of U+0000 and U+0001"));
    }
    let Some(template) = draft.command.as_deref() else {
        let engine = engine_of(&draft.runtime);
        let hint = "longhaul recipe show says what the recipe holds";
        let command = built::command(engine, draft, values, set)
            .map_err(|why| Flaw::new(0, why).hint(hint))?;
        let how =
            if command.is_some() { RenderMethod::Built(engine) } else { RenderMethod::NotRendered };
        let is_unnamed = command.is_some() && draft.model_name().is_none();
        let text = "it has neither a command nor a model to build one for";
        let warnings = is_unnamed.then(|| text.to_owned()).into_iter().collect();
        return Ok(Rendered { command, how, warnings });
    };
    if dialect == Dialect::Eugr {
        // No `model` beside the recipe's own values, and a null is Python's word.
        let own: Vec<&(String, Python)> = draft.defaults.iter().chain(set).collect();
        let is_own = |key: &str| own.iter().any(|(known, _)| known.split('.').next() == Some(key));
        let text = |key: &str| values.text(key).unwrap_or_else(|| Python::None.str());
        let value = |key: &str| is_own(key).then(|| text(key));
        let command = Some(eugr::rendered(template, &value)?);
        return Ok(Rendered {
            command,
            how: RenderMethod::Template(dialect),
            warnings: Vec::new(),
        });
    }
    let (command, open) =
        sparkrun::rendered(template, &|key| values.text(key)).ok_or_else(|| {
            Flaw::new(0, "the command grows without end when its placeholders are filled in")
                .hint("a value in `defaults` holds itself")
        })?;
    let mut warnings = Vec::new();
    for word in open.iter().take(20) {
        let name = word.trim_matches(['{', '}']).split(['!', ':']).next().unwrap_or_default();
        if name.len() + 2 == word.len() {
            warnings.push(format!("{word} in `command` has no value in `defaults`"));
        } else if let Some(at) = template.find(word).filter(|_| values.get(name).is_some()) {
            let shown = one_line(word, 60);
            let what = format!(
                "the placeholder `{shown}` is in Python's format language, which is not read"
            );
            let hint =
                format!("`{{{name}}}`, and in `defaults` the string that it is to be, in quotes");
            return Err(Flaw::new(template[..at].matches('\n').count(), what).hint(hint));
        }
    }
    for (key, value) in values.iter().filter(|(key, _)| template.contains(&format!("{{{key}}}"))) {
        if matches!(value, Python::Map(_) | Python::List(_)) {
            warnings.push(format!(
                "`{key}` is a mapping or a list, which sparkrun writes into `command` as Python does, not as JSON"
            ));
        }
    }
    Ok(Rendered { command: Some(command), how: RenderMethod::Template(dialect), warnings })
}

/// Returns the runtime that sparkrun resolves `vllm` to, which is an alias for one of two.
pub(crate) fn runtime_name(runtime: &str, is_ray: bool) -> &str {
    match runtime {
        "vllm" if is_ray => "vllm-ray",
        "vllm" => "vllm-distributed",
        other => other,
    }
}

pub(crate) fn engine_of(runtime: &str) -> Engine {
    match runtime {
        "vllm" | "vllm-distributed" | "vllm-ray" | "eugr-vllm" => Engine::Vllm,
        "sglang" => Engine::Sglang,
        "llama-cpp" => Engine::LlamaCpp,
        _ => Engine::Unknown,
    }
}
