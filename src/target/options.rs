//! Holds the options of how the server is started, or what of it is watched, and checks whether the
//! flags fit together. Starts nothing.

mod recipe;

use super::server_log::ServerLog;
use crate::error::Mistake;
use crate::spec::recipe::ReadRecipe;
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
    /// Variables of a recipe that make programs load code, allowed by name.
    pub allowed: Vec<String>,
    /// Value of the container's `--gpus`; `none` for no GPUs.
    pub gpus: Option<String>,
    /// Further arguments for the program that starts it.
    pub more: Vec<String>,
    /// Recipe, where one is to be started.
    pub reading: Option<ReadRecipe>,
}

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
                let what = format!("{flag} and --simulate exclude each other");
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
                let what = format!("{flag} needs a recipe");
                return Err(Mistake::new(what).hint("--recipe FILE"));
            }
            if start == StartMethod::Process && self.keep {
                let what = "a process cannot outlive longhaul: it writes its log to it";
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
            return Err(Mistake::new("a server that is watched needs its address")
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
            ("--allow-env", !self.allowed.is_empty(), self.start == Some(StartMethod::Process)),
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
            recipe::check(start, &reading)?;
            if start == StartMethod::Process {
                recipe::check_variables(&reading.recipe, &self.allowed)?;
            }
        }
        let address = recipe::address(self.start, &reading);
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
        for name in &self.allowed {
            value("allow-env", Some(name.clone()));
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn options(start: StartMethod) -> TargetOptions {
        TargetOptions { start: Some(start), ..TargetOptions::default() }
    }

    #[test]
    fn flags_that_do_not_go_together_are_told_before_anything_starts() {
        let none = TargetOptions::default;
        let watching = TargetOptions { container: Some("x".to_owned()), ..none() };
        let engine = Some("podman".to_owned());
        // Flags, whether there is an endpoint, whether it is simulated, whether there is a recipe.
        let reported = [
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
        assert_snapshot!("flags", reported.join("\n\n"));
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
            allowed: vec!["PATH".to_owned()],
            gpus: Some("none".to_owned()),
            more: vec!["--memory=9g".to_owned()],
            reading: None,
        };
        let flag = |(name, value): &(&str, Option<String>)| match value {
            Some(value) => format!("--{name} {value}"),
            None => format!("--{name}"),
        };
        let again: Vec<String> = all.again().iter().map(flag).collect();
        assert_snapshot!(again.join(" "), @"--start podman --container c --pid 7 --engine /bin/podman --gpus none --env A --env B --allow-env PATH --start-arg --memory=9g --pull --keep");
        assert_eq!(TargetOptions::default().again(), []);
    }
}
