//! Defines what a recipe declares of a server: the flags of its rendered command and its
//! environment variables. A run keeps it beside the recipe's text, so that its report can hold it
//! against what the server did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::render::engine_of;
use super::{Recipe, diff};
use crate::engine::Engine;

/// Settings of an address, which say nothing of how a server serves.
const ADDRESS: [&str; 3] = ["host", "port", "api_key"];

/// Settings that a recipe declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DeclaredSettings {
    /// Engine whose flags they are.
    pub engine: Engine,
    /// Settings by their common names.
    pub settings: BTreeMap<String, String>,
    /// Names of environment variables; their values may be secret.
    pub env: Vec<String>,
    /// Whether the run asks for chats, whose answers may hold reasoning apart from their content.
    pub chat: bool,
}

impl DeclaredSettings {
    /// Returns what a recipe declares; nothing for a runtime whose flags are not known.
    pub(crate) fn of(recipe: &Recipe, chat: bool) -> DeclaredSettings {
        let engine = engine_of(&recipe.runtime);
        if engine == Engine::Unknown {
            return DeclaredSettings::default();
        }
        let mut settings = diff::flags_of(recipe);
        settings.retain(|name, _| !ADDRESS.contains(&name.as_str()));
        if let Some(model) = &recipe.model {
            settings.entry("model".to_owned()).or_insert_with(|| model.clone());
        }
        let env = recipe.env.iter().map(|(name, _)| name.clone()).collect();
        DeclaredSettings { engine, settings, env, chat }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.env.is_empty()
    }
}
