//! Applies `overrides`: layers that apply only `when` a launch has certain properties.

use std::collections::BTreeMap;

use super::draft::{Draft, is_end_of_word, map};
use super::render::runtime_name;
use super::values::Values;
use crate::error::Mistake;
use crate::spec::field::Field;
use crate::spec::node::Node;
use crate::spec::node::python::{Python, is_blank, number, put};

/// Properties of the deployment, from `--when`.
pub(crate) type Deployment = BTreeMap<String, Vec<String>>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layer {
    /// Condition of the layer, as Python's `repr()`.
    pub when: String,
    /// Whether it was applied; `None` without a deployment to judge it by.
    pub applied: Option<bool>,
    pub container: Option<String>,
}

pub(crate) const SELECTORS: &str =
    "nodes, gpus_per_node, platform, vendor, accelerator, arch, capability, memory_gb";

/// Evaluates a recipe's layers and applies those that match, in their order.
pub(crate) fn applied(
    root: &Field<'_>,
    draft: &mut Draft,
    values: &Values,
    place: Option<&Deployment>,
) -> Result<Vec<Layer>, Mistake> {
    let is_empty = |node: &&Node| node.is_null() || node.items().is_some_and(<[_]>::is_empty);
    let Some(node) = root.node.get("overrides").filter(|node| !is_empty(node)) else {
        return Ok(Vec::new());
    };
    let known = place.map(|place| known(root.node, draft, values, place));
    let mut layers = Vec::new();
    for layer in root.below("overrides", node).list()? {
        layer.map(&["when", "defaults", "env", "container"])?;
        let (when, defaults) = (map(&layer, "when")?, map(&layer, "defaults")?);
        let env = map(&layer, "env")?;
        if when.is_empty() {
            return Err(layer.mistake("a layer has no condition").hint("when: {nodes: 2}"));
        }
        let container = layer.node.get("container").and_then(Node::said);
        let container = container.map(|image| image.trim().to_owned());
        let holds = |known: &ConditionValues| {
            when.iter().all(|(selector, wanted)| match wanted {
                Python::Map(keys) if selector == "config" => keys.iter().all(|(key, wanted)| {
                    let actual: Vec<Python> = values.get(key).cloned().into_iter().collect();
                    passes(wanted, &actual, true)
                }),
                _ => known.get(selector).is_some_and(|actual| passes(wanted, actual, false)),
            })
        };
        let applied = known.as_ref().map(holds);
        if applied == Some(true) {
            for (key, value) in defaults {
                put(&mut draft.layered, key, value);
            }
            for (key, value) in env {
                put(&mut draft.env, key, value.str());
            }
            draft.container = container.clone().or(draft.container.take());
        }
        layers.push(Layer { when: Python::Map(when).repr(), applied, container });
    }
    Ok(layers)
}

/// Values for conditions, by selector; an unknown one never matches.
type ConditionValues = BTreeMap<String, Vec<Python>>;

fn known(root: &Node, draft: &Draft, values: &Values, place: &Deployment) -> ConditionValues {
    let whole = |key: &str| Python::of(root.get(key)?).whole();
    let said = |key: &str| place.get(key)?.last()?.trim().parse::<i128>().ok();
    let mut ranks = 1_i128;
    let mut known = ConditionValues::new();
    for kind in ["tensor", "pipeline", "data", "expert", "context"] {
        let size = values.get(&format!("{kind}_parallel")).and_then(Python::whole).unwrap_or(1);
        ranks = ranks.saturating_mul(if matches!(kind, "expert" | "context") { 1 } else { size });
        known.insert(format!("{}p", &kind[..1]), vec![Python::Int(size)]);
    }
    let backend = values.text("distributed_executor_backend").unwrap_or_default();
    let command = draft.command.as_deref().unwrap_or_default();
    let is_ray = |value: &str| {
        let word = value.trim_start().strip_prefix("ray").filter(|_| value.starts_with(is_blank));
        word.is_some_and(is_end_of_word)
    };
    let is_ray = backend.eq_ignore_ascii_case("ray")
        || command.split("--distributed-executor-backend").skip(1).any(is_ray);
    let runtime = runtime_name(&draft.runtime, is_ray);
    let family = if runtime.contains("vllm") { "vllm" } else { runtime };
    for (selector, word) in [("runtime", runtime), ("runtime_family", family)] {
        known.insert(selector.to_owned(), vec![Python::Text(word.to_owned())]);
    }
    for (selector, said) in place {
        known.insert(selector.clone(), said.iter().cloned().map(Python::Text).collect());
    }
    // Nodes: as many as the ranks need, unless the user says it or the recipe is for one.
    let gpus = said("gpus_per_node").unwrap_or(1).max(1);
    let is_solo = whole("max_nodes") == Some(1) && whole("min_nodes").unwrap_or(1) <= 1
        || root.get("solo_only").is_some_and(|node| Python::of(node).is_true())
        || root.get("mode").and_then(Node::said) == Some("solo");
    let needed = if is_solo { 1 } else { (ranks.saturating_add(gpus - 1) / gpus).max(1) };
    known.insert("gpus_per_node".to_owned(), vec![Python::Int(gpus)]);
    known.insert("nodes".to_owned(), vec![Python::Int(said("nodes").unwrap_or(needed))]);
    known
}

/// Whether a condition's test holds: `8`, `[a, b]`, `{gte: 2}`.
fn passes(wanted: &Python, actual: &[Python], is_setting: bool) -> bool {
    let tests = match wanted {
        Python::Map(operators) => operators.clone(),
        Python::List(_) => vec![("in".to_owned(), wanted.clone())],
        _ => vec![("eq".to_owned(), wanted.clone())],
    };
    tests.into_iter().all(|(operator, operand)| {
        let operands = match &operand {
            Python::List(items) if operator != "eq" && operator != "ne" => items.clone(),
            _ => vec![operand],
        };
        let is_in = actual.iter().any(|it| operands.iter().any(|other| norm(it) == norm(other)));
        let worth = |values: &[Python]| number(&norm(values.first()?));
        let bounds = worth(actual).zip(worth(&operands));
        match (operator.as_str(), bounds) {
            ("eq" | "in", _) => is_in,
            ("ne" | "not_in", _) => (is_setting || !actual.is_empty()) && !is_in,
            ("gt", Some((value, bound))) => value > bound,
            ("gte", Some((value, bound))) => value >= bound,
            ("lt", Some((value, bound))) => value < bound,
            ("lte", Some((value, bound))) => value <= bound,
            _ => false,
        }
    })
}

/// Normalises a value for comparison: numbers by value, texts in lower case.
fn norm(value: &Python) -> String {
    let text = value.str();
    match value {
        Python::None | Python::Bool(_) => text,
        _ => number(&text).map_or_else(|| text.trim().to_lowercase(), |it| it.to_string()),
    }
}
