//! What differs between two recipes, setting by setting, whatever dialect each
//! is written in.

use std::collections::{BTreeMap, BTreeSet};

use super::render::{How, engine_of};
use super::{Reading, docker};
use crate::engine::flags;
use crate::spec::node::python::{Python, json};

/// Settings that say where a server is found, not how it serves.
const ADDRESS: [&str; 6] = ["host", "port", "served_model_name", "api_key", "--name", "-p"];

/// Keys of a file that say nothing of how a server serves, or that [`nodes`] sums up.
const SILENT: &str = "min_nodes max_nodes solo_only cluster_only mode model_revision metadata \
    name recipe_version sparkrun_version min_sparkrun_version benchmark maintainer readiness \
    capabilities unsupported_capabilities include post_commands post_exec stop_after_post";

/// Options of `docker run` by the names that a recipe has for them.
const OPTIONS: [(&str, &str); 10] = [
    ("--gpus", "executor_config.gpus"),
    ("--shm-size", "executor_config.shm_size"),
    ("--restart", "executor_config.restart_policy"),
    ("-v", "executor_config.volumes"),
    ("--volume", "executor_config.volumes"),
    ("--ipc", "executor_config.ipc"),
    ("--network", "executor_config.network"),
    ("--net", "executor_config.network"),
    ("--privileged", "executor_config.privileged"),
    ("--publish", "-p"),
];

/// Options of `docker run` that say how it is started by hand, not how it serves.
const BY_HAND: [&str; 5] = ["--detach", "--interactive", "--tty", "--rm", "--replace"];

/// What sparkrun 0.4.2 gives docker by itself, whatever the machine.
const DEFAULTS: [(&str, &str); 6] = [
    ("auto_remove", "true"),
    ("gpus", "all"),
    ("ipc", "shareable"),
    ("network", "host"),
    ("shm_size", "32gb"),
    ("ulimit", "[\"nofile=65535:65535\"]"),
];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// What differs: `max_num_seqs`, `env.OMP_NUM_THREADS`, `container`.
    pub what: String,
    /// In the first recipe; nothing where it is not there.
    pub one: Option<String>,
    /// In the second.
    pub other: Option<String>,
}

/// All that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// How they serve.
    pub serving: Vec<Difference>,
    /// Where they are found.
    pub address: Vec<Difference>,
}

/// Compares two recipes.
pub fn between(one: &Reading, other: &Reading) -> Differences {
    let has_line = [one, other].iter().any(|reading| reading.how == How::AsItStands);
    let is_docker = |reading: &&Reading| {
        !reading.others.iter().any(|(key, executor)| key == "executor" && executor != "docker")
    };
    let fills = !has_line && [one, other].iter().all(is_docker);
    let (one, other) = (facts(one, fills), facts(other, fills));
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let mut found = Differences::default();
    for key in keys {
        let (one, other) = (one.get(key), other.get(key));
        let are_same = |(one, other): (&String, &String)| {
            one == other || !is_exact(key) && plain(one) == plain(other)
        };
        // A line runs on one machine, and a recipe that says nothing of it may.
        let may_be_one = has_line && key == "nodes" && (one.is_none() || other.is_none());
        if !may_be_one && !one.zip(other).is_some_and(are_same) {
            let (what, one, other) = (key.clone(), one.cloned(), other.cloned());
            let is_address = ADDRESS.contains(&key.as_str());
            let side = if is_address { &mut found.address } else { &mut found.serving };
            side.push(Difference { what, one, other });
        }
    }
    found
}

/// The runtime that sparkrun makes of `vllm`, which is only another name for one of two.
fn runtime(reading: &Reading) -> &str {
    let backend = reading.recipe.settings.get("distributed_executor_backend");
    match reading.recipe.runtime.as_str() {
        "vllm" if backend.is_some_and(|backend| backend.eq_ignore_ascii_case("ray")) => "vllm-ray",
        "vllm" => "vllm-distributed",
        other => other,
    }
}

/// Everything that a recipe says, by name; what is structured, field by field. `fills` in what it
/// leaves to sparkrun's docker; a `docker run` says all by itself.
fn facts(reading: &Reading, fills: bool) -> BTreeMap<String, String> {
    let recipe = &reading.recipe;
    let engine = engine_of(&recipe.runtime);
    let mut facts = BTreeMap::new();
    // A default that no flag takes up has no effect, and one that a flag takes up is told there.
    let of_command = |command: &String| flags::all(engine, &docker::inner(command));
    let of_command = recipe.command.as_ref().map(of_command);
    for (name, value) in of_command.as_ref().unwrap_or(&recipe.settings) {
        spread(name, value, &mut facts);
    }
    facts.insert("runtime".to_owned(), runtime(reading).to_owned());
    facts.insert("served_model_name".to_owned(), recipe.served.join(" "));
    facts.extend(recipe.model.iter().map(|model| ("model".to_owned(), model.clone())));
    facts.extend(recipe.container.iter().map(|image| ("container".to_owned(), image.clone())));
    facts.extend(recipe.env.iter().map(|(name, value)| (format!("env.{name}"), value.clone())));
    let is_line = reading.how == How::AsItStands;
    for (name, value) in reading.others.iter().chain(&reading.hooks) {
        let known = OPTIONS.iter().find(|(option, _)| is_line && option == name);
        let name = known.map_or(name.as_str(), |(_, name)| name);
        let by_hand = is_line && (BY_HAND.contains(&name) || docker::is_short_switches(name));
        match name {
            "model_revision" => {
                facts.entry("revision".to_owned()).or_insert_with(|| value.clone());
            }
            "executor" if value == "docker" => {}
            "executor_config.volumes" => {
                let volumes = facts.entry(name.to_owned()).or_insert("[]".to_owned());
                let comma = if volumes == "[]" { "" } else { "," };
                volumes.insert_str(volumes.len() - 1, &format!("{comma}\"{value}\""));
            }
            _ if by_hand || SILENT.split_whitespace().any(|silent| silent == name) => {}
            _ if is_line && facts.contains_key(name) => {
                facts.entry(name.to_owned()).or_default().extend([" ", value]);
            }
            _ if value.is_empty() => spread(name, "true", &mut facts),
            _ => spread(name, value, &mut facts),
        }
    }
    let nodes = if is_line { Some("1".to_owned()) } else { nodes(&reading.others) };
    facts.extend(nodes.map(|nodes| ("nodes".to_owned(), nodes)));
    facts.retain(|name, value| {
        !name.starts_with("executor_config") || value != "null" && value != "{}"
    });
    if fills {
        for (name, value) in DEFAULTS {
            facts.entry(format!("executor_config.{name}")).or_insert_with(|| value.to_owned());
        }
        // A container that is to be started again is not removed: that is one variable, not two.
        if facts.contains_key("executor_config.restart_policy") {
            facts.insert("executor_config.auto_remove".to_owned(), "true".to_owned());
        }
    }
    facts
}

/// On how many machines it runs, whichever keys say so; nothing where it may be any number.
fn nodes(keys: &[(String, String)]) -> Option<String> {
    let get =
        |key: &str| keys.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    let number = |key: &str| get(key).and_then(|value| value.parse::<u64>().ok());
    let is_on = |key: &str| get(key) == Some("True");
    let solo = is_on("solo_only") || get("mode") == Some("solo");
    let least = number("min_nodes").unwrap_or(1).max(if is_on("cluster_only") { 2 } else { 1 });
    match number("max_nodes") {
        _ if solo => Some("1".to_owned()),
        Some(most) if most <= least => Some(least.to_string()),
        Some(most) => Some(format!("{least} to {most}")),
        None if least > 1 => Some(format!("{least} or more")),
        None => None,
    }
}

/// A JSON object becomes its fields, so that `--speculative-config '{…}'` and
/// `--speculative-config.method mtp` say the same.
fn spread(name: &str, value: &str, facts: &mut BTreeMap<String, String>) {
    let object = value.trim_start().starts_with('{').then(|| json::loads(value)).flatten();
    match object {
        Some(Python::Map(pairs)) if !pairs.is_empty() => {
            for (key, value) in pairs {
                let value = match value {
                    Python::Text(text) => text,
                    other => json::dumps(&other),
                };
                spread(&format!("{name}.{key}"), &value, facts);
            }
        }
        _ => {
            facts.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// Names and variables are text, of which every character counts.
fn is_exact(name: &str) -> bool {
    name.starts_with("env.") || ["model", "container", "served_model_name"].contains(&name)
}

/// A value as it counts: `0.80` is `0.8`, `True` is `true`; whole numbers keep all their digits.
fn plain(value: &str) -> String {
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
    use crate::spec::Source;
    use crate::spec::recipe::{Wishes, read_as};

    fn reading(text: &str) -> Reading {
        let source = Source { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
        read_as(&source, &Wishes::default(), &|_| Ok(None)).expect("readable")
    }

    #[test]
    fn two_spellings_of_one_recipe_do_not_differ() {
        let recipe = "model: org/m\ncontainer: i\nenv: {A: 1}\ndefaults: {gm: 0.80}\n\
             command: vllm serve {model} --gpu-memory-utilization {gm} -tp 2 --speculative-config '{\"method\":\"mtp\",\"n\":1}'\n";
        let serve = "i vllm serve org/m --gpu_memory_utilization=0.8 --tensor-parallel-size 2 \
             --speculative-config.method mtp --speculative-config.n 1\n";
        let plain = reading(&format!("docker run -e A=1 {serve}"));
        assert_eq!(between(&reading(recipe), &plain), Differences::default());
        let whole = reading(&format!(
            "{recipe}max_nodes: 1\nexecutor: docker\nexecutor_config:\n  {{gpus: all, shm_size: 16gb, \
             restart_policy: always, volumes: ['a:/a:ro', 'b:/b'], ipc: host, network: host, privileged: true}}\n"
        ));
        let line = |options: &str| reading(&format!("docker run {options} -e A=1 {serve}"));
        let same = line(
            "-d --rm -it --gpus all --shm-size=16gb --restart=always -v a:/a:ro --volume b:/b \
             --ipc=host --net host --privileged",
        );
        assert_eq!(between(&whole, &same), Differences::default());
        let found = between(&plain, &line("--name n -p 8000:8000 -p 1:1 --ulimit x"));
        let told = |found: Vec<Difference>| -> Vec<String> {
            found
                .into_iter()
                .map(|d| format!("{} {}", d.what, d.other.unwrap_or_default()))
                .collect()
        };
        assert_eq!(told(found.address), ["--name n", "-p 8000:8000 1:1"]);
        assert_eq!(told(found.serving), ["--ulimit x"]);
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
        let out = "executor_config: {auto_remove: true, gpus: all, ipc: shareable, shm_size: 32gb, \
                   network: host, user: null, ulimit: ['nofile=65535:65535']}\n";
        assert!(what("", out).is_empty());
        assert!(what("executor_config: {}\n", "").is_empty());
        assert_eq!(what("", "executor_config: {ipc: host}\n"), ["executor_config.ipc"]);
        let restart = "executor_config: {restart_policy: always}\n";
        assert_eq!(what("", restart), ["executor_config.restart_policy"]);
        assert_eq!(what("executor: local\n", ""), ["executor"]);
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
        let told = |found: &[Difference]| -> Vec<String> {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
            found
                .iter()
                .map(|d| format!("{} {} {}", d.what, side(&d.one), side(&d.other)))
                .collect()
        };
        assert_eq!(told(&found.serving), ["env.X - 1", "max_num_seqs 4 8"]);
        assert_eq!(told(&found.address), ["port 1 2"]);
    }

    #[test]
    fn variables_differ_as_text_and_whole_numbers_by_every_digit() {
        let of = |variable: &str, seed: &str| {
            reading(&format!(
                "model: m\nenv: {{X: '{variable}'}}\ncommand: vllm serve m --seed {seed}\n"
            ))
        };
        let what = |one: &Reading, other: &Reading| -> Vec<String> {
            between(one, other).serving.into_iter().map(|d| d.what).collect()
        };
        assert_eq!(what(&of("010", "010"), &of("10", "10")), ["env.X"]);
        assert_eq!(what(&of("1", "9007199254740993"), &of("1", "9007199254740992")), ["seed"]);
        assert!(what(&of("1", "1.50"), &of("1", "1.5")).is_empty());
    }
}
