//! Checks the options of `longhaul run` against each other, and reads the texts that they name.

use std::path::PathBuf;

use crate::command::drive::{DriveOptions, RepeatCommand, Specs, vacant};
use crate::command::inputs::DEFAULT_RECIPE;
use crate::command::sim::{no_profile, of_the_server};
use crate::error::Mistake;
use crate::spec::Scenario;
use crate::spec::recipe::ReadRecipe;
use crate::target::options::{StartMethod, TargetOptions};

/// Options of `longhaul run`.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunOptions {
    /// Options that rehearsals have too.
    pub drive: DriveOptions,
    /// Whether the simulated server is driven.
    pub simulate: bool,
    pub server: ServerOptions,
}

/// Server's address, and how it is started, watched and connected to.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerOptions {
    /// Address; derived from the recipe where longhaul starts the server.
    pub endpoint: Option<String>,
    /// Variable that holds the API key.
    pub api_key_env: Option<String>,
    /// Headers for every request.
    pub headers: Vec<String>,
    /// Certificates to trust.
    pub ca_cert: Option<PathBuf>,
    /// Whether a host without a known address is waited for.
    pub wait: bool,
    /// Options of how the server is started or watched.
    pub target: TargetOptions,
}

/// Checks whether a recipe could be started and driven, as far as it and the scenario show.
///
/// # Errors
/// A mistake of the user.
pub(crate) fn check(
    options: RunOptions,
    reading: ReadRecipe,
    scenario: Scenario,
) -> Result<(), Mistake> {
    let mut target = options.server.target.clone();
    let simulated = target.start.is_none();
    target.check(false, options.simulate, options.drive.inputs.recipe.is_some())?;
    if !simulated {
        options.no_simulation()?;
    }
    let recipe = Some(reading.recipe.clone());
    Specs::new(options.drive, recipe, scenario, None, simulated)?;
    if !simulated {
        target.accept_recipe(reading)?;
    }
    Ok(())
}

impl RunOptions {
    /// Finds and reads the texts, and plans the load. Also returns the server's options, with the
    /// recipe that is to be started and its address.
    ///
    /// # Errors
    /// A mistake of the user.
    pub(crate) fn read(self) -> Result<(Specs, ServerOptions), Mistake> {
        let mut server = self.server.clone();
        let inputs = &self.drive.inputs;
        server.target.check(server.endpoint.is_some(), self.simulate, inputs.recipe.is_some())?;
        let bare =
            server.endpoint.is_none() && inputs.recipe.is_none() && inputs.scenario.is_none();
        let simulated = self.simulate || bare;
        if !simulated && server.endpoint.is_none() && server.target.start.is_none() {
            // A night spent on the simulator by mistake would be lost.
            return Err(Mistake::new(
                "no server is given: a recipe and a scenario have no address",
            )
            .hint("--endpoint http://host:8000 to drive a server that runs")
            .hint("--start process, docker, podman or sparkrun to start the recipe")
            .hint("--simulate to drive the built-in simulated server"));
        }
        if !simulated {
            self.no_simulation()?;
        }
        let reading = match server.target.start {
            Some(StartMethod::Sparkrun) => inputs.handed_on()?,
            _ => inputs.reading(simulated.then_some(DEFAULT_RECIPE))?,
        };
        let recipe = reading.as_ref().map(|reading| reading.recipe.clone());
        if let Some(reading) = reading.filter(|_| server.target.start.is_some()) {
            let derived = server.target.accept_recipe(reading)?;
            server.endpoint.get_or_insert(derived);
        }
        let scenario = inputs.scenario(if simulated { "smoke" } else { "quick" })?;
        if !simulated && server.target.start.is_none() {
            gives_no_orders(&scenario)?;
        }
        let profile = if simulated { inputs.profile(recipe.as_ref())? } else { None };
        if simulated && profile.is_none() {
            return Err(no_profile());
        }
        let drive = DriveOptions { again: server.again(simulated), ..self.drive };
        vacant(&drive)?;
        let specs = Specs::new(drive, recipe, scenario, profile, simulated)?;
        of_the_server(&specs.options.ailments, &specs.ailments)?;
        Ok((specs, server))
    }

    /// Rejects options that only the simulated server has.
    fn no_simulation(&self) -> Result<(), Mistake> {
        if !self.drive.ailments.is_empty() {
            return Err(Mistake::new(
                "--ailment is a fault of the simulated server, and this one is real",
            )
            .hint("--simulate in place of --endpoint"));
        }
        if self.drive.server_seed.is_some() {
            let what = "--server-seed makes the simulated server's noise, and this server is real";
            return Err(Mistake::new(what).hint("--seed makes the load"));
        }
        if self.drive.inputs.profile.is_some() {
            let what = "--profile is the machine of the simulated server, and this server is real";
            return Err(Mistake::new(what).hint("longhaul plan takes rates from a profile"));
        }
        Ok(())
    }
}

impl ServerOptions {
    /// Returns the verb and its own flags, for the command line that repeats the run.
    fn again(&self, simulated: bool) -> RepeatCommand {
        let value = |name, value: Option<String>| value.map(|value| (name, Some(value)));
        let ca_cert = self.ca_cert.as_ref().map(|path| path.display().to_string());
        let mut flags: Vec<_> = self.target.again();
        let others = [
            value("endpoint", self.endpoint.clone()),
            value("api-key-env", self.api_key_env.clone()),
            value("ca-cert", ca_cert),
            self.wait.then_some(("wait", None)),
            simulated.then_some(("simulate", None)),
        ];
        flags.extend(others.into_iter().flatten());
        let name = |header: &String| Some(header.split_once(':')?.0.trim().to_owned());
        let headers = self.headers.iter().filter_map(name).collect();
        RepeatCommand { verb: "run", flags, headers }
    }
}

/// Rejects drills that give orders: they cannot be carried out on a server that longhaul did not
/// start.
fn gives_no_orders(scenario: &Scenario) -> Result<(), Mistake> {
    let Some(drill) = scenario.drills.iter().find(|drill| drill.kind.gives_orders()) else {
        return Ok(());
    };
    let what = format!("the drill `{}` needs a server that longhaul starts", drill.kind.word());
    Err(Mistake::new(what)
        .at(scenario.source.origin.clone())
        .hint("--start process|docker|podman|sparkrun, with the recipe that it runs")
        .hint("a scenario without it"))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tempfile::TempDir;

    use super::*;
    use crate::shown::named;

    /// Renders a run, or the mistake in its options, as text for the snapshot.
    fn reported(options: RunOptions) -> String {
        match options.read() {
            Ok((specs, server)) => {
                let flag = |(name, value): &(&str, Option<String>)| match value {
                    Some(value) => format!(" --{name} {value}"),
                    None => format!(" --{name}"),
                };
                let again = &specs.options.again;
                format!(
                    "simulated {}, {} of {}, at {}\nagain: {}{}",
                    specs.simulated,
                    specs.scenario.source.name,
                    specs.recipe.map_or("no recipe".to_owned(), |recipe| recipe.source.name),
                    server.endpoint.as_deref().unwrap_or("no address"),
                    again.verb,
                    again.flags.iter().map(flag).collect::<String>()
                )
            }
            Err(wrong) => wrong.to_string(),
        }
    }

    type Change = fn(&mut RunOptions);

    /// Renders each run as text for the snapshot. Runs go to a folder of their own.
    fn all(runs: &[(&str, Change)]) -> String {
        let folder = TempDir::new().unwrap();
        let reported = runs.iter().map(|(name, change)| {
            let mut options = RunOptions::default();
            options.drive.output = Some(folder.path().join("run"));
            change(&mut options);
            format!("{name}\n{}", reported(options))
        });
        let reported: Vec<String> = reported.collect();
        named(&reported.join("\n\n"), &[(&folder.path().display().to_string(), "FOLDER")])
    }

    fn endpoint(options: &mut RunOptions) {
        options.server.endpoint = Some("http://127.0.0.1:9".to_owned());
    }

    #[test]
    fn what_is_named_decides_whether_the_server_is_simulated() {
        let reported = all(&[
            ("nothing", |_| ()),
            ("an endpoint", endpoint),
            ("--simulate", |it| it.simulate = true),
            ("a recipe alone", |it| it.drive.inputs.recipe = Some(DEFAULT_RECIPE.to_owned())),
            ("a scenario alone", |it| it.drive.inputs.scenario = Some("short".to_owned())),
            ("a recipe, simulated", |it| {
                it.drive.inputs.recipe = Some(DEFAULT_RECIPE.to_owned());
                it.simulate = true;
            }),
            ("a recipe to start", |it| {
                it.drive.inputs.recipe = Some(DEFAULT_RECIPE.to_owned());
                it.server.target.start = Some(StartMethod::Process);
            }),
            ("a recipe to start, and its address", |it| {
                endpoint(it);
                it.drive.inputs.recipe = Some(DEFAULT_RECIPE.to_owned());
                it.server.target.start = Some(StartMethod::Process);
            }),
            ("everything that is asked for again", |it| {
                endpoint(it);
                it.server.api_key_env = Some("KEY".to_owned());
                it.server.headers = vec!["X-Team: soak".to_owned()];
                it.server.ca_cert = Some("ca.pem".into());
            }),
        ]);
        assert_snapshot!("runs", reported);
    }

    #[test]
    fn what_only_the_simulated_server_has_is_refused_for_a_real_one() {
        let reported = all(&[
            ("an ailment", |it| {
                endpoint(it);
                it.drive.ailments = vec!["crash".to_owned()];
            }),
            ("another start of the server", |it| {
                endpoint(it);
                it.drive.server_seed = Some(7);
            }),
            ("a machine profile", |it| {
                endpoint(it);
                it.drive.inputs.profile = Some("dgx-spark-nemotron-3-super".to_owned());
            }),
            ("an ailment of longhaul's machine", |it| {
                it.drive.ailments = vec!["wall_clock_step=-5m@1h".to_owned()];
            }),
            ("an ailment that is none", |it| it.drive.ailments = vec!["crsh".to_owned()]),
        ]);
        assert_snapshot!("simulation", reported);
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_before_anything_is_started() {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path.display().to_string())
        };
        let of = |change: &dyn Fn(&mut RunOptions)| {
            let mut options = RunOptions::default();
            options.drive.output = Some(folder.path().join("run"));
            change(&mut options);
            reported(options)
        };
        let drills = write(
            "drills.yaml",
            "duration: 4h\nworkloads:\n  - ladder: {depths: [0], prompt: 8, output: 8, concurrency: [1]}\n\
             drills:\n  - restart: {at: 2h}\n",
        );
        let bare = write("bare.yaml", "model: m\ncommand: vllm serve m\n");
        let filled = folder.path().join("filled");
        std::fs::create_dir(&filled).unwrap();
        std::fs::write(filled.join("precious.txt"), "mine").unwrap();
        let reported = [
            of(&|it| {
                endpoint(it);
                it.drive.inputs.scenario.clone_from(&drills);
            }),
            of(&|it| {
                it.simulate = true;
                it.drive.inputs.recipe.clone_from(&bare);
            }),
            of(&|it| it.drive.output = Some(filled.clone())),
            of(&|it| it.drive.output = Some(folder.path().join("bare.yaml/run"))),
        ];
        let reported =
            named(&reported.join("\n\n"), &[(&folder.path().display().to_string(), "FOLDER")]);
        assert_snapshot!("refused", reported);
    }
}
