//! What neither the image nor the recipe holds and what runs all the same:
//! mods, hooks, plugins, mounted files, and whatever is fetched at start.
//! Named, never run.

use super::hook::{fetcher, is_harmless};
use super::{Finding, Grade, Seen};
use crate::escape::one_line;
use crate::spec::field::shown;
use crate::spec::node::python::{Python, json};

/// Settings that name a file which is loaded into the server.
const PLUGINS: [&str; 3] = ["reasoning_parser_plugin", "tool_parser_plugin", "chat_template"];

/// Bounds a stranger's command in a finding.
const COMMAND_CHARS_MAX: usize = 48;

/// Everything that comes from outside.
pub fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, value) in &seen.reading.hooks {
        // One item may stand there without a list.
        let items = match json::loads(value) {
            Some(Python::List(items)) => items,
            other => vec![other.unwrap_or_else(|| Python::Text(value.clone()))],
        };
        for (index, item) in items.iter().enumerate() {
            let what = format!("{key}[{index}]");
            let place = seen.reading.places.key(&what);
            found.extend(hook(key, &what, item).map(|finding| finding.at(place)));
        }
    }
    let command = seen.reading.recipe.command.as_deref().unwrap_or_default();
    if let Some(fetcher) = fetcher(command) {
        let why = format!("{} at every start", shown(&fetcher));
        found.push(
            Finding::new("command", Grade::Floating, why)
                .at(seen.reading.places.key("command"))
                .hint("an image that has it inside"),
        );
    }
    found.extend(plugins(seen));
    found.extend(mounts(seen));
    found
}

fn hook(key: &str, what: &str, item: &Python) -> Option<Finding> {
    match (key, item) {
        // They decide what is built, and the container's finding says so.
        ("build_args", _) => None,
        ("mods", mod_name) => {
            let why = format!("{} changes the container at start", shown(&mod_name.str()));
            let finding = Finding::new(what, Grade::Floating, why);
            Some(finding.hint("build it into an image, and name that by digest"))
        }
        (_, Python::Map(_)) => {
            let from = item.get("copy").map(Python::str).unwrap_or_default();
            let why = format!("copies {} from outside the recipe", shown(&from));
            Some(Finding::new(what, Grade::Local, why).hint("build it into the image"))
        }
        (_, command) => {
            let command = command.str();
            let finding = if let Some(fetcher) = fetcher(&command) {
                let why = format!("{} at every start", shown(&fetcher));
                Finding::new(what, Grade::Floating, why).hint("an image that has it inside")
            } else {
                let ran = one_line(&command, COMMAND_CHARS_MAX);
                if is_harmless(&command) {
                    Finding::new(what, Grade::Pinned, format!("runs `{ran}`"))
                } else {
                    let why = format!("runs `{ran}`: no file says what that brings in");
                    Finding::new(what, Grade::Unknown, why).hint("an image in which it is done")
                }
            };
            Some(finding)
        }
    }
}

/// A template may also stand in the flag itself; a file has a folder or an end.
fn is_file(value: &str) -> bool {
    let ends = [".jinja", ".py", ".json"];
    !value.contains(['{', '\n'])
        && (value.contains('/') || ends.iter().any(|end| value.ends_with(end)))
}

fn plugins(seen: &Seen<'_>) -> Vec<Finding> {
    let files = PLUGINS.iter().filter_map(|name| Some((*name, seen.setting(name)?)));
    files
        .filter(|(_, file)| is_file(file))
        .map(|(name, file)| {
            let why = format!("{} is a file that the recipe does not hold", shown(file));
            Finding::new(name, Grade::Local, why)
                .at(seen.place(name))
                .hint("what the engine has built in, or the file inside the image")
        })
        .collect()
}

/// Files and folders of the machine, caches left out, and those that a plugin's finding names.
fn mounts(seen: &Seen<'_>) -> Vec<Finding> {
    let named: Vec<&str> = PLUGINS.iter().filter_map(|name| seen.setting(name)).collect();
    let of_config = seen.key("executor_config").and_then(json::loads);
    let volumes = match of_config.as_ref().and_then(|config| config.get("volumes")) {
        Some(Python::List(items)) => items.iter().map(Python::str).collect(),
        _ => Vec::new(),
    };
    let of_line = seen.reading.others.iter().filter(|(key, _)| key == "-v" || key == "--volume");
    let volumes = volumes.into_iter().chain(of_line.map(|(_, value)| value.clone()));
    let is_cache = |volume: &str| volume.contains("cache") || volume.contains("huggingface");
    volumes
        .filter(|volume| !is_cache(volume) && !named.iter().any(|file| volume.contains(file)))
        .map(|volume| {
            let from = volume.split(':').next().unwrap_or(&volume);
            let why = format!("{} of the machine is mounted into the container", shown(from));
            Finding::new("volume", Grade::Local, why)
                .at(seen.reading.places.key("executor_config.volumes"))
        })
        .collect()
}
