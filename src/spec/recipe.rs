//! Defines the recipe: model, runtime, container, flags and hardware of a server.

mod compose;
mod declared;
pub(crate) mod diff;
pub(crate) mod docker;
mod draft;
mod from_server;
mod include;
pub(crate) mod layers;
pub(crate) mod pin;
pub(crate) mod pins;
mod read;
pub(crate) mod render;
mod values;
pub(crate) mod vary;

pub(crate) use declared::DeclaredSettings;
pub(crate) use from_server::{attach, unread};
pub(crate) use include::ReadInclude;
pub(crate) use layers::{Deployment, Layer};
pub(crate) use read::{read, read_as};
pub(crate) use render::{Dialect, RenderMethod};

use std::collections::BTreeMap;

use super::SpecFile;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recipe {
    /// Source file; for an attached server, generated from its own responses.
    pub source: SpecFile,
    pub about: String,
    pub model: Option<String>,
    /// Served model names, in the recipe's order; the first is used in requests.
    pub served: Vec<String>,
    /// Runtime: `vllm`, `sglang`, `llama-cpp` …
    pub runtime: String,
    pub runtime_version: Option<String>,
    pub container: Option<String>,
    /// Environment variables as text, in the recipe's order.
    pub env: Vec<(String, String)>,
    pub command: Option<String>,
    /// Settings by their snake_case name, from `defaults` and from the command's flags.
    pub settings: BTreeMap<String, String>,
    pub profile: Option<String>,
    /// Warnings: duplicate keys, placeholders without a value.
    pub warnings: Vec<String>,
    /// Unknown keys: kept and reported, never an error.
    pub unknown: Vec<String>,
}

/// Changes of a recipe by flags of the command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReadOptions {
    /// Pairs of `--set key=value`, in their order, which override the recipe's defaults.
    pub set: Vec<(String, String)>,
    /// Values of `--when`, which select conditional layers.
    pub deployment: Option<Deployment>,
    /// Tool whose rules render the command.
    pub dialect: Dialect,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReadRecipe {
    pub recipe: Recipe,
    pub how: RenderMethod,
    pub layers: Vec<Layer>,
    /// Hook commands of the recipe: shown, never run.
    pub hooks: Vec<(String, String)>,
    /// All other keys, unknown ones included.
    pub others: Vec<(String, String)>,
    /// Included files, the nearest first.
    pub included: Vec<String>,
}

/// Returns the id and the commit of a model by its folder in a hub's cache.
pub(crate) fn cached(path: &str) -> Option<(String, &str)> {
    let (_, rest) = path.split_once("models--")?;
    let (id, rest) = rest.split_once("/snapshots/")?;
    let commit = rest.split('/').next()?;
    let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
    is_commit.then(|| (id.replacen("--", "/", 1), commit))
}

impl Recipe {
    /// Whether prefix caching is on; `None` where the recipe does not decide it.
    pub(crate) fn prefix_caching(&self) -> Option<bool> {
        if self.switch("no_enable_prefix_caching") == Some(true) {
            return Some(false);
        }
        let is_mamba = self.settings.keys().any(|name| name.starts_with("mamba_"));
        let is_hybrid = is_mamba && self.runtime.contains("vllm");
        self.switch("enable_prefix_caching").or(is_hybrid.then_some(false))
    }

    pub(crate) fn whole(&self, name: &str) -> Option<u64> {
        self.settings.get(name)?.parse().ok()
    }

    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        match self.settings.get(name)?.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Some(true),
            "false" | "0" | "off" | "no" => Some(false),
            _ => None,
        }
    }
}
