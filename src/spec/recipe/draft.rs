//! A recipe's parts as they stand in its file, before anything is made of
//! them: what rendering and settings are made from.

use crate::error::Mistake;
use crate::spec::field::Field;
use crate::spec::node::Node;
use crate::spec::node::python::{Python, strip};

/// The parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// `recipe_version` as text; sparkrun takes a recipe without one for `2`.
    pub version: String,
    /// `model`: an empty text where there is none.
    pub model: Python,
    /// `model_revision`.
    pub revision: Python,
    /// `cluster_config.resolved_model_path`: weights that lie on every machine.
    pub resolved_model_path: Option<String>,
    /// `runtime`, or what the command begins with, else `vllm`.
    pub runtime: String,
    /// `command`, where it holds anything.
    pub command: Option<String>,
    /// `defaults` as written.
    pub defaults: Vec<(Python, Python)>,
    /// What matching layers put over them.
    pub layered: Vec<(Python, Python)>,
    /// `env`, values as text.
    pub env: Vec<(String, String)>,
    /// `container`.
    pub container: Option<String>,
}

impl Draft {
    /// Takes a recipe's tree apart.
    ///
    /// # Errors
    /// A part has a shape of which nothing can be made.
    pub fn of(root: &Field<'_>) -> Result<Draft, Mistake> {
        let command = text(root, "command")?;
        let runtime = match text(root, "runtime")? {
            Some(runtime) => runtime,
            None => runtime_of_command(command.as_deref().unwrap_or_default()).to_owned(),
        };
        let resolved =
            root.node.get("cluster_config").and_then(|node| node.get("resolved_model_path"));
        Ok(Draft {
            version: text(root, "recipe_version")?.unwrap_or_else(|| "2".to_owned()),
            model: scalar(root, "model")?,
            revision: scalar(root, "model_revision")?,
            resolved_model_path: resolved
                .map(Python::of)
                .filter(Python::is_true)
                .map(|path| path.str()),
            runtime,
            command: command.filter(|command| !strip(command).is_empty()),
            defaults: map(root, "defaults")?,
            layered: Vec::new(),
            env: map(root, "env")?
                .into_iter()
                .map(|(key, value)| (key.str(), value.str()))
                .collect(),
            container: text(root, "container")?,
        })
    }

    /// The model's name, where there is one.
    pub fn model_name(&self) -> Option<String> {
        Some(self.model.str()).filter(|name| self.model.is_true() && !name.is_empty())
    }
}

/// A key's text as Python writes it, `None` where it is missing or null.
fn text(root: &Field<'_>, key: &str) -> Result<Option<String>, Mistake> {
    match root.node.get(key) {
        None => Ok(None),
        Some(node) if node.is_null() => Ok(None),
        Some(node) => {
            root.below(key, node).text()?;
            Ok(Some(Python::of(node).str()))
        }
    }
}

/// A key's single value: an empty text where it is missing, as for sparkrun.
fn scalar(root: &Field<'_>, key: &str) -> Result<Python, Mistake> {
    match root.node.get(key) {
        None => Ok(Python::Text(String::new())),
        Some(node) if node.is_null() => Ok(Python::None),
        Some(node) => {
            root.below(key, node).text()?;
            Ok(Python::of(node))
        }
    }
}

/// A key's map, empty where it is missing or null.
fn map(root: &Field<'_>, key: &str) -> Result<Vec<(Python, Python)>, Mistake> {
    match root.node.get(key) {
        None => Ok(Vec::new()),
        Some(node) if node.is_null() => Ok(Vec::new()),
        Some(node) => {
            root.below(key, node).any_map()?;
            Ok(pairs(node))
        }
    }
}

/// A map's pairs as a dict holds them.
fn pairs(node: &Node) -> Vec<(Python, Python)> {
    match Python::of(node) {
        Python::Map(pairs) => pairs,
        _ => Vec::new(),
    }
}

/// By sparkrun's own expressions, in its order; each must end at a word's end.
pub fn runtime_of_command(command: &str) -> &'static str {
    let command = strip(command);
    let begins = |words: &[&str]| begins_with_words(command, words);
    if begins(&["vllm", "serve"]) {
        "vllm"
    } else if begins(&["sglang", "serve"])
        || begins(&["python", "-m", "sglang.launch_server"])
        || begins(&["python3", "-m", "sglang.launch_server"])
    {
        "sglang"
    } else if begins(&["llama-server"]) {
        "llama-cpp"
    } else if command.starts_with("trtllm-serve")
        || begins(&["mpirun"]) && command.lines().next().is_some_and(|line| line.contains("trtllm"))
    {
        "trtllm"
    } else {
        "vllm"
    }
}

fn begins_with_words(command: &str, words: &[&str]) -> bool {
    let mut rest = command;
    for (index, word) in words.iter().enumerate() {
        let trimmed = rest.trim_start();
        if index > 0 && trimmed.len() == rest.len() {
            return false;
        }
        let Some(after) = trimmed.strip_prefix(word) else { return false };
        rest = after;
    }
    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
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
