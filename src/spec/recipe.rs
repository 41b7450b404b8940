//! A recipe: what is served, pinned: model, runtime, container, flags and hardware.

mod attach;
mod read;
pub mod render;

pub use attach::attach;
pub use read::read;

use std::collections::BTreeMap;

use super::Source;

/// What is served.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The file it was read from; for an attached server without one, made from what the server said.
    pub source: Source,
    /// One sentence.
    pub about: String,
    /// The model's name at its hub.
    pub model: Option<String>,
    /// The names under which it is served, in the recipe's order; the first is the API's.
    pub served: Vec<String>,
    /// The runtime: `vllm`, `sglang`, `llama-cpp` …
    pub runtime: String,
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
    /// What the reader wants to tell: duplicate keys, YAML 1.1 scalars.
    pub warnings: Vec<String>,
    /// Keys that longhaul does not know; kept, told, never an error.
    pub unknown: Vec<String>,
}

impl Recipe {
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
