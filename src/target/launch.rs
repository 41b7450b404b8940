//! Starts a target from its options: shows the command before it starts, word for word, with
//! everything that longhaul adds.

use std::path::PathBuf;
use std::time::Duration;

use super::container::ContainerEngine;
use super::docker::image::resolved;
use super::docker::line::{Additions, RunLine, of_command, of_line};
use super::docker::{Container, LABEL};
use super::options::{StartMethod, TargetOptions};
use super::orphan::LaunchedServer;
use super::port::ServerPort;
use super::process::Process;
use super::sparkrun::Sparkrun;
use super::{Program, StartedTarget, attached, watched};
use crate::error::Mistake;
use crate::escape::{of_name, one_line};
use crate::shell::command_line;
use crate::spec::Recipe;
use crate::spec::recipe::{ReadRecipe, RenderMethod, docker};
use crate::timeline::Timeline;
use crate::world::ServerPid;

/// Time that a server may take to stop when it is asked to.
const PATIENCE: Duration = Duration::from_secs(30);
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
    /// Names the process of this machine that listens at a port, where it can be found.
    pub name_listener: fn(u16) -> Option<String>,
    /// Kernel's id of this boot, where it is known.
    pub boot_id: Option<&'a str>,
    /// Writes down durably what is started.
    pub record: &'a dyn Fn(&LaunchedServer) -> Result<(), Mistake>,
}

impl Launch<'_> {
    /// Starts the target, or begins to watch it; also returns what was added to the recipe.
    ///
    /// # Errors
    /// The target cannot be started or found, and what to try.
    pub(crate) async fn start_server(
        &self,
        server_pid: &ServerPid,
    ) -> Result<(StartedTarget, Vec<String>), Mistake> {
        let server_pid = server_pid.clone();
        let Some((start, reading)) = self.options.start.zip(self.options.reading.as_ref()) else {
            return self.watched(server_pid).await.map(|started| (started, Vec::new()));
        };
        self.is_free().await?;
        match start {
            StartMethod::Process => self.process(&reading.recipe, &server_pid),
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

    fn port(&self) -> ServerPort {
        ServerPort { place: self.place().to_owned(), name_listener: self.name_listener }
    }

    /// Checks that nothing listens at the address yet: it would be measured instead of the recipe.
    async fn is_free(&self) -> Result<(), Mistake> {
        let Some(who) = self.port().taken(&self.timeline).await else { return Ok(()) };
        Err(Mistake::new(format!("{who} listens on {} already", self.address))
            .hint("end it, or drive it: --endpoint without --start")
            .hint("another port in the recipe"))
    }

    fn process(
        &self,
        recipe: &Recipe,
        server_pid: &ServerPid,
    ) -> Result<(StartedTarget, Vec<String>), Mistake> {
        let command = recipe.command.clone().unwrap_or_default();
        (self.tell)(&format!("starting, as a process of this machine:\n{}", indented(&command)));
        for (name, value) in &recipe.env {
            (self.tell)(&format!("    with {name}={}", one_line(value, usize::MAX)));
        }
        let (env, port) = (recipe.env.clone(), Some(self.port()));
        let process = Process { command, env, folder: None, patience: PATIENCE, port };
        let started = process.start(self.timeline, server_pid.clone())?;
        let launched = server_pid
            .pid()
            .zip(self.boot_id)
            .and_then(|(pid, boot_id)| LaunchedServer::process(pid, boot_id));
        launched.map_or(Ok(()), |launched| (self.record)(&launched))?;
        Ok((started, Vec::new()))
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
            port: Some(self.port()),
        };
        (self.record)(&LaunchedServer::container(&container.label, &container.engine.program.0))?;
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
            name: format!(
                "longhaul-{}",
                recipe.source.name.chars().map(of_name).collect::<String>()
            ),
            label: format!("{LABEL}={label}"),
            gpus: (gpus != "none").then_some(gpus),
            cache: PathBuf::from(&cache).is_dir().then(|| (cache, CACHE.to_owned())),
            secrets: secrets.chain(asked).collect(),
            more: self.options.more.clone(),
            home,
        };
        if reading.how == RenderMethod::AsItStands {
            let saved = docker::line(&recipe.source.text).unwrap_or_default();
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

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use insta::assert_snapshot;
    use tokio::task::LocalSet;

    use super::*;
    use crate::shown::named;
    use crate::target::standin::{Standin, reading};

    fn launch<'a>(options: &'a TargetOptions, address: &'a str) -> Launch<'a> {
        Launch {
            options,
            timeline: Timeline::start(),
            address,
            tell: |_| (),
            name_listener: |_| Some("python3 (pid 7)".to_owned()),
            boot_id: None,
            record: &|_| Ok(()),
        }
    }

    /// Returns why a target is not started or watched.
    async fn refused(options: &TargetOptions, address: &str) -> String {
        let launch = launch(options, address);
        let launched = LocalSet::new().run_until(launch.start_server(&ServerPid::default())).await;
        launched.map(|_| "launched").expect_err("refused").to_string()
    }

    #[tokio::test]
    async fn nothing_is_started_where_somebody_listens_already() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/v1", taken.local_addr().expect("an address"));
        let options = TargetOptions {
            start: Some(StartMethod::Process),
            reading: Some(reading("r.yaml", "model: m\ncommand: exit 1\n")),
            ..TargetOptions::default()
        };
        let reported = refused(&options, &address).await;
        assert_snapshot!(named(&reported, &[(&address, "ADDRESS")]), @"
            error: python3 (pid 7) listens on ADDRESS already
              try: end it, or drive it: --endpoint without --start
              try: another port in the recipe
        ");
    }

    #[tokio::test]
    async fn what_is_to_be_watched_must_be_there() {
        let gone = Standin::new("echo 'Error: No such container: brain' >&2; exit 1");
        let away = Standin::new("echo 'Cannot connect to the Docker daemon' >&2; exit 1");
        let odd = Standin::new("echo banana");
        let watching = |standin: &Standin, name: &str| TargetOptions {
            container: Some(name.to_owned()),
            engine: Some(standin.path()),
            ..TargetOptions::default()
        };
        let mut reported = Vec::new();
        for (standin, name) in
            [(&gone, "brain"), (&away, "brain"), (&odd, "brain"), (&gone, "-v"), (&gone, "a b")]
        {
            let refused = refused(&watching(standin, name), "http://127.0.0.1:9").await;
            reported.push(named(&refused, &[(&standin.path(), "engine")]));
        }
        assert_snapshot!("watched", reported.join("\n\n"));
    }

    #[tokio::test]
    async fn a_recipe_without_an_image_is_no_container() {
        let options = TargetOptions {
            start: Some(StartMethod::Docker),
            reading: Some(reading("r.yaml", "model: m\ncommand: vllm serve m\n")),
            ..TargetOptions::default()
        };
        assert_snapshot!(refused(&options, "http://127.0.0.1:9").await, @"
            error: the recipe names no image
               at: r.yaml
              try: `container: name@sha256:…`
        ");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let options = |start| TargetOptions {
            start: Some(start),
            engine: Some("/no/such/program".to_owned()),
            reading: Some(reading("r.yaml", "model: m\ncontainer: a/b:1\ncommand: vllm serve m\n")),
            ..TargetOptions::default()
        };
        let reported = [
            refused(&options(StartMethod::Podman), "http://127.0.0.1:9").await,
            refused(&options(StartMethod::Sparkrun), "http://127.0.0.1:9").await,
        ];
        assert_snapshot!(reported.join("\n\n"), @"
            error: /no/such/program: the program is not here
               at: there is no program `/no/such/program` here
              try: install it, or name the one that is: --engine PROGRAM

            error: `/no/such/program` cannot be started: No such file or directory (os error 2)
              try: pip install sparkrun, or --engine PATH
        ");
    }

    #[tokio::test]
    async fn sparkrun_gets_a_path_or_a_reference_and_of_a_shipped_recipe_a_file() {
        let options = TargetOptions::default();
        let launch = launch(&options, "http://127.0.0.1:9");
        let handed = |origin: &str| launch.for_sparkrun(&reading(origin, "model: m\n").recipe);
        assert_eq!(handed("a/r.yaml").as_deref(), Ok("a/r.yaml"));
        assert_eq!(handed("@spark-arena/0a1b").as_deref(), Ok("@spark-arena/0a1b"));
        let file = PathBuf::from(handed("shipped:mine").expect("written"));
        assert!(file.ends_with("mine.yaml"), "{}", file.display());
        assert_eq!(std::fs::read_to_string(&file).expect("a file"), "model: m\n");
        std::fs::remove_dir_all(file.parent().expect("a folder")).expect("removed");
    }

    #[test]
    fn a_recipes_name_becomes_a_containers() {
        let name: String = "org/my model:7B_v1.0-é".chars().map(of_name).collect();
        assert_eq!(name, "org-my-model-7B_v1.0--");
        assert_eq!(indented("a\n  b\n"), "    a\n      b");
    }
}
