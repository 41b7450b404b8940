//! From options to a target that runs: the command is told before it is
//! started, word for word, and with everything that longhaul adds.

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
use crate::world::Whereabouts;

/// How long a server may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bounds a look at who listens on a port.
const KNOCK: Duration = Duration::from_secs(1);
/// Variables that a server may need and that nobody writes down: given by name where they are set.
const SECRETS: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];
/// Where images of this field have their model cache.
const CACHE: &str = "/root/.cache/huggingface";

/// What is needed to begin.
pub(crate) struct Launch<'a> {
    /// How it is started, or what of it is watched.
    pub options: &'a TargetOptions,
    pub timeline: Timeline,
    /// Where the server will answer.
    pub address: &'a str,
    /// Tells a person what is done.
    pub tell: fn(&str),
}

impl Launch<'_> {
    /// A target that runs, and what was added to the recipe.
    ///
    /// # Errors
    /// It cannot be started or found, and what to try.
    pub(crate) async fn launched(
        &self,
        whereabouts: &Whereabouts,
    ) -> Result<(StartedTarget, Vec<String>), Mistake> {
        let whereabouts = whereabouts.clone();
        let Some((start, reading)) = self.options.start.zip(self.options.reading.as_ref()) else {
            return self.watched(whereabouts).await.map(|started| (started, Vec::new()));
        };
        self.is_free()?;
        match start {
            StartMethod::Process => self.process(&reading.recipe, whereabouts),
            StartMethod::Docker | StartMethod::Podman => {
                self.container(start, reading, whereabouts).await
            }
            StartMethod::Sparkrun => self.sparkrun(&reading.recipe),
        }
    }

    async fn watched(&self, whereabouts: Whereabouts) -> Result<StartedTarget, Mistake> {
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
            return Ok(watched::container(&engine, name, look, whereabouts));
        }
        match self.options.pid {
            Some(pid) => watched::process(pid, self.timeline, whereabouts),
            None => Ok(attached(self.timeline)),
        }
    }

    /// `host:port` of the address.
    fn place(&self) -> &str {
        let place = self.address.split("://").last().unwrap_or_default();
        place.split('/').next().unwrap_or_default()
    }

    /// Whoever listens there already would be driven in the recipe's name.
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
        whereabouts: Whereabouts,
    ) -> Result<(StartedTarget, Vec<String>), Mistake> {
        let command = recipe.command.clone().unwrap_or_default();
        (self.tell)(&format!("starting, as a process of this machine:\n{}", indented(&command)));
        for (name, _) in &recipe.env {
            (self.tell)(&format!("  with the recipe's {name}"));
        }
        let process =
            Process { command, env: recipe.env.clone(), folder: None, patience: PATIENCE };
        Ok((process.start(self.timeline, whereabouts)?, Vec::new()))
    }

    async fn container(
        &self,
        start: StartMethod,
        reading: &ReadRecipe,
        whereabouts: Whereabouts,
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
        Ok((container.start(whereabouts).await?, line.added))
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

    /// The recipe as sparkrun finds it: a file by its path, a reference as it is, one of
    /// longhaul's own as a file that it is written to.
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

    /// This run's own.
    fn label(&self) -> String {
        format!("{:x}-{}", self.timeline.wall_us(), std::process::id())
    }
}

/// A recipe's name as an engine takes it for a container's.
fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
