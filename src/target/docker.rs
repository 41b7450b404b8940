//! Starts a server as a container, through docker's or podman's command line. The container is
//! known by the id that the engine gave it; no other container is ever stopped or removed.

pub(crate) mod image;
pub(crate) mod line;

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::task::JoinSet;

use super::container::follow::{LogStart, follow};
use super::container::watch::{Watched, watch};
use super::container::{ContainerEngine, InspectError, refusal};
use super::handle::{self, Leftovers, NewsSender, Orders, StartedTarget};
use super::log::LogReader;
use super::memory;
use crate::error::Mistake;
use crate::fact::{Exited, Source, TargetFact, TargetWord};
use crate::series::MissedPart;
use crate::unit::{At, micros};
use crate::world::{ServerPid, TargetOrder};

/// Limit of `run -d`, and of the engine's commands at an end; a busy daemon takes seconds.
const ORDER_US: u64 = 120_000_000;
/// Time to wait at the end for an engine that does not answer, and the interval of the retries.
const AWAY_US: u64 = 60_000_000;
const TRY_US: u64 = 2_000_000;
/// Time that the last lines of a log may take to arrive.
const LAST_WORDS_US: u64 = 1_000_000;

/// Label of every container and workload that longhaul starts.
pub(crate) const LABEL: &str = "longhaul.run";

/// Container to start.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub engine: ContainerEngine,
    /// Arguments of `run`: options, image, command.
    pub words: Vec<String>,
    /// Value of its label, unique to this run.
    pub label: String,
    /// Time that it may take to stop when it is asked to.
    pub patience: Duration,
    /// Whether it is left running at the end of the run.
    pub keep: bool,
}

impl Container {
    /// Starts the container. The task stops and removes it when the run drops its handle.
    ///
    /// # Errors
    /// The engine's reason for refusing, and what to try.
    pub(crate) async fn start(self, server_pid: ServerPid) -> Result<StartedTarget, Mistake> {
        let memory = memory::available();
        let program = self.engine.program.0.clone();
        let mut ours = OwnedContainer { container: self, id: None };
        if let Err(why) = ours.run().await {
            ours.sweep().await;
            return Err(refusal::explained(&program, &why));
        }
        let timeline = ours.container.engine.timeline;
        Ok(handle::spawn(timeline, |orders, news| async move {
            let log = LogReader::new(news.clone(), Source::Container);
            let tasks = Tasks::default();
            let mut life = ContainerTask { ours, news, log, server_pid, memory, tasks };
            life.tasks.always.spawn_local(life.log.clone().cover());
            life.go_on(orders).await
        }))
    }
}

/// Container that longhaul started. A drop before its removal runs `rm -f`.
struct OwnedContainer {
    container: Container,
    id: Option<String>,
}

impl OwnedContainer {
    /// Starts the container and stores its id.
    async fn run(&mut self) -> Result<(), String> {
        let Container { engine, words, .. } = &self.container;
        let mut all = vec!["run".to_owned(), "-d".to_owned()];
        all.extend(words.iter().cloned());
        let answer = engine.program.ask(&engine.timeline, &all, ORDER_US).await;
        let answer = answer.map_err(|why| why.words(&engine.program))?;
        if !answer.is_good() {
            return Err(answer.complaint());
        }
        let id = answer.out.lines().last().unwrap_or_default().trim().to_owned();
        if id.len() < 12 || !id.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(format!("`{} run -d` gave no id", engine.program.0));
        }
        self.id = Some(id);
        Ok(())
    }

    /// Removes the remains of a failed start, found by this run's label and so longhaul's own.
    async fn sweep(&self) {
        let Container { engine, label, .. } = &self.container;
        let filter = format!("label={LABEL}={label}");
        let asked = ["ps", "-aq", "--no-trunc", "--filter", &filter];
        let Ok(found) = engine.program.ask(&engine.timeline, &asked, ORDER_US).await else {
            return;
        };
        for id in found.out.split_whitespace() {
            // The engine listed it, and an error here could not be handled any better.
            let _ = engine.program.ask(&engine.timeline, &["rm", "-f", id], ORDER_US).await;
        }
    }

    /// Stops and removes the container; returns how its process ended.
    async fn end(&mut self) -> Result<Exited, String> {
        let Some(id) = self.id.clone() else { return Ok(Exited::default()) };
        let Container { engine, patience, .. } = &self.container;
        let seconds = patience.as_secs().to_string();
        let limit_us = ORDER_US + micros(*patience);
        let asked = ["stop", "-t", &seconds, &id];
        let stopped = engine.program.ask(&engine.timeline, &asked, limit_us).await;
        let exit = match engine.look(&id).await {
            Ok(look) => Exited { code: look.exit_code, signal: None, oom_killed: look.oom_killed },
            Err(InspectError::Gone) => {
                self.id = None;
                return Ok(Exited::default());
            }
            Err(InspectError::Unanswered(why)) => return Err(why),
        };
        let removed = engine.program.ask(&engine.timeline, &["rm", "-f", &id], ORDER_US).await;
        match removed {
            Ok(answer) if answer.is_good() => self.id = None,
            Ok(answer) => return Err(answer.complaint()),
            Err(why) => return Err(why.words(&engine.program)),
        }
        stopped.map_err(|why| why.words(&engine.program))?;
        Ok(exit)
    }
}

impl Drop for OwnedContainer {
    fn drop(&mut self) {
        let Some(id) = self.id.take().filter(|_| !self.container.keep) else { return };
        // Reached only when a task panicked: nothing can wait for the command or report its result.
        let _ = Command::new(&self.container.engine.program.0)
            .args(["rm", "-f", &id])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
    }
}

/// Background tasks of a container.
#[derive(Default)]
struct Tasks {
    always: JoinSet<()>,
    /// Events and inspections, stopped before longhaul itself stops the container.
    watch: JoinSet<()>,
    /// Log reader, which runs a little longer than the watch.
    log: JoinSet<()>,
}

struct ContainerTask {
    ours: OwnedContainer,
    news: NewsSender,
    log: LogReader,
    server_pid: ServerPid,
    /// Available memory before the first start, in bytes.
    memory: Option<u64>,
    tasks: Tasks,
}

impl ContainerTask {
    async fn go_on(mut self, mut orders: Orders) -> Leftovers {
        self.began(None).await;
        while let Some((order, action)) = orders.recv().await {
            self.obey(order, action, &orders).await;
        }
        if self.ours.container.keep {
            self.ours.id = None;
            return None;
        }
        let deadline = At(self.news.timeline().now().0 + AWAY_US);
        while let Err(why) = self.end(None).await {
            let timeline = self.news.timeline();
            if timeline.now() >= deadline {
                let id = self.ours.id.clone().unwrap_or_default();
                return Some(format!("container {id} may still be there: {why}"));
            }
            timeline.until(At(timeline.now().0 + TRY_US)).await;
        }
        None
    }

    async fn began(&mut self, action: Option<u64>) {
        let Some(id) = self.ours.id.clone() else { return };
        let engine = self.ours.container.engine.clone();
        let short = id.get(..12).unwrap_or(&id);
        let words = format!("container {short} of {}", engine.program.0);
        let fact = |fact: TargetFact| TargetFact { action, ..fact };
        self.news.target(fact(TargetFact::new(TargetWord::Launched, words))).await;
        self.news.target(fact(TargetFact::ready("process"))).await;
        let log = follow(engine.clone(), id.clone(), None, LogStart::Start, self.log.clone());
        self.tasks.log.spawn_local(log);
        let Ok(first) = engine.look(&id).await else {
            let why = "the engine does not show the container that it has just started";
            return self.news.missed(Source::Container, MissedPart::State, why).await;
        };
        let watched =
            Watched { engine, name: id, server_pid: self.server_pid.clone(), is_own: true };
        self.tasks.watch.spawn_local(watch(watched, first, self.news.clone()));
    }

    async fn obey(&mut self, order: TargetOrder, action: u64, orders: &Orders) {
        if order == TargetOrder::Launch && self.runs().await {
            return self.news.failed(action, "launch: it runs already".to_owned()).await;
        }
        // The container uses this machine's memory only if its process runs here.
        let is_here = self.server_pid.pid().is_some();
        if self.end(Some(action)).await.is_err() || order == TargetOrder::Stop {
            return;
        }
        let timeline = self.news.timeline();
        let memory = self.memory.filter(|_| is_here);
        if let Err(why) = memory::back(&timeline, memory, || orders.is_closed()).await {
            return self.news.failed(action, why).await;
        }
        match self.ours.run().await {
            Ok(()) => self.began(Some(action)).await,
            Err(why) => {
                self.ours.sweep().await;
                let program = &self.ours.container.engine.program.0;
                self.news.failed(action, refusal::explained(program, &why).to_string()).await;
            }
        }
    }

    async fn runs(&self) -> bool {
        let Some(id) = &self.ours.id else { return false };
        self.ours.container.engine.look(id).await.is_ok_and(|look| look.running)
    }

    /// Stops and removes the container.
    ///
    /// # Errors
    /// The reason why it may still exist.
    async fn end(&mut self, action: Option<u64>) -> Result<(), String> {
        if self.ours.id.is_none() {
            return Ok(());
        }
        self.tasks.watch.abort_all();
        let ended = self.ours.end().await;
        self.server_pid.set(None);
        let timeline = self.news.timeline();
        timeline.until(At(timeline.now().0 + LAST_WORDS_US)).await;
        self.tasks.log.abort_all();
        let fact = match &ended {
            Ok(exit) => TargetFact {
                exit: Some(*exit),
                ..TargetFact::new(TargetWord::Exited, "longhaul stopped and removed its container")
            },
            Err(why) => TargetFact::new(TargetWord::Failed, format!("it cannot be ended: {why}")),
        };
        self.news.target(TargetFact { action, ..fact }).await;
        ended.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tokio::task::LocalSet;

    use super::*;
    use crate::target::standin::{Standin, answer};
    use crate::world::Target;

    const ID: &str = "56726ef06ab41f10";

    fn ours(standin: &Standin, id: Option<&str>) -> OwnedContainer {
        let container = Container {
            engine: standin.engine(),
            words: vec!["a/b@sha256:1".to_owned()],
            label: "7".to_owned(),
            patience: Duration::from_secs(30),
            // Whatever a test leaves is no container.
            keep: true,
        };
        OwnedContainer { container, id: id.map(str::to_owned) }
    }

    #[tokio::test]
    async fn a_start_gives_an_id_or_the_reason_why_there_is_none() {
        let mut all = Vec::new();
        for script in [
            "echo Pulling; echo 56726ef06ab41f10",
            "echo 56726ef06ab4",
            "echo 56726ef06ab",
            "echo 'no number at all'",
            "exit 0",
            "echo 'port is already allocated' >&2; exit 125",
            "exit 125",
            "kill -KILL $$",
        ] {
            let standin = Standin::new(script);
            let mut ours = ours(&standin, None);
            let started = ours.run().await;
            all.push(standin.told(&format!("{script}\n  {started:?}, {:?}", ours.id)));
        }
        assert_snapshot!("starts", all.join("\n\n"));
    }

    /// Returns a script that answers `stop`, `inspect` and `rm` each with a line of shell.
    fn ending(stop: &str, inspect: &str, rm: &str) -> String {
        format!("case $1 in stop) {stop};; inspect) {inspect};; rm) {rm};; esac")
    }

    const PAGE: &str = r#"echo '[{"Id":"56726ef06ab41f10","State":{"Running":false,"ExitCode":137,"OOMKilled":true}}]'"#;
    const GONE: &str = "echo 'Error: No such container' >&2; exit 1";
    const AWAY: &str = "echo 'Cannot connect to the Docker daemon' >&2; exit 1";

    #[tokio::test]
    async fn an_end_says_how_the_process_ended_or_why_the_container_may_still_be_there() {
        let mut all = Vec::new();
        for (name, script) in [
            ("stopped and removed", ending("true", PAGE, "true")),
            ("stopped late, and removed", ending("exit 1", PAGE, "true")),
            ("gone already", ending(GONE, GONE, GONE)),
            ("no engine", ending(AWAY, AWAY, AWAY)),
            ("not removed", ending("true", PAGE, "echo 'driver busy' >&2; exit 1")),
            ("not understood", ending("true", "echo banana", "true")),
        ] {
            let standin = Standin::new(&script);
            let mut ours = ours(&standin, Some(ID));
            let ended = ours.end().await;
            all.push(standin.told(&format!("{name}: {ended:?}, id {:?}", ours.id)));
        }
        assert_snapshot!("ends", all.join("\n\n"));
        let standin = Standin::new("exit 1");
        assert_eq!(ours(&standin, None).end().await, Ok(Exited::default()));
        assert_eq!(standin.asked(), "", "what was never started is not touched");
    }

    #[tokio::test]
    async fn what_a_failed_start_left_is_found_by_the_runs_label_alone() {
        let standin = Standin::new("[ $1 = ps ] && printf 'aa\\nbb\\n'");
        ours(&standin, None).sweep().await;
        assert_snapshot!(standin.told(""), @"
            $ engine ps -aq --no-trunc --filter label=longhaul.run=7
            $ engine rm -f aa
            $ engine rm -f bb
        ");
        let away = Standin::new(AWAY);
        ours(&away, None).sweep().await;
        assert_snapshot!(away.told(""), @"$ engine ps -aq --no-trunc --filter label=longhaul.run=7");
    }

    /// An engine whose containers run, and end by themselves never.
    const RUNS: &str = r#"case $1 in run) echo 56726ef06ab41f10;; events) exec sleep 60;;
        inspect) echo '[{"Id":"56726ef06ab41f10","State":{"Running":true,"Status":"running"}}]';; esac"#;

    #[tokio::test]
    async fn a_container_that_runs_is_not_launched_again_and_one_to_be_kept_is_not_ended() {
        let standin = Standin::new(RUNS);
        let container = ours(&standin, None).container.clone();
        let local = LocalSet::new();
        let (said, left) = local
            .run_until(async {
                let mut started = container.start(ServerPid::default()).await.expect("started");
                started.handle.order(TargetOrder::Launch, 1);
                let said = answer(&mut started.handle, 1).await;
                drop(started.handle);
                (said, started.task.await.expect("an end"))
            })
            .await;
        assert_snapshot!(said, @"Failed: launch: it runs already [action 1]");
        assert_eq!(left, None);
        let asked = standin.asked();
        let is_order = |line: &&str| ["stop", "rm", "kill"].iter().any(|it| line.starts_with(it));
        assert_eq!(asked.lines().find(is_order), None, "{asked}");
    }

    #[tokio::test]
    async fn a_start_that_is_refused_is_a_mistake_and_leaves_nothing() {
        let standin = Standin::new(
            "[ $1 = ps ] && echo aa; [ $1 = run ] && echo 'no such image' >&2; exit 1",
        );
        let refused = ours(&standin, None).container.clone().start(ServerPid::default()).await;
        assert_snapshot!(standin.told(&refused.expect_err("refused").to_string()), @"
            error: engine: the image is not here
               at: no such image
              try: --pull, to let longhaul fetch it
            $ engine run -d a/b@sha256:1
            $ engine ps -aq --no-trunc --filter label=longhaul.run=7
            $ engine rm -f aa
        ");
    }
}
