//! A recipe: what is served, pinned: model, runtime, container, flags and hardware.

mod attach;
pub mod builds;
pub mod diff;
pub mod docker;
mod draft;
mod include;
pub mod layers;
pub mod pin;
pub mod pins;
mod read;
pub mod render;
pub mod submission;
mod values;
pub mod vary;

pub use attach::{attach, unread};
pub use include::Beside;
pub use layers::{Layer, Place};
pub use read::{read, read_as};
pub use render::How;

use std::collections::BTreeMap;

use super::Source;

/// What is served.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The file it was read from; for an attached server without one, made from what the server said.
    pub source: Source,
    pub about: String,
    /// The model's name at its hub.
    pub model: Option<String>,
    /// The names under which it is served, in the recipe's order; the first is the API's.
    pub served: Vec<String>,
    /// The runtime: `vllm`, `sglang`, `llama-cpp` …
    pub runtime: String,
    /// The version of the runtime, where the recipe says.
    pub runtime_version: Option<String>,
    /// The container image, as written.
    pub container: Option<String>,
    /// Environment, in the recipe's order, values as text.
    pub env: Vec<(String, String)>,
    /// The rendered command, where there is one.
    pub command: Option<String>,
    /// Settings by their snake_case name, from `defaults` and from the command's flags:
    /// `max_num_seqs` → `4`, `enable_prefix_caching` → `false`.
    pub settings: BTreeMap<String, String>,
    /// The machine profile that the recipe names, if any.
    pub profile: Option<String>,
    /// What the reader wants to tell: duplicate keys, placeholders without a value.
    pub warnings: Vec<String>,
    /// Keys that longhaul does not know; kept, told, never an error.
    pub unknown: Vec<String>,
}

/// What the user wishes of a recipe: what flags change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// `--set key=value`, in the order given: over the recipe's defaults.
    pub set: Vec<(String, String)>,
    /// Where it will run, as far as it is said: decides its conditional layers.
    pub place: Option<Place>,
}

/// A recipe, and what only those ask for who look at it closely.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub recipe: Recipe,
    /// How its command came about.
    pub how: How,
    /// Its conditional layers.
    pub layers: Vec<Layer>,
    /// What it wants to have run: shown, never run.
    pub hooks: Vec<(String, String)>,
    /// All its other keys, those that nobody knows among them.
    pub others: Vec<(String, String)>,
    /// The files that it includes, the nearest first.
    pub included: Vec<String>,
}

impl Reading {
    /// A recipe without any of what a sparkrun file has besides it.
    fn bare(recipe: Recipe, how: How) -> Reading {
        Reading {
            recipe,
            how,
            layers: Vec::new(),
            hooks: Vec::new(),
            others: Vec::new(),
            included: Vec::new(),
        }
    }
}

impl Recipe {
    /// A recipe of which nothing but its file is known.
    fn bare(source: Source) -> Recipe {
        Recipe {
            source,
            about: String::new(),
            model: None,
            served: Vec::new(),
            runtime: "unknown".to_owned(),
            runtime_version: None,
            container: None,
            env: Vec::new(),
            command: None,
            settings: BTreeMap::new(),
            profile: None,
            warnings: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Whether prefixes are cached, as far as the recipe decides it: vLLM turns it on by
    /// itself, but not for models with Mamba layers. Those are known by the settings that
    /// only they have.
    pub fn prefix_caching(&self) -> Option<bool> {
        let hybrid = || {
            let is_mamba = self.settings.keys().any(|name| name.starts_with("mamba_"));
            (is_mamba && self.runtime.contains("vllm")).then_some(false)
        };
        match self.switch("no_enable_prefix_caching") {
            Some(true) => Some(false),
            _ => self.switch("enable_prefix_caching").or_else(hybrid),
        }
    }

    /// A setting as a whole number, where it is one.
    pub fn whole(&self, name: &str) -> Option<u64> {
        self.settings.get(name)?.parse().ok()
    }

    /// A setting as a switch, where it is there.
    pub fn switch(&self, name: &str) -> Option<bool> {
        match self.settings.get(name)?.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Some(true),
            "false" | "0" | "off" | "no" => Some(false),
            _ => None,
        }
    }
}
