//! Holds a recipe's parts as written in its file, before they are interpreted.

use crate::error::Mistake;
use crate::spec::field::Field;
use crate::spec::node::python::Python;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    /// Value of `model`; an empty text where there is none.
    pub model: Python,
    pub revision: Python,
    /// Path in `cluster_config.resolved_model_path`: weights present on every machine.
    pub resolved_model_path: Option<String>,
    /// Runtime: `runtime`, else derived from the command, else `vllm`.
    pub runtime: String,
    pub command: Option<String>,
    /// Defaults, with `{{` as `{`, and the values of matching layers.
    pub defaults: Vec<(String, Python)>,
    pub env: Vec<(String, String)>,
    pub container: Option<String>,
}

impl Draft {
    pub(crate) fn of(root: &Field<'_>) -> Result<Draft, Mistake> {
        let command = text(root, "command")?;
        let by_command = || runtime_of_command(command.as_deref().unwrap_or_default()).to_owned();
        let cluster = root.node.get("cluster_config");
        let resolved = cluster.and_then(|node| node.get("resolved_model_path")).map(Python::of);
        let single = |(key, value): (String, Python)| match value {
            Python::Text(text) if text.contains("{{") => {
                (key, Python::Text(text.replace("{{", "{").replace("}}", "}")))
            }
            _ => (key, value),
        };
        Ok(Draft {
            model: scalar(root, "model")?.unwrap_or(Python::Text(String::new())),
            revision: scalar(root, "model_revision")?.unwrap_or(Python::None),
            resolved_model_path: resolved.filter(Python::is_true).map(|path| path.str()),
            runtime: text(root, "runtime")?.unwrap_or_else(by_command),
            command: command.filter(|command| !command.trim().is_empty()),
            defaults: map(root, "defaults")?.into_iter().map(single).collect(),
            env: map(root, "env")?.into_iter().map(|(key, value)| (key, value.str())).collect(),
            container: text(root, "container")?,
        })
    }

    pub(crate) fn model_name(&self) -> Option<String> {
        Some(self.model.str()).filter(|name| self.model.is_true() && !name.is_empty())
    }
}

/// Returns a key's scalar; `Some(None)` where it is null.
fn scalar(root: &Field<'_>, key: &str) -> Result<Option<Python>, Mistake> {
    let Some(node) = root.node.get(key) else { return Ok(None) };
    if !node.is_null() {
        root.below(key, node).text()?;
    }
    Ok(Some(Python::of(node)))
}

fn text(root: &Field<'_>, key: &str) -> Result<Option<String>, Mistake> {
    let value = scalar(root, key)?.filter(|value| *value != Python::None);
    Ok(value.map(|value| value.str()))
}

pub(super) fn map(root: &Field<'_>, key: &str) -> Result<Vec<(String, Python)>, Mistake> {
    // As Python has it: an empty list, an empty text and 0 are none either.
    let Some(node) = root.node.get(key).filter(|node| Python::of(node).is_true()) else {
        return Ok(Vec::new());
    };
    let pairs = root.below(key, node).any_map()?.into_iter();
    Ok(pairs.map(|(key, field)| (key.to_owned(), Python::of(field.node))).collect())
}

/// Derives a command's runtime from its first words, as sparkrun does.
pub(super) fn runtime_of_command(command: &str) -> &'static str {
    let first = command.trim().lines().next().unwrap_or_default();
    match command.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["sglang", "serve", ..] | ["python" | "python3", "-m", "sglang.launch_server", ..] => {
            "sglang"
        }
        ["llama-server", ..] => "llama-cpp",
        ["mpirun", ..] if first.contains("trtllm") => "trtllm",
        [word, ..] if word.starts_with("trtllm-serve") => "trtllm",
        _ => "vllm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_tells_its_runtime_by_its_first_words() {
        for (command, runtime) in [
            ("vllm serve m", "vllm"),
            (" python3  -m\tsglang.launch_server --x", "sglang"),
            ("sglang serve", "sglang"),
            ("sglang server", "vllm"),
            ("llama-server -hf x", "llama-cpp"),
            ("llama-servers", "vllm"),
            ("mpirun -n 2 trtllm-llmapi-launch", "trtllm"),
            ("trtllm-serve x", "trtllm"),
            ("bash -c 'sglang serve'", "vllm"),
        ] {
            assert_eq!(runtime_of_command(command), runtime, "{command}");
        }
    }
}
