//! Compares what was declared with what was observed: the server's own
//! statements with the recipe before the load, and with its earlier statements
//! when it comes back. The container's identity is in `container`.

mod container;

pub(crate) use container::{container_changed, of_container};

use std::collections::{BTreeMap, BTreeSet};

use super::arrive::{ArrivedServer, Model};
use crate::engine::{self, vllm};
use crate::escape::one_line;
use crate::fact::Statement;
use crate::plan::Plan;
use crate::plan::misfit::misfits;
use crate::protocol::prometheus;
use crate::spec::Recipe;

/// Model name that requests carry.
const MODEL: &str = "model";
/// Runtime of a recipe that was made from an attached server's own statements.
const UNKNOWN: &str = "unknown";
/// Path or name of the weights.
const ROOT: &str = "model_root";
/// Largest sum of prompt and output, tokens.
const LENGTH: &str = "max_model_len";
const VERSION: &str = "version";
/// System fingerprint in completions.
const SYSTEM: &str = "system_fingerprint";
const CACHING: &str = "enable_prefix_caching";

/// Longest statement of a server that is kept, characters.
const WORDS_CHARS_MAX: usize = 160;

/// Statements of a server about itself, by subject; settings under their common names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity(BTreeMap<&'static str, String>);

impl Identity {
    /// Returns the identity from the list of models, the model in use, the version and the metrics
    /// page.
    pub(crate) fn of(
        models: &[Model],
        asked: &str,
        version: Option<&str>,
        metrics: Option<&str>,
    ) -> Identity {
        let mut identity = Identity::default();
        if let Some(model) = models.iter().find(|model| model.id == asked) {
            identity.say(MODEL, &model.id);
            identity.say(ROOT, model.root.as_deref().unwrap_or_default());
            identity.say(LENGTH, &model.max_model_len.map_or(String::new(), |n| n.to_string()));
        } else {
            let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
            identity.say(MODEL, &ids.join(", "));
        }
        identity.say(VERSION, version.unwrap_or_default());
        identity.cache(metrics.unwrap_or_default());
        identity
    }

    /// Returns the identity from everything that was read before the load.
    pub(crate) fn of_server(server: &ArrivedServer) -> Identity {
        let (version, metrics) = (server.version.as_deref(), server.metrics.as_deref());
        let mut identity = Identity::of(&server.models, &server.model.id, version, metrics);
        if !server.models.iter().any(|model| model.id == server.model.id) {
            // The list does not tell what an alias is.
            identity.0.remove(MODEL);
        }
        identity.answered(server.system.as_deref().unwrap_or_default());
        identity
    }

    /// Records the system fingerprint of a completion. Returns whether it is new.
    pub(crate) fn answered(&mut self, system: &str) -> bool {
        let before = self.0.get(SYSTEM).cloned();
        self.say(SYSTEM, system);
        self.0.get(SYSTEM) != before.as_ref()
    }

    /// The identity with the fields that only answers hold (the system fingerprint), taken from
    /// an earlier one: a restart does not ask for them again.
    #[must_use]
    pub(crate) fn with_answered(mut self, before: &Identity) -> Identity {
        if let Some(system) = before.0.get(SYSTEM) {
            self.0.entry(SYSTEM).or_insert_with(|| system.clone());
        }
        self
    }

    /// The identity without the model's name.
    #[must_use]
    pub(crate) fn without_model(mut self) -> Identity {
        self.0.remove(MODEL);
        self
    }

    /// Whether both are of the same model, by its name.
    pub(crate) fn is_of_model(&self, other: &Identity) -> bool {
        self.0.get(MODEL) == other.0.get(MODEL)
    }

    /// Records later statements. Subjects that they do not name keep their values.
    pub(crate) fn update(&mut self, later: Identity) {
        self.0.extend(later.0);
    }

    /// Whether the server caches prefixes, where it reports that.
    pub(crate) fn prefix_caching(&self) -> Option<bool> {
        match self.0.get(CACHING)?.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    fn say(&mut self, subject: &'static str, words: &str) {
        if !words.is_empty() {
            self.0.insert(subject, one_line(words, WORDS_CHARS_MAX));
        }
    }

    /// Reads the cache settings from the metrics page. Values of several engines behind one page
    /// are listed side by side.
    fn cache(&mut self, page: &str) {
        let mut said: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        let is_config = |name: &str| engine::metric_name(name) == vllm::CACHE_CONFIG;
        for series in prometheus::series(page).filter(|it| is_config(it.name)) {
            let labels = prometheus::labels(series.labels);
            for (label, setting) in vllm::CACHE_LABELS {
                let value =
                    labels.get(label).filter(|value| !matches!(value.as_str(), "" | "None"));
                said.entry(setting).or_default().extend(value.cloned());
            }
        }
        for (setting, values) in said {
            self.say(setting, &values.into_iter().collect::<Vec<_>>().join(" "));
        }
    }
}

/// Returns everything that the server reported before the load, with differences from recipe and
/// plan marked.
pub(crate) fn compare(recipe: &Recipe, plan: &Plan, server: &ArrivedServer) -> Vec<Statement> {
    let identity = Identity::of_server(server);
    let mut seen: Vec<Statement> =
        identity.0.iter().map(|(subject, words)| held(recipe, subject, words)).collect();
    seen.push(Statement::plain("abilities", abilities(server)));
    let caching = identity.prefix_caching();
    seen.extend(misfits(plan, recipe, caching));
    seen.extend(plan.notes.iter().map(|it| Statement::note("plan", it.clone())));
    seen.extend(server.notes.iter().cloned());
    if recipe.runtime == UNKNOWN && recipe.model.is_none() {
        // The recipe file was not read; its warnings say why.
        seen.extend(recipe.warnings.iter().map(|it| Statement::note("recipe", it.clone())));
    }
    seen
}

/// Returns the statements that differ from those before an outage or a restart.
pub(crate) fn changed(recipe: &Recipe, before: &Identity, now: &Identity) -> Vec<Statement> {
    let changed = now.0.iter().filter_map(|(subject, words)| {
        let was = before.0.get(subject).filter(|was| *was != words)?;
        let seen = held(recipe, subject, words);
        let declared = seen.declared.as_ref().filter(|_| seen.differs);
        let against = match declared {
            Some(declared) if recipe.runtime != UNKNOWN => format!("; the recipe says {declared}"),
            Some(asked) if *subject == MODEL => format!("; {asked} is asked for"),
            _ => String::new(),
        };
        let note = format!("changed during the run: {was} before, {words} now{against}");
        Some(Statement { differs: true, note, ..seen })
    });
    changed.collect()
}

/// Compares one statement of the server with the recipe.
fn held(recipe: &Recipe, subject: &str, words: &str) -> Statement {
    let declared = declared(recipe, subject).filter(|_| is_comparable(subject, words));
    let differs = declared.as_ref().is_some_and(|declared| match subject {
        MODEL => !recipe.served.iter().any(|name| name == words),
        ROOT => !is_root(recipe, declared, words),
        VERSION => !is_version(declared, words),
        _ => !is_value(declared, words),
    });
    Statement { declared, differs, ..Statement::plain(subject, words.to_owned()) }
}

/// Whether a statement can be compared with a recipe. The version of a simulated server cannot.
fn is_comparable(subject: &str, words: &str) -> bool {
    subject != VERSION || !words.ends_with(vllm::SIMULATED)
}

fn declared(recipe: &Recipe, subject: &str) -> Option<String> {
    let setting = |name: &str| recipe.settings.get(name).cloned();
    match subject {
        MODEL => Some(recipe.served.join(" ")).filter(|names| !names.is_empty()),
        // Without a recipe, the served name is known but not the source of the weights.
        ROOT => recipe.model.clone().filter(|_| recipe.runtime != UNKNOWN),
        VERSION => recipe.runtime_version.clone(),
        LENGTH => recipe.whole(LENGTH).map(|length| length.to_string()),
        "num_gpu_blocks" => setting("num_gpu_blocks_override"),
        _ => setting(subject),
    }
}

/// Whether a model root is the declared model: the same last path component, its folder in a
/// Hugging Face cache, or a served name, which some servers report as the root and which says
/// nothing.
fn is_root(recipe: &Recipe, model: &str, root: &str) -> bool {
    let last = |path: &str| {
        path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
    };
    let cached = format!("models--{}", model.replace('/', "--")).to_ascii_lowercase();
    last(model) == last(root)
        || root.to_ascii_lowercase().split('/').any(|part| part == cached)
        || recipe.served.iter().any(|name| name == root)
}

/// Whether a version is the declared one: `0.20.1` matches `0.20.1+cu130`, but not `0.20.10`.
fn is_version(declared: &str, seen: &str) -> bool {
    let (declared, seen) = (declared.trim_start_matches('v'), seen.trim_start_matches('v'));
    seen.strip_prefix(declared)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Whether a setting has the declared value; `auto` matches any.
fn is_value(declared: &str, seen: &str) -> bool {
    let plain = |text: &str| match text.to_ascii_lowercase().as_str() {
        // vLLM treats `fp8` as `fp8_e4m3`.
        "fp8" => "fp8_e4m3".to_owned(),
        other => other.to_owned(),
    };
    let (declared, seen) = (plain(declared), plain(seen));
    let numbers = || Some((declared.parse::<f64>().ok()?, seen.parse::<f64>().ok()?));
    declared == "auto"
        || declared == seen
        || numbers().is_some_and(|(declared, seen)| (declared - seen).abs() < 1e-9)
}

/// Returns the names of the available abilities, separated by spaces.
fn abilities(server: &ArrivedServer) -> String {
    let page = serde_json::to_value(server.abilities).unwrap_or_default();
    let names: Vec<&str> = page
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, able)| able.as_bool() == Some(true))
        .map(|(name, _)| name.as_str())
        .collect();
    names.join(" ")
}

#[cfg(test)]
mod tests;
