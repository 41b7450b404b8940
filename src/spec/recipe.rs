//! A recipe: what is served, pinned: model, runtime, container, flags and hardware.

mod attach;
pub(crate) mod diff;
pub(crate) mod docker;
mod draft;
mod include;
pub(crate) mod layers;
pub(crate) mod pin;
pub(crate) mod pins;
mod read;
pub(crate) mod render;
mod values;
pub(crate) mod vary;

pub(crate) use attach::{attach, unread};
pub(crate) use include::ReadInclude;
pub(crate) use layers::{Deployment, Layer};
pub(crate) use read::{read, read_as};
pub(crate) use render::How;

use std::collections::BTreeMap;

use super::SpecFile;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recipe {
    /// The file it was read from; of an attached server, made from what the server said.
    pub source: SpecFile,
    pub about: String,
    pub model: Option<String>,
    /// The names under which it is served, in the recipe's order; the first is the API's.
    pub served: Vec<String>,
    /// The runtime: `vllm`, `sglang`, `llama-cpp` …
    pub runtime: String,
    pub runtime_version: Option<String>,
    pub container: Option<String>,
    /// Environment, in the recipe's order, values as text.
    pub env: Vec<(String, String)>,
    pub command: Option<String>,
    /// Settings by their snake_case name, from `defaults` and from the command's flags.
    pub settings: BTreeMap<String, String>,
    pub profile: Option<String>,
    /// Duplicate keys, placeholders without a value.
    pub warnings: Vec<String>,
    /// Keys that longhaul does not know; kept, told, never an error.
    pub unknown: Vec<String>,
}

/// What flags change of a recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReadOptions {
    /// `--set key=value`, in the order given: over the recipe's defaults.
    pub set: Vec<(String, String)>,
    /// `--when`: decides its conditional layers.
    pub deployment: Option<Deployment>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReadRecipe {
    pub recipe: Recipe,
    pub how: How,
    pub layers: Vec<Layer>,
    /// Commands that it wants to have run: shown, never run.
    pub hooks: Vec<(String, String)>,
    /// All its other keys, those that nobody knows among them.
    pub others: Vec<(String, String)>,
    /// The files that it includes, the nearest first.
    pub included: Vec<String>,
}

impl Recipe {
    /// Whether prefixes are cached, as far as the recipe decides it.
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
