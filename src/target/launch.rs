//! Starts a target from its options: shows the command before it starts, word for word, with
//! everything that longhaul adds.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use super::container::ContainerEngine;
use super::docker::image::resolved;
use super::docker::line::{Additions, RunLine, of_command, of_line};
use super::docker::{Container, LABEL};
use super::options::{StartMethod, TargetOptions};
use super::process::Process;
use super::sparkrun::Sparkrun;
use super::{Program, StartedTarget, attached, watched};
use crate::error::Mistake;
use crate::escape::command_line;
use crate::spec::Recipe;
use crate::spec::recipe::{How, ReadRecipe, docker};
use crate::timeline::Timeline;
use crate::world::ServerPid;

/// Time that a server may take to stop when it is asked to.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limit of the check whether a port is in use.
const KNOCK: Duration = Duration::from_secs(1);
/// Secret variables that a server may need: passed by name only, where they are set.
const SECRETS: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];
/// Model cache folder that common serving images use.
const CACHE: &str = "/root/.cache/huggingface";

/// Inputs of a launch.
pub(crate) struct Launch<'a> {
    /// Options of the start, or of what is watched.
    pub options: &'a TargetOptions,
    pub timeline: Timeline,
    /// Address at which the server will answer.
    pub address: &'a str,
    /// Prints a line for the user.
    pub tell: fn(&str),
}

impl Launch<'_> {
    /// Starts the target, or begins to watch it; also returns what was added to the recipe.
    ///
    /// # Errors
    /// The target cannot be started or found, and what to try.
    pub(crate) async fn launched(
        &self,
        server_pid: &ServerPid,
    ) -> Result<(StartedTarget, Vec<String>), Mistake> {
        let server_pid = server_pid.clone();
        let Some((start, reading)) = self.options.start.zip(self.options.reading.as_ref()) else {
            return self.watched(server_pid).await.map(|started| (started, Vec::new()));
        };
        self.is_free()?;
        match start {
            StartMethod::Process => self.process(&reading.recipe, server_pid),
            StartMethod::Docker | StartMethod::Podman => {
                self.container(start, reading, server_pid).await
            }
            StartMethod::Sparkrun => self.sparkrun(&reading.recipe),
        }
    }

    async fn watched(&self, server_pid: ServerPid) -> Result<StartedTarget, Mistake> {
        if let Some(name) = &self.options.container {
            let engine = ContainerEngine::new(self.program(StartMethod::Docker), self.timeline);
            let look = engine.find(name).await?;
            (self.tell)(&format!(
                "watching container {name}: {}, started {}",
                look.status, look.started
            ));
            if !matches!(look.policy.as_str(), "" | "no") {
                let policy = &look.policy;
                (self.tell)(&format!(
                    "note: restart policy `{policy}`: crashes are begun again by the engine, and longhaul counts them"
                ));
            }
            return Ok(watched::container(&engine, name, look, server_pid));
        }
        let log = match &self.options.server_log {
            Some(log) => {
                let found = log.find(self.timeline).await?;
                (self.tell)(&format!("following the server's log from its end on: {log}"));
                Some(found)
            }
            None => None,
        };
        match self.options.pid {
            Some(pid) => watched::process(pid, self.timeline, server_pid, log),
            None => Ok(attached(self.timeline, log)),
        }
    }

    /// Returns `host:port` of the address.
    fn place(&self) -> &str {
        let place = self.address.split("://").last().unwrap_or_default();
        place.split('/').next().unwrap_or_default()
    }

    /// Checks that nothing listens at the address yet: it would be measured instead of the recipe.
    fn is_free(&self) -> Result<(), Mistake> {
        let addresses = self.place().to_socket_addrs().into_iter().flatten();
        let is_taken =
            addresses.take(2).any(|address| TcpStream::connect_timeout(&address, KNOCK).is_ok());
        if !is_taken {
            return Ok(());
        }
        Err(Mistake::new(format!("something listens on {} already", self.address))
            .hint("end it, or drive it: --endpoint without --start")
            .hint("another port in the recipe"))
    }

    fn process(
        &self,
        recipe: &Recipe,
        server_pid: ServerPid,
    ) -> Result<(StartedTarget, Vec<String>), Mistake> {
        let command = recipe.command.clone().unwrap_or_default();
        (self.tell)(&format!("starting, as a process of this machine:\n{}", indented(&command)));
        for (name, _) in &recipe.env {
            (self.tell)(&format!("  with the recipe's {name}"));
        }
        let process =
            Process { command, env: recipe.env.clone(), folder: None, patience: PATIENCE };
        Ok((process.start(self.timeline, server_pid)?, Vec::new()))
    }

    async fn container(
        &self,
        start: StartMethod,
        reading: &ReadRecipe,
        server_pid: ServerPid,
    ) -> Result<(StartedTarget, Vec<String>), Mistake> {
        let engine = ContainerEngine::new(self.program(start), self.timeline);
        let Some(image) = reading.recipe.container.as_deref() else {
            return Err(Mistake::new("the recipe names no image")
                .at(&reading.recipe.source.origin)
                .hint("`container: name@sha256:…`"));
        };
        if self.options.pull {
            (self.tell)(&format!("pulling {image} where it is not here"));
        }
        let image = resolved(&engine, image, self.options.pull).await?;
        let label = self.label();
        let line = self.line(reading, &image, &label)?;
        (self.tell)(&format!(
            "starting: {} run -d {}",
            engine.program.0,
            command_line(&line.words)
        ));
        (self.tell)(&format!("added to the recipe: {}", line.added.join(", ")));
        let container = Container {
            engine,
            words: line.words,
            label,
            patience: PATIENCE,
            keep: self.options.keep,
        };
        Ok((container.start(server_pid).await?, line.added))
    }

    fn line(&self, reading: &ReadRecipe, image: &str, label: &str) -> Result<RunLine, Mistake> {
        let recipe = &reading.recipe;
        let home = std::env::var("HOME").unwrap_or_default();
        let is_set = |name: &&str| std::env::var_os(name).is_some();
        let secrets = SECRETS.iter().filter(|name| is_set(name)).map(|&name| name.to_owned());
        let asked = self.options.env.iter().cloned();
        let gpus = self.options.gpus.clone().unwrap_or_else(|| "all".to_owned());
        let cache =
            std::env::var("HF_HOME").unwrap_or_else(|_| format!("{home}/.cache/huggingface"));
        let additions = Additions {
            name: format!("longhaul-{}", plain(&recipe.source.name)),
            label: format!("{LABEL}={label}"),
            gpus: (gpus != "none").then_some(gpus),
            cache: PathBuf::from(&cache).is_dir().then(|| (cache, CACHE.to_owned())),
            secrets: secrets.chain(asked).collect(),
            more: self.options.more.clone(),
            home,
        };
        if reading.how == How::AsItStands {
            let begins = docker::begins(&recipe.source.text).unwrap_or_default();
            let saved = docker::parse(&recipe.source.text, begins);
            let own = self.options.env.clone();
            return of_line(image, &saved, &Additions { secrets: own, ..additions });
        }
        let command = recipe.command.as_deref().unwrap_or_default();
        Ok(of_command(image, &recipe.env, command, &additions))
    }

    fn sparkrun(&self, recipe: &Recipe) -> Result<(StartedTarget, Vec<String>), Mistake> {
        let sparkrun = Sparkrun {
            program: Program(self.program(StartMethod::Sparkrun).to_owned()),
            recipe: self.for_sparkrun(recipe)?,
            label: self.label(),
            more: self.options.more.clone(),
            place: self.place().to_owned(),
            keep: self.options.keep,
        };
        let words = sparkrun.run_words();
        (self.tell)(&format!("starting: {} {}", sparkrun.program.0, command_line(&words)));
        Ok((sparkrun.start(self.timeline)?, words))
    }

    /// Returns the recipe's name for sparkrun: the path of a file, a reference unchanged, or the
    /// path of a file to which a recipe that longhaul ships is written.
    fn for_sparkrun(&self, recipe: &Recipe) -> Result<String, Mistake> {
        let source = &recipe.source;
        let Some(name) = source.origin.strip_prefix("shipped:") else {
            return Ok(source.origin.clone());
        };
        let path = std::env::temp_dir().join(format!("longhaul-{}", self.label()));
        let file = path.join(format!("{name}.yaml"));
        let written =
            std::fs::create_dir_all(&path).and_then(|()| std::fs::write(&file, &source.text));
        written.map_err(|why| {
            Mistake::new(format!("the recipe cannot be handed to sparkrun: {why}"))
                .at(file.display().to_string())
        })?;
        Ok(file.display().to_string())
    }

    fn program(&self, start: StartMethod) -> &str {
        self.options.engine.as_deref().unwrap_or(start.word())
    }

    /// Returns a label that is unique to this run.
    fn label(&self) -> String {
        format!("{:x}-{}", self.timeline.wall_us(), std::process::id())
    }
}

/// Converts a recipe's name to a valid container name.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
