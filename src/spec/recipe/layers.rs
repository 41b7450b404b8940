//! `overrides`: layers of defaults, environment and image that count only
//! `when` a launch has a certain shape, runtime, configuration or hardware.
//!
//! A file alone does not say where it will run: layers are applied when the
//! user says so (`--when nodes=2`), and told otherwise.

mod test;

use std::collections::BTreeMap;

use super::draft::Draft;
use super::values::Values;
use crate::spec::node::Node;
use crate::spec::node::python::{Dict, Python};

/// What the user says of the place where it runs: `nodes`, `arch`, `platform` …; a
/// capability may be said several times.
pub type Place = BTreeMap<String, Vec<String>>;

/// What a layer may not set: it names the workload, or is what `when` reads.
const FORBIDDEN: [&str; 7] = [
    "port",
    "served_model_name",
    "tensor_parallel",
    "pipeline_parallel",
    "data_parallel",
    "expert_parallel",
    "context_parallel",
];

/// A layer, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its condition, as Python writes it.
    pub when: String,
    /// Whether it was applied; `None` where nothing was said of the place.
    pub applied: Option<bool>,
    /// Why not.
    pub reason: String,
    /// The image that it sets; none where it is refused.
    pub container: Option<String>,
}

/// Selectors of hardware, which only the user knows.
const HARDWARE: [&str; 6] =
    ["platform", "vendor", "accelerator", "arch", "capability", "memory_gb"];

/// Whether a word may stand in a [`Place`].
pub fn is_selector(word: &str) -> bool {
    word == "nodes" || word == "gpus_per_node" || HARDWARE.contains(&word)
}

/// All that may stand in a [`Place`], for messages.
pub fn selectors() -> String {
    format!("nodes, gpus_per_node, {}", HARDWARE.join(", "))
}

/// Judges a recipe's layers and applies those that match, in their order.
pub fn applied(
    root: &Node,
    draft: &mut Draft,
    ground: &Ground<'_>,
    warnings: &mut Vec<String>,
) -> Vec<Layer> {
    let Some(node) = root.get("overrides").filter(|node| !node.is_null()) else {
        return Vec::new();
    };
    let Some(items) = node.items() else {
        warnings.push(format!("line {}: `overrides` is no list; it is not applied", node.line));
        return Vec::new();
    };
    let (mut layers, mut env) = (Vec::new(), Vec::new());
    let facts = ground.place.map(|place| Facts { place, ground, draft: draft.clone(), root });
    for (index, item) in items.iter().enumerate() {
        let layer = Python::of(item);
        let when = layer.get("when").cloned().unwrap_or(Python::None);
        if let Some(flaw) = flaw(&layer) {
            let line = item.line;
            warnings.push(format!("line {line}: sparkrun refuses overrides[{index}]: {flaw}"));
            let when = when.repr();
            layers.push(Layer { when, applied: Some(false), reason: flaw, container: None });
            continue;
        }
        let verdict = facts.as_ref().map(|facts| facts.judge(&when));
        if verdict == Some(Ok(())) {
            apply(&layer, draft, &mut env);
        }
        let applied = verdict.as_ref().map(Result::is_ok);
        let reason = verdict.and_then(Result::err).unwrap_or_default();
        let container = image(&layer);
        layers.push(Layer { when: when.repr(), applied, reason, container });
    }
    draft.layered = Dict::of(std::mem::take(&mut draft.layered)).into_pairs();
    put(&mut draft.env, &env);
    let open = layers.iter().filter(|layer| layer.applied.is_none()).count();
    if open > 0 {
        warnings.push(format!(
            "{open} conditional layer(s) in `overrides` are not applied: nothing is said of where it runs (--when)"
        ));
    }
    layers
}

/// What sparkrun refuses a layer for.
fn flaw(layer: &Python) -> Option<String> {
    let Python::Map(pairs) = layer else { return Some("it is no mapping".to_owned()) };
    let has = |key: &str| layer.get(key).is_some_and(Python::is_true);
    if !matches!(layer.get("when"), Some(Python::Map(when)) if !when.is_empty()) {
        return Some("it has no condition `when`".to_owned());
    }
    if let Some(config) = layer.get("when").and_then(|when| when.get("config"))
        && !matches!(config, Python::Map(keys) if !keys.is_empty())
    {
        return Some("`when.config` is no mapping".to_owned());
    }
    let known = ["when", "defaults", "env", "container"];
    if let Some((key, _)) =
        pairs.iter().find(|(key, _)| !key.text().is_some_and(|key| known.contains(&key)))
    {
        return Some(format!("it may not set `{}`", key.str()));
    }
    if pairs.len() < 2 {
        return Some("it sets nothing".to_owned());
    }
    for key in ["defaults", "env"] {
        if has(key) && !matches!(layer.get(key), Some(Python::Map(_))) {
            return Some(format!("its `{key}` is no mapping"));
        }
    }
    let defaults = layer.get("defaults").filter(|defaults| defaults.is_true());
    FORBIDDEN
        .iter()
        .find(|key| defaults.is_some_and(|defaults| defaults.get(key).is_some()))
        .map(|key| format!("it may not set `{key}`"))
}

/// What a layer sets, behind what those before it set; which of several counts is made out
/// once, when all are there.
fn apply(layer: &Python, draft: &mut Draft, more: &mut Vec<(String, String)>) {
    if let Some(Python::Map(defaults)) = layer.get("defaults") {
        draft.layered.extend(defaults.iter().cloned());
    }
    if let Some(Python::Map(env)) = layer.get("env") {
        more.extend(env.iter().map(|(key, value)| (key.str(), value.str())));
    }
    if let Some(image) = image(layer) {
        draft.container = Some(image);
    }
}

/// The image that a layer sets.
fn image(layer: &Python) -> Option<String> {
    let image = layer.get("container").filter(|image| image.is_true())?;
    Some(image.str().trim().to_owned())
}

/// Sets variables, each at its own place where it is there already.
pub fn put(env: &mut Vec<(String, String)>, more: &[(String, String)]) {
    let places = env.iter().enumerate().rev().map(|(at, (key, _))| (key.clone(), at));
    let mut places: BTreeMap<String, usize> = places.collect();
    for (key, value) in more {
        if let Some(at) = places.get(key) {
            env[*at].1.clone_from(value);
        } else {
            places.insert(key.clone(), env.len());
            env.push((key.clone(), value.clone()));
        }
    }
}

/// What conditions read besides the recipe.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// Its values before any layer, under what the user set.
    pub values: &'a Values,
    /// What the user set.
    pub set: &'a [(String, Python)],
    /// Where it runs, where that is said.
    pub place: Option<&'a Place>,
}

/// All that a condition may read.
struct Facts<'a> {
    place: &'a Place,
    ground: &'a Ground<'a>,
    draft: Draft,
    root: &'a Node,
}

impl Facts<'_> {
    /// Whether every part of a condition holds; what is not known never does.
    fn judge(&self, when: &Python) -> Result<(), String> {
        let Python::Map(parts) = when else { return Ok(()) };
        for (selector, wanted) in parts {
            let selector = selector.str();
            if selector == "config" {
                let Python::Map(keys) = wanted else { continue };
                for (key, wanted) in keys {
                    let key = key.str();
                    let actual = self.ground.values.get(&key).cloned().into_iter().collect();
                    test::holds("config", wanted, &test::Actual::Setting(actual))
                        .map_err(|why| format!("config.{key} {why}"))?;
                }
                continue;
            }
            let actual =
                self.actual(&selector).ok_or_else(|| format!("`{selector}` is not known"))?;
            test::holds(&selector, wanted, &actual).map_err(|why| format!("{selector} {why}"))?;
        }
        Ok(())
    }

    fn actual(&self, selector: &str) -> Option<test::Actual> {
        let said = self.place.get(selector);
        let one = |value: Python| test::Actual::One(Some(value));
        let text = |text: &str| one(Python::Text(text.to_owned()));
        Some(match selector {
            "tp" | "pp" | "dp" | "ep" | "cp" => one(Python::Int(self.parallel(selector))),
            "gpus_per_node" => one(Python::Int(self.gpus_per_node())),
            "nodes" => one(Python::Int(self.nodes())),
            "runtime_family" if self.runtime().contains("vllm") => text("vllm"),
            "runtime" | "runtime_family" => text(&self.runtime()),
            "capability" => test::Actual::Many(said.cloned().unwrap_or_default()),
            _ if HARDWARE.contains(&selector) => {
                let said = said.and_then(|said| said.last().cloned());
                test::Actual::One(said.map(Python::Text))
            }
            _ => return None,
        })
    }

    fn parallel(&self, short: &str) -> i128 {
        let key = match short {
            "tp" => "tensor_parallel",
            "pp" => "pipeline_parallel",
            "dp" => "data_parallel",
            "ep" => "expert_parallel",
            _ => "context_parallel",
        };
        self.ground.values.get(key).and_then(Python::whole).unwrap_or(1)
    }

    fn number_said(&self, selector: &str) -> Option<i128> {
        self.place.get(selector)?.last()?.trim().parse().ok()
    }

    fn gpus_per_node(&self) -> i128 {
        self.number_said("gpus_per_node").unwrap_or(1).max(1)
    }

    /// As many as the ranks need, unless it is said, or the recipe is for one.
    fn nodes(&self) -> i128 {
        let ranks = ["tp", "pp", "dp"]
            .iter()
            .fold(1_i128, |ranks, key| ranks.saturating_mul(self.parallel(key)));
        let needed = ranks.saturating_add(self.gpus_per_node() - 1) / self.gpus_per_node();
        let is_solo = self.number("max_nodes") == Some(1)
            && self.number("min_nodes").unwrap_or(1) <= 1
            || self.root.get("solo_only").is_some_and(|node| Python::of(node).is_true())
            || self.root.get("mode").and_then(Node::said) == Some("solo");
        self.number_said("nodes").unwrap_or(if is_solo { 1 } else { needed.max(1) })
    }

    fn number(&self, key: &str) -> Option<i128> {
        Python::of(self.root.get(key)?).whole()
    }

    /// sparkrun's own name for vLLM's variants.
    fn runtime(&self) -> String {
        if self.draft.runtime != "vllm" {
            return self.draft.runtime.clone();
        }
        let key = "distributed_executor_backend";
        let is_ray = |value: &Python| value.str().eq_ignore_ascii_case("ray");
        let set = self.ground.set.iter().find(|(known, _)| known == key);
        let is_ray = match set {
            Some((_, value)) => is_ray(value),
            None => self.ground.values.get(key).is_some_and(is_ray) || self.names_ray(),
        };
        if is_ray { "vllm-ray" } else { "vllm-distributed" }.to_owned()
    }

    fn names_ray(&self) -> bool {
        let Some(command) = self.draft.command.as_deref() else { return false };
        let flag = "--distributed-executor-backend";
        command.match_indices(flag).any(|(at, _)| {
            let after = &command[at + flag.len()..];
            let value = after.trim_start();
            let end = value.strip_prefix("ray").filter(|_| value.len() < after.len());
            end.is_some_and(|end| !end.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    }
}
