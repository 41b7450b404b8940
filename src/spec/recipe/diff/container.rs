//! How a container is started: what a `docker run` says of it by a recipe's
//! names, and what sparkrun takes where a recipe says nothing.

use std::collections::BTreeMap;

use crate::spec::node::python::{Python, json};
use crate::spec::recipe::docker;

/// Options of `docker run` by the names that a recipe has for them.
const OPTIONS: [(&str, &str); 11] = [
    ("--gpus", "executor_config.gpus"),
    ("--shm-size", "executor_config.shm_size"),
    ("--restart", "executor_config.restart_policy"),
    ("-v", VOLUMES),
    ("--volume", VOLUMES),
    ("--ipc", "executor_config.ipc"),
    ("--network", "executor_config.network"),
    ("--net", "executor_config.network"),
    ("--privileged", "executor_config.privileged"),
    ("--publish", "-p"),
    ("-h", "--hostname"),
];

/// A list in a recipe, an option that stands again and again in a line.
const VOLUMES: &str = "executor_config.volumes";

/// Options of `docker run` that say how it is started by hand, not how it serves.
const BY_HAND: [&str; 5] = ["--detach", "--interactive", "--tty", "--rm", "--replace"];

/// What sparkrun 0.4.2 gives docker by itself, whatever the machine.
const DEFAULTS: [(&str, &str); 6] = [
    (AUTO_REMOVE, "true"),
    ("executor_config.gpus", "all"),
    ("executor_config.ipc", "shareable"),
    ("executor_config.network", "host"),
    ("executor_config.shm_size", "32gb"),
    ("executor_config.ulimit", "[\"nofile=65535:65535\"]"),
];

const AUTO_REMOVE: &str = "executor_config.auto_remove";

/// Fills in what two recipes leave to sparkrun, so that writing a default out changes nothing.
pub fn fill(one: &mut BTreeMap<String, String>, other: &mut BTreeMap<String, String>) {
    // Another executor takes other things for granted.
    let is_docker = [&one, &other].iter().all(|facts| !facts.contains_key("executor"));
    // A container that is to be started again is not removed: that is one variable, not two.
    let restarts =
        [&one, &other].iter().any(|it| it.contains_key("executor_config.restart_policy"));
    for facts in [one, other] {
        facts.retain(|name, value| match name.strip_prefix("executor_config") {
            Some("") => value != "{}",
            Some(field) => !(field.starts_with('.') && value == "null"),
            None => true,
        });
        for (name, value) in DEFAULTS.iter().filter(|_| is_docker) {
            facts.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
        }
        if restarts {
            facts.remove(AUTO_REMOVE);
        }
    }
}

/// The options of a `docker run`, by a recipe's names where it has any.
pub fn options(said: &[(String, String)]) -> BTreeMap<String, String> {
    let mut options: BTreeMap<&str, Vec<Python>> = BTreeMap::new();
    for (option, value) in said {
        if BY_HAND.contains(&option.as_str()) || docker::is_short_switches(option) {
            continue;
        }
        let known = OPTIONS.iter().find(|(known, _)| known == option);
        let name = known.map_or(option.as_str(), |(_, name)| name);
        let value = if value.is_empty() { "true" } else { value };
        options.entry(name).or_default().push(Python::Text(value.to_owned()));
    }
    let told = options.into_iter().map(|(name, mut values)| match values.as_mut_slice() {
        [only] if name != VOLUMES => (name.to_owned(), only.str()),
        _ => (name.to_owned(), json::dumps(&Python::List(values))),
    });
    told.collect()
}
