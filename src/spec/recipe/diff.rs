//! Compares two recipes setting by setting, in whatever format each is written.

use std::collections::{BTreeMap, BTreeSet};

use super::read::model_of_command;
use super::render::{engine_of, runtime_name};
use super::{ReadRecipe, Recipe, cached, docker};
use crate::engine::flags;
use crate::spec::node::python::{Python, json};

/// Settings of a server's address, which do not affect how it serves.
const ADDRESS: [&str; 6] = ["host", "port", "served_model_name", "api_key", "--name", "-p"];

/// Keys that do not affect how a server serves, or that [`nodes`] sums up.
const IGNORED_KEYS: &str = "min_nodes max_nodes solo_only cluster_only mode model_revision metadata \
    name recipe_version sparkrun_version min_sparkrun_version benchmark maintainer readiness \
    capabilities unsupported_capabilities include post_commands post_exec stop_after_post";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// Name of the difference: `max_num_seqs`, `env.OMP_NUM_THREADS`, `container`.
    pub what: String,
    /// Value in the first recipe; `None` where it has none.
    pub one: Option<String>,
    pub other: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    pub serving: Vec<Difference>,
    pub address: Vec<Difference>,
}

pub(crate) fn between(one: &ReadRecipe, other: &ReadRecipe) -> Differences {
    let has_line = [one, other].iter().any(|reading| reading.how.is_container());
    let is_between_kinds = has_line && one.how != other.how;
    let (one, other) = (facts(one), facts(other));
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let mut found = Differences::default();
    for key in keys {
        let (one, other) = (one.get(key), other.get(key));
        let are_same = |(one, other): (&String, &String)| {
            one == other || !is_exact(key) && plain(one) == plain(other)
        };
        // A `docker run` line uses one machine, and a recipe that states no number may too.
        let may_be_one = has_line && key == "nodes" && (one.is_none() || other.is_none());
        let is_start = key.starts_with('-') || key.starts_with("executor");
        if is_start && is_between_kinds || may_be_one {
            continue;
        }
        if !one.zip(other).is_some_and(are_same) {
            let (what, one, other) = (key.clone(), one.cloned(), other.cloned());
            let is_address = ADDRESS.contains(&key.as_str());
            let side = if is_address { &mut found.address } else { &mut found.serving };
            side.push(Difference { what, one, other });
        }
    }
    found
}

/// Returns the flags of a recipe's command, since a default without one has no effect, else its
/// settings.
pub(super) fn flags_of(recipe: &Recipe) -> BTreeMap<String, String> {
    let engine = engine_of(&recipe.runtime);
    let of_command = |command: &String| flags::all(engine, &docker::inner(command));
    recipe.command.as_ref().map_or_else(|| recipe.settings.clone(), of_command)
}

/// Returns the flags of a recipe, with structures split into their fields.
pub(super) fn declared(recipe: &Recipe) -> BTreeMap<String, String> {
    let mut declared = BTreeMap::new();
    for (name, value) in flags_of(recipe) {
        spread(&name, &value, &mut declared);
    }
    declared
}

/// Returns the model that a command serves, whatever the recipe says beside it.
pub(super) fn served_model(recipe: &Recipe, declared: &BTreeMap<String, String>) -> Option<String> {
    let of_command = recipe.command.as_deref().and_then(model_of_command);
    of_command.or_else(|| declared.get("model").cloned())
}

/// Returns the id and the revision of a model: of a folder of the hub's cache, or as `ID@REVISION`.
pub(super) fn id_and_revision(model: &str) -> (String, Option<String>) {
    if let Some((id, commit)) = cached(model) {
        return (id, Some(commit.to_owned()));
    }
    match model.rsplit_once('@').filter(|_| !model.starts_with('/')) {
        Some((id, revision)) => (id.to_owned(), Some(revision.to_owned())),
        None => (model.to_owned(), None),
    }
}

/// Returns all that two recipes are compared by.
fn facts(reading: &ReadRecipe) -> BTreeMap<String, String> {
    let recipe = &reading.recipe;
    let mut facts = declared(recipe);
    let backend = recipe.settings.get("distributed_executor_backend");
    let is_ray = backend.is_some_and(|backend| backend.eq_ignore_ascii_case("ray"));
    facts.insert("runtime".to_owned(), runtime_name(&recipe.runtime, is_ray).to_owned());
    facts.insert("served_model_name".to_owned(), recipe.served.join(" "));
    if let Some(model) = served_model(recipe, &facts).or(recipe.model.clone()) {
        let (id, revision) = id_and_revision(&model);
        facts.extend(revision.map(|revision| ("revision".to_owned(), revision)));
        facts.insert("model".to_owned(), id);
    }
    facts.extend(recipe.container.iter().map(|image| ("container".to_owned(), image.clone())));
    facts.extend(recipe.env.iter().map(|(name, value)| (format!("env.{name}"), value.clone())));
    let is_line = reading.how.is_container();
    for (name, value) in reading.others.iter().chain(&reading.hooks) {
        match name.as_str() {
            "model_revision" => {
                facts.entry("revision".to_owned()).or_insert_with(|| value.clone());
            }
            "executor" if value == "docker" => {}
            _ if IGNORED_KEYS.split_whitespace().any(|silent| silent == name) => {}
            // A `docker run` option may occur several times.
            _ if is_line && facts.contains_key(name) => {
                facts.entry(name.to_owned()).or_default().extend([" ", value]);
            }
            _ => spread(name, if value.is_empty() { "true" } else { value }, &mut facts),
        }
    }
    let nodes = if is_line { Some("1".to_owned()) } else { nodes(&reading.others) };
    facts.extend(nodes.map(|nodes| ("nodes".to_owned(), nodes)));
    facts.retain(|name, value| {
        !name.starts_with("executor_config") || value != "null" && value != "{}"
    });
    facts
}

/// Returns the number of machines from any of its keys; `None` where any number is allowed.
fn nodes(keys: &[(String, String)]) -> Option<String> {
    let get = |key: &str| keys.iter().find(|(known, _)| known == key).map(|(_, value)| value);
    let number = |key: &str| get(key).and_then(|value| value.parse::<u64>().ok());
    let is_on = |key: &str| get(key).is_some_and(|value| value == "true");
    let least = number("min_nodes").unwrap_or(1).max(if is_on("cluster_only") { 2 } else { 1 });
    match number("max_nodes") {
        _ if is_on("solo_only") || get("mode").is_some_and(|mode| mode == "solo") => {
            Some("1".to_owned())
        }
        Some(most) if most <= least => Some(least.to_string()),
        Some(most) => Some(format!("{least} to {most}")),
        None => (least > 1).then(|| format!("{least} or more")),
    }
}

/// Splits a JSON object into its fields.
fn spread(name: &str, value: &str, facts: &mut BTreeMap<String, String>) {
    let object = value.trim_start().starts_with('{').then(|| json::loads(value)).flatten();
    match object {
        Some(Python::Map(pairs)) if !pairs.is_empty() => {
            for (key, value) in pairs {
                spread(&format!("{name}.{key}"), &value.flag(), facts);
            }
        }
        _ => {
            facts.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// Whether the value is text that must match exactly: names and environment variables.
fn is_exact(name: &str) -> bool {
    name.starts_with("env.") || ["model", "container", "served_model_name"].contains(&name)
}

/// Normalises a value: `0.80` is `0.8`, `True` is `true`; whole numbers keep all digits.
pub(super) fn plain(value: &str) -> String {
    if let Ok(whole) = value.parse::<i128>() {
        return whole.to_string();
    }
    let has_point = value.contains(['.', 'e', 'E']);
    match value.parse::<f64>() {
        Ok(number) if has_point && number.is_finite() => number.to_string(),
        _ if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") => {
            value.to_ascii_lowercase()
        }
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::SpecFile;
    use crate::spec::recipe::{ReadOptions, read_as};

    fn reading(text: &str) -> ReadRecipe {
        let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
        read_as(&source, &ReadOptions::default(), &|_| Ok(None)).expect("readable")
    }

    #[test]
    fn two_spellings_of_one_recipe_do_not_differ() {
        let recipe = "model: org/m\ncontainer: i\nenv: {A: 1}\ndefaults: {gm: 0.80}\n\
             command: vllm serve {model} --gpu-memory-utilization {gm} -tp 2 --speculative-config '{\"method\":\"mtp\",\"n\":1}'\n";
        let serve = "i vllm serve org/m --gpu_memory_utilization=0.8 --tensor-parallel-size 2 \
             --speculative-config.method mtp --speculative-config.n 1\n";
        let plain = reading(&format!("docker run -e A=1 {serve}"));
        assert_eq!(between(&reading(recipe), &plain), Differences::default());
        let whole = reading(&format!("{recipe}max_nodes: 1\nexecutor_config: {{ipc: host}}\n"));
        let line = |options: &str| reading(&format!("docker run {options} -e A=1 {serve}"));
        assert_eq!(between(&whole, &line("-d --rm --ipc=private")), Differences::default());
        let found = between(&plain, &line("--name n -p 8000:8000 -p 1:1 --ulimit x"));
        let reported = |found: Vec<Difference>| -> Vec<String> {
            found
                .into_iter()
                .map(|d| format!("{} {}", d.what, d.other.unwrap_or_default()))
                .collect()
        };
        assert_eq!(reported(found.address), ["--name n", "-p 8000:8000 1:1"]);
        assert_eq!(reported(found.serving), ["--ulimit x"]);
    }

    #[test]
    fn another_name_of_a_runtime_and_a_default_written_out_are_no_difference() {
        let what = |one: &str, other: &str| -> Vec<String> {
            let of = |more: &str| reading(&format!("model: m\ncommand: vllm serve m\n{more}"));
            between(&of(one), &of(other)).serving.into_iter().map(|d| d.what).collect()
        };
        assert!(what("runtime: vllm\n", "runtime: vllm-distributed\n").is_empty());
        assert_eq!(what("runtime: vllm\n", "runtime: vllm-ray\n"), ["runtime"]);
        let ray = "defaults: {distributed_executor_backend: ray}\nruntime:";
        assert!(what(&format!("{ray} vllm\n"), &format!("{ray} vllm-ray\n")).is_empty());
        assert!(what("", "executor_config: {user: null}\n").is_empty());
        assert!(what("executor_config: {}\n", "").is_empty());
        assert_eq!(what("", "executor_config: {ipc: host}\n"), ["executor_config.ipc"]);
        let restart = "executor_config: {restart_policy: always}\n";
        assert_eq!(what("", restart), ["executor_config.restart_policy"]);
        assert_eq!(what("executor: local\n", ""), ["executor"]);
    }

    #[test]
    fn a_model_is_named_by_its_id_also_where_a_folder_of_the_hubs_cache_is_served() {
        let commit = "7b719225242aacd3dbd3f9407468c2ee9a9d2594";
        let path = format!("/root/.cache/huggingface/hub/models--org--m/snapshots/{commit}");
        let of = |model: &str, more: &str| {
            reading(&format!("docker run i vllm serve {model} {more}--served-model-name x\n"))
        };
        let named = of("org/m", &format!("--revision {commit} "));
        assert_eq!(between(&named, &of(&path, "")), Differences::default());
        assert_eq!(between(&named, &of(&format!("org/m@{commit}"), "")), Differences::default());
        let recipe = format!(
            "model: org/m\ncontainer: i\ncommand: vllm serve {path} --served-model-name x\n"
        );
        assert_eq!(between(&named, &reading(&recipe)), Differences::default());
        let elsewhere = between(&named, &reading(&recipe.replace(&path, "/models/m"))).serving;
        let elsewhere: Vec<_> = elsewhere.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(elsewhere, ["model", "revision"]);
        let found = between(&of("org/other", ""), &of(&path, "")).serving;
        let reported: Vec<_> =
            found.iter().map(|it| (it.what.as_str(), it.other.as_deref())).collect();
        assert_eq!(reported, [("model", Some("org/m")), ("revision", Some(commit))]);
    }

    #[test]
    fn a_flag_that_nobody_knows_differs_all_the_same() {
        let one = reading("model: m\ncommand: vllm serve m --frobnicate 1 2 --x\n");
        let other = reading("model: m\ncommand: vllm serve m --frobnicate 1 3\n");
        let what: Vec<_> = between(&one, &other).serving.into_iter().map(|d| d.what).collect();
        assert_eq!(what, ["frobnicate", "x"]);
    }

    #[test]
    fn what_differs_is_named_and_an_address_stands_apart() {
        let one = reading(
            "model: m\ncommand: vllm serve m --port 1 --max-num-seqs 4\nmetadata: {a: 1}\n",
        );
        let other =
            reading("model: m\ncommand: vllm serve m --port 2 --max-num-seqs 8\nenv: {X: 1}\n");
        let found = between(&one, &other);
        let reported = |found: &[Difference]| -> Vec<String> {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
            found
                .iter()
                .map(|d| format!("{} {} {}", d.what, side(&d.one), side(&d.other)))
                .collect()
        };
        assert_eq!(reported(&found.serving), ["env.X - 1", "max_num_seqs 4 8"]);
        assert_eq!(reported(&found.address), ["port 1 2"]);
    }

    #[test]
    fn variables_differ_as_text_and_whole_numbers_by_every_digit() {
        let of = |variable: &str, seed: &str| {
            reading(&format!(
                "model: m\nenv: {{X: '{variable}'}}\ncommand: vllm serve m --seed {seed}\n"
            ))
        };
        let what = |one: &ReadRecipe, other: &ReadRecipe| -> Vec<String> {
            between(one, other).serving.into_iter().map(|d| d.what).collect()
        };
        assert_eq!(what(&of("010", "010"), &of("10", "10")), ["env.X"]);
        assert_eq!(what(&of("1", "9007199254740993"), &of("1", "9007199254740992")), ["seed"]);
        assert!(what(&of("1", "1.50"), &of("1", "1.5")).is_empty());
    }
}
