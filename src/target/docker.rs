//! Starts a server as a container, through docker's or podman's command line. The container is
//! known by the id that the engine gave it; no other container is ever stopped or removed.

pub(crate) mod image;
pub(crate) mod line;
mod owned;

use std::time::Duration;

use tokio::task::JoinSet;

use super::container::follow::{LogStart, follow};
use super::container::watch::{Watched, watch};
use super::container::{ContainerEngine, refusal};
use super::handle::{self, Leftovers, NewsSender, Orders, StartedTarget};
use super::log::{LogReader, LogThread};
use super::memory;
use super::port::{self, ServerPort};
use crate::error::Mistake;
use crate::fact::{Source, TargetFact, TargetWord};
use crate::series::MissedPart;
use crate::unit::At;
use crate::world::{ServerPid, TargetOrder};
use owned::OwnedContainer;

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
    /// Place at which it will listen, where that is known.
    pub port: Option<ServerPort>,
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
            let (tasks, thread) = (Tasks::default(), LogThread::start());
            thread.runtime().spawn(log.clone().cover());
            let life = ContainerTask { ours, news, log, thread, server_pid, memory, tasks };
            life.go_on(orders).await
        }))
    }
}

/// Background tasks of a container.
#[derive(Default)]
struct Tasks {
    /// Events and inspections, stopped before longhaul itself stops the container.
    watch: JoinSet<()>,
    /// Log reader, which runs a little longer than the watch.
    log: JoinSet<()>,
}

struct ContainerTask {
    ours: OwnedContainer,
    news: NewsSender,
    log: LogReader,
    thread: LogThread,
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
        self.tasks.log.spawn_on(log, self.thread.runtime());
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
        if let Some(why) = port::in_the_way(self.ours.container.port.as_ref(), &timeline).await {
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

    use super::owned::tests::container;
    use super::*;
    use crate::target::standin::{Standin, answers};

    /// An engine whose containers run, and end by themselves never.
    const RUNS: &str = r#"case $1 in run) echo 56726ef06ab41f10;; events) exec sleep 60;;
        inspect) echo '[{"Id":"56726ef06ab41f10","State":{"Running":true,"Status":"running"}}]';; esac"#;

    #[tokio::test]
    async fn a_container_that_runs_is_not_launched_again_and_one_to_be_kept_is_not_ended() {
        let standin = Standin::new(RUNS);
        let container = container(&standin);
        let (said, left) = LocalSet::new()
            .run_until(async {
                let started = container.start(ServerPid::default()).await.expect("started");
                answers(started, &[TargetOrder::Launch]).await
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
        let refused = container(&standin).start(ServerPid::default()).await;
        assert_snapshot!(standin.reported(&refused.expect_err("refused").to_string()), @"
            error: engine: the image is not here
               at: no such image
              try: --pull, to let longhaul fetch it
            $ engine run -d a/b@sha256:1
            $ engine ps -aq --no-trunc --filter label=longhaul.run=7
            $ engine rm -f aa
        ");
    }
}
