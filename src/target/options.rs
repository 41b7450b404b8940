//! Holds the options of how the server is started, or what of it is watched: checks whether the
//! flags fit together, and derives the server's address. Starts nothing.

use super::server_log::ServerLog;
use crate::engine::Engine;
use crate::error::Mistake;
use crate::spec::recipe::render::engine_of;
use crate::spec::recipe::{ReadRecipe, RenderMethod, docker};
use crate::words::words;

/// Method by which a recipe is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartMethod {
    /// Process on this machine.
    Process,
    Docker,
    Podman,
    Sparkrun,
}

words!(StartMethod {
    Process: "process",
    Docker: "docker",
    Podman: "podman",
    Sparkrun: "sparkrun"
});

impl StartMethod {
    /// Whether the method creates a container that longhaul owns.
    pub(crate) fn is_container(self) -> bool {
        matches!(self, StartMethod::Docker | StartMethod::Podman)
    }
}

/// Options of how the server is started, or what of it is watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetOptions {
    /// Method that starts the recipe.
    pub start: Option<StartMethod>,
    /// Container to watch.
    pub container: Option<String>,
    /// Process to watch.
    pub pid: Option<u32>,
    /// Log to follow of a server that somebody else started.
    pub server_log: Option<ServerLog>,
    /// Whether the image may be pulled.
    pub pull: bool,
    /// Whether it is left running at the end.
    pub keep: bool,
    /// Program to use in place of `docker`, `podman` or `sparkrun`.
    pub engine: Option<String>,
    /// Variables that the container gets, by name.
    pub env: Vec<String>,
    /// Value of the container's `--gpus`; `none` for no GPUs.
    pub gpus: Option<String>,
    /// Further arguments for the program that starts it.
    pub more: Vec<String>,
    /// Recipe, where one is to be started.
    pub reading: Option<ReadRecipe>,
}

/// Recipe keys that only the recipe's own tools can carry out.
const FOR_ITS_TOOLS: [&str; 3] = ["builder", "build_args", "containers"];

impl TargetOptions {
    /// Checks whether the flags fit together.
    ///
    /// # Errors
    /// The flags conflict, and which ones would fit.
    pub(crate) fn check(
        &self,
        has_endpoint: bool,
        simulate: bool,
        has_recipe: bool,
    ) -> Result<(), Mistake> {
        if let Some(start) = self.start {
            let flag = format!("--start {}", start.word());
            if simulate {
                let what = format!("{flag} starts a server, and --simulate brings its own");
                return Err(Mistake::new(what).hint("one of them"));
            }
            if let Some(watch) = self.watch() {
                let what = format!("{flag} starts a server and watches it, log and all");
                return Err(Mistake::new(what)
                    .at(watch)
                    .hint(format!("{flag} without {watch}"))
                    .hint(format!("--endpoint URL {watch} …, for a server that runs already")));
            }
            if !has_recipe {
                let what = format!("{flag} starts a recipe, and none is named");
                return Err(Mistake::new(what).hint("--recipe FILE"));
            }
            if start == StartMethod::Process && self.keep {
                let what = "a process writes its log to longhaul, and would break without it";
                return Err(Mistake::new(what).at("--keep").hint("--start docker --keep"));
            }
        } else if self.keep || !self.more.is_empty() || self.pull {
            let flag = if self.keep {
                "--keep"
            } else if self.pull {
                "--pull"
            } else {
                "--start-arg"
            };
            return Err(Mistake::new(format!("{flag} is for a server that longhaul starts"))
                .hint("--start docker, with the recipe to start"));
        }
        self.check_watch(has_endpoint, simulate)?;
        self.check_engine()
    }

    /// Whether the log of a server that somebody else started is read.
    pub(crate) fn reads_log(&self) -> bool {
        self.container.is_some() || self.server_log.is_some()
    }

    /// Returns the first flag that watches a server that somebody else started.
    fn watch(&self) -> Option<&'static str> {
        let flags = [
            ("--container", self.container.is_some()),
            ("--pid", self.pid.is_some()),
            ("--server-log", self.server_log.is_some()),
        ];
        flags.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    fn check_watch(&self, has_endpoint: bool, simulate: bool) -> Result<(), Mistake> {
        let Some(watch) = self.watch() else { return Ok(()) };
        if simulate {
            let what = format!("{watch} watches a server, and --simulate brings its own");
            return Err(Mistake::new(what).hint("one of them"));
        }
        if !has_endpoint {
            return Err(Mistake::new("what is watched is known, but not where it answers")
                .at(watch)
                .hint("--endpoint http://localhost:8000"));
        }
        let found = match (&self.container, self.pid, &self.server_log) {
            (Some(_), Some(_), _) => ("--pid", "a container's process is found by itself"),
            (Some(_), _, Some(_)) => ("--server-log", "a container's log is followed by itself"),
            _ => return Ok(()),
        };
        Err(Mistake::new(found.1).at(found.0).hint("--container NAME alone"))
    }

    fn check_engine(&self) -> Result<(), Mistake> {
        let of_container = self.start.is_some_and(StartMethod::is_container);
        let flags = [
            ("--pull", self.pull, of_container),
            ("--env", !self.env.is_empty(), of_container),
            ("--gpus", self.gpus.is_some(), of_container),
            ("--start-arg", !self.more.is_empty(), self.start != Some(StartMethod::Process)),
            (
                "--engine",
                self.engine.is_some(),
                self.container.is_some()
                    || !matches!(self.start, None | Some(StartMethod::Process)),
            ),
        ];
        match flags.into_iter().find(|(_, is_given, fits)| *is_given && !fits) {
            Some((flag, ..)) => Err(Mistake::new(format!("{flag} has nothing to act on here"))
                .hint("--start docker or podman, with the recipe to start")),
            None => Ok(()),
        }
    }

    /// Accepts the recipe to start; returns the address at which it will answer.
    ///
    /// # Errors
    /// This start method cannot carry it out, and which one could.
    pub(crate) fn accept_recipe(&mut self, reading: ReadRecipe) -> Result<String, Mistake> {
        if let Some(start) = self.start.filter(|start| *start != StartMethod::Sparkrun) {
            only_what_it_can(start, &reading)?;
        }
        let address = address(self.start, &reading);
        self.reading = Some(reading);
        Ok(address)
    }

    /// Returns the flags for the command line that repeats the run.
    pub(crate) fn again(&self) -> Vec<(&'static str, Option<String>)> {
        let mut flags: Vec<(&'static str, Option<String>)> = Vec::new();
        let mut value = |name, value: Option<String>| {
            flags.extend(value.map(|value| (name, Some(value))));
        };
        value("start", self.start.map(|start| start.word().to_owned()));
        value("container", self.container.clone());
        value("pid", self.pid.map(|pid| pid.to_string()));
        value("server-log", self.server_log.as_ref().map(ToString::to_string));
        value("engine", self.engine.clone());
        value("gpus", self.gpus.clone());
        for name in &self.env {
            value("env", Some(name.clone()));
        }
        for word in &self.more {
            value("start-arg", Some(word.clone()));
        }
        flags.extend(
            [("pull", self.pull), ("keep", self.keep)]
                .into_iter()
                .filter_map(|(name, is_on)| is_on.then_some((name, None))),
        );
        flags
    }
}

fn only_what_it_can(start: StartMethod, reading: &ReadRecipe) -> Result<(), Mistake> {
    let flag = format!("--start {}", start.word());
    let to_sparkrun = |what: String| {
        Err(Mistake::new(what).at(&reading.recipe.source.origin).hint("--start sparkrun"))
    };
    if let Some((key, _)) = reading.hooks.first() {
        return to_sparkrun(format!("the recipe has `{key}`, which {flag} would not carry out"));
    }
    let other = |key: &str| {
        reading.others.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    };
    if reading.how != RenderMethod::AsItStands
        && let Some(key) = FOR_ITS_TOOLS.into_iter().find(|key| other(key).is_some())
    {
        return to_sparkrun(format!("the recipe has `{key}`, which {flag} would not carry out"));
    }
    let nodes = other("min_nodes").and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    if nodes > 1 || other("cluster_only").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return to_sparkrun("the recipe needs several machines".to_owned());
    }
    match (start, reading.how, &reading.recipe.command) {
        (StartMethod::Process, RenderMethod::AsItStands, _) => {
            Err(Mistake::new("the recipe is a `docker run`, and its command is a container's")
                .hint("--start docker"))
        }
        (_, RenderMethod::AsItStands, _) | (_, _, Some(_)) => Ok(()),
        (_, _, None) => {
            to_sparkrun("the recipe has no command, and longhaul cannot build one".to_owned())
        }
    }
}

/// Returns the address at which the recipe's server will answer.
fn address(start: Option<StartMethod>, reading: &ReadRecipe) -> String {
    let recipe = &reading.recipe;
    let usual = match engine_of(&recipe.runtime) {
        Engine::Sglang => 30_000,
        Engine::LlamaCpp => 8080,
        Engine::Vllm | Engine::Unknown => 8000,
    };
    let inside = recipe.whole("port").unwrap_or(usual);
    let line = docker::begins(&recipe.source.text)
        .filter(|_| reading.how == RenderMethod::AsItStands)
        .map(|start| docker::parse(&recipe.source.text, start));
    let port = line.and_then(|line| published(&line, inside)).unwrap_or(inside);
    let host = match start {
        Some(StartMethod::Docker | StartMethod::Podman) => engine_host(),
        _ => None,
    };
    let named = recipe.settings.get("host").map(String::as_str);
    let host = host.unwrap_or_else(|| match named {
        None | Some("0.0.0.0" | "::" | "localhost" | "127.0.0.1") => "127.0.0.1".to_owned(),
        Some(_) if reading.how == RenderMethod::AsItStands => "127.0.0.1".to_owned(),
        Some(host) => host.to_owned(),
    });
    format!("http://{host}:{port}")
}

/// Returns the host port to which a saved command line publishes the server's port.
fn published(line: &docker::Line, inside: u64) -> Option<u64> {
    let ports = line.options.iter().filter(|(name, _)| matches!(name.as_str(), "-p" | "--publish"));
    let pairs: Vec<(u64, u64)> = ports
        .filter_map(|(_, value)| {
            let mut parts = value.split('/').next()?.rsplit(':');
            let there = parts.next()?.parse().ok()?;
            let here = parts.next().map_or(Some(there), |here| here.parse().ok())?;
            Some((here, there))
        })
        .collect();
    let is_it = pairs.iter().find(|(_, there)| *there == inside).or(pairs.first());
    is_it.map(|(here, _)| *here)
}

/// Returns the host of an engine that runs on another machine.
fn engine_host() -> Option<String> {
    host_of(&std::env::var("DOCKER_HOST").ok()?)
}

fn host_of(engine: &str) -> Option<String> {
    let rest = engine.strip_prefix("ssh://").or_else(|| engine.strip_prefix("tcp://"))?;
    let rest = rest.split('/').next()?;
    let rest = rest.rsplit('@').next()?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;
    use crate::spec::SpecFile;
    use crate::spec::recipe::{ReadOptions, read_as};

    fn reading(text: &str) -> ReadRecipe {
        let source =
            SpecFile { name: "r".to_owned(), origin: "r.yaml".to_owned(), text: text.to_owned() };
        read_as(&source, &ReadOptions::default(), &|_| Ok(None)).expect("a recipe")
    }

    fn options(start: StartMethod) -> TargetOptions {
        TargetOptions { start: Some(start), ..TargetOptions::default() }
    }

    const PLAIN: &str = "model: m\ncontainer: a/b:1\ncommand: vllm serve m --port 9000\n";

    /// Returns the address at which a recipe will answer, or why it is not taken.
    fn accepted(start: StartMethod, text: &str) -> String {
        let accepted = options(start).accept_recipe(reading(text));
        accepted.unwrap_or_else(|wrong| wrong.to_string())
    }

    #[test]
    fn what_only_its_own_tools_carry_out_is_sent_to_them() {
        let more = [
            "",
            "mods: [x]\n",
            "pre_exec: [echo]\n",
            "min_nodes: 2\n",
            "min_nodes: 1\n",
            "cluster_only: true\n",
            "build_args: [--x]\n",
        ];
        let told = each(more, |more| accepted(StartMethod::Docker, &format!("{PLAIN}{more}")));
        assert_snapshot!("docker", told);
        for more in more {
            let address = accepted(StartMethod::Sparkrun, &format!("{PLAIN}{more}"));
            assert_eq!(address, "http://127.0.0.1:9000", "{more}");
        }
    }

    #[test]
    fn the_address_is_where_the_recipe_will_answer() {
        let line = "docker run -d -p 127.0.0.1:18000:8000 a/b:1 org/m --host 0.0.0.0\n";
        let recipes = [
            (StartMethod::Docker, line),
            (StartMethod::Process, line),
            (StartMethod::Process, "model: m\ncommand: llama-server -m x.gguf\n"),
            (StartMethod::Process, "model: m\ncommand: vllm serve m\n"),
            (
                StartMethod::Process,
                "model: m\nruntime: sglang\ncommand: python -m sglang.launch_server\n",
            ),
            (StartMethod::Process, "model: m\nruntime: odd\n"),
        ];
        assert_snapshot!("addresses", each(recipes, |(start, text)| accepted(*start, text)));
        assert_eq!(host_of("ssh://me@spark:22"), Some("spark".to_owned()));
        assert_eq!(host_of("tcp://10.0.0.7:2375"), Some("10.0.0.7".to_owned()));
        assert_eq!(host_of("unix:///run/x.sock"), None);
    }

    #[test]
    fn flags_that_do_not_go_together_are_told_before_anything_starts() {
        let none = TargetOptions::default;
        let watching = TargetOptions { container: Some("x".to_owned()), ..none() };
        let engine = Some("podman".to_owned());
        // Flags, whether there is an endpoint, whether it is simulated, whether there is a recipe.
        let told = [
            (
                "keep a process",
                TargetOptions { keep: true, ..options(StartMethod::Process) },
                [false, false, true],
            ),
            ("start and simulate", options(StartMethod::Docker), [false, true, true]),
            (
                "start and watch",
                TargetOptions { start: Some(StartMethod::Docker), ..watching.clone() },
                [true, false, true],
            ),
            ("start nothing", options(StartMethod::Docker), [false, false, false]),
            ("keep nothing", TargetOptions { keep: true, ..none() }, [true, false, true]),
            ("pull nothing", TargetOptions { pull: true, ..none() }, [true, false, true]),
            (
                "arguments for nothing",
                TargetOptions { more: vec!["-v".to_owned()], ..none() },
                [true, false, true],
            ),
            ("watch no endpoint", watching.clone(), [false, false, true]),
            ("watch both", TargetOptions { pid: Some(1), ..watching.clone() }, [true, false, true]),
            (
                "pull for a process",
                TargetOptions { pull: true, ..options(StartMethod::Process) },
                [false, false, true],
            ),
            (
                "variables for sparkrun",
                TargetOptions { env: vec!["A".to_owned()], ..options(StartMethod::Sparkrun) },
                [false, false, true],
            ),
            (
                "GPUs for a process",
                TargetOptions { gpus: Some("all".to_owned()), ..options(StartMethod::Process) },
                [false, false, true],
            ),
            (
                "arguments for a process",
                TargetOptions { more: vec!["-v".to_owned()], ..options(StartMethod::Process) },
                [false, false, true],
            ),
            (
                "an engine for a process",
                TargetOptions { engine: engine.clone(), ..options(StartMethod::Process) },
                [false, false, true],
            ),
            (
                "an engine for nothing",
                TargetOptions { engine: engine.clone(), ..none() },
                [true, false, true],
            ),
            ("an engine to watch", TargetOptions { engine, ..watching }, [true, false, true]),
            ("docker", options(StartMethod::Docker), [false, false, true]),
        ]
        .map(|(name, options, [has_endpoint, simulate, has_recipe])| {
            let checked = options.check(has_endpoint, simulate, has_recipe);
            format!(
                "{name}\n{}",
                checked.map_or_else(|wrong| wrong.to_string(), |()| "fits".to_owned())
            )
        });
        assert_snapshot!("flags", told.join("\n\n"));
    }

    #[test]
    fn what_was_asked_of_a_target_is_in_the_command_that_repeats_it() {
        let all = TargetOptions {
            start: Some(StartMethod::Podman),
            container: Some("c".to_owned()),
            pid: Some(7),
            server_log: None,
            pull: true,
            keep: true,
            engine: Some("/bin/podman".to_owned()),
            env: vec!["A".to_owned(), "B".to_owned()],
            gpus: Some("none".to_owned()),
            more: vec!["--memory=9g".to_owned()],
            reading: None,
        };
        let flag = |(name, value): &(&str, Option<String>)| match value {
            Some(value) => format!("--{name} {value}"),
            None => format!("--{name}"),
        };
        let again: Vec<String> = all.again().iter().map(flag).collect();
        assert_snapshot!(again.join(" "), @"--start podman --container c --pid 7 --engine /bin/podman --gpus none --env A --env B --start-arg --memory=9g --pull --keep");
        assert_eq!(TargetOptions::default().again(), []);
    }
}
