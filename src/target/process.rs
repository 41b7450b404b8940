//! Starts a server as a process of this machine: the recipe's command, in its own process group.
//! Ending it ends the whole tree: an engine's workers can outlive the process that answers
//! requests, and keep holding its memory.

mod child;

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use child::Child;

use super::handle::{self, NewsSender, Orders, StartedTarget};
use super::log::{LogReader, LogThread};
use super::memory;
use super::port::{self, ServerPort};
use super::tree;
use crate::error::Mistake;
use crate::fact::{Fact, Source, Statement, TargetFact, TargetWord};
use crate::series::PROCESS_RUNNING;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{ServerPid, TargetOrder};

/// Interval at which the tree is scanned, so that a process that leaves it is still known.
const LOOK_US: u64 = 1_000_000;
/// Time in which the children of a dead server may end by themselves.
const ORPHANS_US: u64 = 5_000_000;
/// Interval at which coverage is reported.
const COVERAGE_US: u64 = 10_000_000;

/// Process to start.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// Command for `bash -c`.
    pub command: String,
    /// Variables added to longhaul's own environment; they take precedence.
    pub env: Vec<(String, String)>,
    /// Working folder.
    pub folder: Option<PathBuf>,
    /// Time that it may take to stop when it is asked to.
    pub patience: Duration,
    /// Place at which it will listen, where that is known.
    pub port: Option<ServerPort>,
}

impl Process {
    /// Starts the process. The task ends it when the run drops its handle.
    ///
    /// # Errors
    /// There is no `bash`, or no such folder.
    pub(crate) fn start(
        self,
        timeline: Timeline,
        server_pid: ServerPid,
    ) -> Result<StartedTarget, Mistake> {
        let memory = memory::available();
        let child = Child::spawn(&self).map_err(|why| {
            Mistake::new(format!("the recipe's command cannot be started: {why}"))
                .hint("bash, and the folder to run it in")
        })?;
        server_pid.set(Some(child.pid));
        Ok(handle::spawn(timeline, |orders, news| async move {
            let log = LogReader::new(news.clone(), Source::Process);
            let thread = LogThread::start();
            thread.runtime().spawn(log.clone().cover());
            let life = ProcessTask {
                process: self,
                news,
                log,
                thread,
                server_pid,
                memory,
                child: None,
                left: None,
            };
            life.go_on(child, orders).await;
            None
        }))
    }
}

/// State of the process and of its restarts.
struct ProcessTask {
    process: Process,
    news: NewsSender,
    log: LogReader,
    thread: LogThread,
    server_pid: ServerPid,
    /// Available memory before the first start, in bytes.
    memory: Option<u64>,
    child: Option<Child>,
    /// Child that ended, and when: its own children may still run.
    left: Option<(At, Child)>,
}

/// Input that the task waits for.
enum Input {
    Order(Option<(TargetOrder, u64)>),
    Ended(std::io::Result<std::process::ExitStatus>),
    Look,
}

impl ProcessTask {
    async fn go_on(mut self, child: Child, mut orders: Orders) {
        self.began(child, None).await;
        let timeline = self.news.timeline();
        let mut covered = timeline.now();
        let mut due = covered;
        loop {
            due = due.max(timeline.now());
            let input = tokio::select! { biased;
                order = orders.recv() => Input::Order(order),
                ended = ended(self.child.as_mut()) => Input::Ended(ended),
                () = timeline.until(due) => Input::Look,
            };
            match input {
                Input::Order(None) => break,
                Input::Order(Some((order, action))) => {
                    self.obey(order, action, &mut orders).await;
                }
                Input::Ended(status) => self.died(status).await,
                Input::Look => {
                    due = At(timeline.now().0 + LOOK_US);
                    self.look().await;
                    if timeline.now().since(covered) >= COVERAGE_US {
                        covered = timeline.now();
                        let runs = f64::from(u8::from(self.child.is_some()));
                        self.news.reading(&PROCESS_RUNNING, runs).await;
                    }
                }
            }
        }
        self.end(None).await;
    }

    async fn began(&mut self, mut child: Child, action: Option<u64>) {
        self.server_pid.set(Some(child.pid));
        child.listen(&self.log, &self.thread);
        let words = format!("pid {}: bash -c {:?}", child.pid, self.process.command);
        let fact = |fact: TargetFact| TargetFact { action, ..fact };
        self.news.target(fact(TargetFact::new(TargetWord::Launched, words))).await;
        self.news.target(fact(TargetFact::ready("process"))).await;
        self.child = Some(child);
    }

    /// Handles the end of the process that no order asked for.
    async fn died(&mut self, status: std::io::Result<std::process::ExitStatus>) {
        let at = self.news.timeline().now();
        let Some(mut child) = self.child.take() else { return };
        self.server_pid.set(None);
        // The last log lines are sent before the news of the end.
        child.heard(&self.news.timeline()).await;
        let left = child.tree.look();
        let mut words = child::how(&status);
        if !left.is_empty() {
            let _ = write!(words, "; left behind: {}", tree::names(&left));
        }
        let exit = Some(child::exit(&status));
        let fact = TargetFact { exit, ..TargetFact::new(TargetWord::Exited, words) };
        self.news.say_at(at, Fact::Target(fact)).await;
        self.left = Some((at, child));
    }

    /// Scans the tree, and ends the remaining children of a dead process once their time is up.
    async fn look(&mut self) {
        if let Some(child) = &mut self.child {
            child.tree.look();
        }
        let now = self.news.timeline().now();
        let Some((since, child)) = &mut self.left else { return };
        let orphans = child.tree.look();
        if !orphans.is_empty() && now.since(*since) < ORPHANS_US {
            return;
        }
        if !orphans.is_empty() {
            child.tree.end();
            let seconds = now.since(*since) as f64 / 1e6;
            let words = format!(
                "{} outlived the server's process by {seconds:.0} s and were ended: longhaul had started them",
                tree::names(&orphans)
            );
            self.news.say(Fact::Seen(Statement::note("orphans", words))).await;
        }
        self.left = None;
    }

    async fn obey(&mut self, order: TargetOrder, action: u64, orders: &mut Orders) {
        if order == TargetOrder::Launch && self.child.is_some() {
            return self.news.failed(action, "launch: it runs already".to_owned()).await;
        }
        self.end(Some(action)).await;
        if order == TargetOrder::Stop {
            return;
        }
        if let Some(words) = memory::short(self.memory) {
            self.news.say(Fact::Seen(Statement::note("memory", words))).await;
        }
        let timeline = self.news.timeline();
        if let Err(why) = memory::back(&timeline, self.memory, || orders.is_closed()).await {
            return self.news.failed(action, why).await;
        }
        if let Some(why) = port::in_the_way(self.process.port.as_ref(), &timeline).await {
            return self.news.failed(action, why).await;
        }
        match Child::spawn(&self.process) {
            Ok(child) => self.began(child, Some(action)).await,
            Err(why) => self.news.failed(action, format!("it cannot be started: {why}")).await,
        }
    }

    /// Ends all processes, those that an earlier child left behind too.
    async fn end(&mut self, action: Option<u64>) {
        if let Some((_, mut child)) = self.left.take() {
            child.tree.end();
        }
        let Some(mut child) = self.child.take() else { return };
        let timeline = self.news.timeline();
        let ended = child.end(&timeline, self.process.patience).await;
        self.server_pid.set(None);
        child.heard(&timeline).await;
        let words = match (&ended.status, ended.left.as_slice()) {
            (Ok(_), []) => child::how(&ended.status),
            (_, left) => format!("it cannot be ended: {}", tree::names(left)),
        };
        let exit = Some(child::exit(&ended.status));
        let fact = TargetFact { exit, action, ..TargetFact::new(TargetWord::Exited, words) };
        self.news.target(fact).await;
    }
}

/// Waits for a child; never returns where there is none.
async fn ended(child: Option<&mut Child>) -> std::io::Result<std::process::ExitStatus> {
    match child {
        Some(child) => child.ended().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tokio::task::LocalSet;

    use super::*;
    use crate::target::standin::{answer, answers};
    use crate::world::Target;

    fn process(command: &str) -> Process {
        let (env, patience) = (Vec::new(), Duration::from_secs(20));
        Process { command: command.to_owned(), env, folder: None, patience, port: None }
    }

    #[tokio::test]
    async fn a_process_that_runs_is_not_launched_again_and_one_that_was_stopped_is() {
        let server_pid = ServerPid::default();
        let local = LocalSet::new();
        let said = local.run_until(async {
            let started = process("exec sleep 600").start(Timeline::start(), server_pid.clone());
            let StartedTarget { mut handle, task } = started.expect("bash");
            handle.order(TargetOrder::Launch, 1);
            let mut said = vec![answer(&mut handle, 1).await];
            let first = server_pid.pid().expect("a process");
            handle.order(TargetOrder::Stop, 2);
            said.push(answer(&mut handle, 2).await);
            assert_eq!(server_pid.pid(), None);
            handle.order(TargetOrder::Launch, 3);
            said.push(answer(&mut handle, 3).await);
            let second = server_pid.pid().expect("another process");
            drop(handle);
            assert_eq!(task.await.ok(), Some(None), "all that was started is gone");
            let names = [(first.to_string(), "FIRST"), (second.to_string(), "SECOND")];
            names.iter().fold(said.join("\n"), |text, (pid, name)| text.replace(pid, name))
        });
        assert_snapshot!(said.await, @r#"
            Failed: launch: it runs already [action 1]
            Exited: ended by signal 15 (Exited { code: None, signal: Some(15), oom_killed: None }) [action 2]
            Launched: pid SECOND: bash -c "exec sleep 600" [action 3]
        "#);
    }

    #[tokio::test]
    async fn a_server_is_not_started_again_where_somebody_else_took_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = listener.local_addr().expect("an address").to_string();
        let name_listener = |_| Some("python3 (pid 7)".to_owned());
        let port = Some(ServerPort { place: place.clone(), name_listener });
        let local = LocalSet::new();
        let said = local.run_until(async {
            let process = Process { port, ..process("exec sleep 600") };
            let started = process.start(Timeline::start(), ServerPid::default()).expect("bash");
            answers(started, &[TargetOrder::Stop, TargetOrder::Launch]).await.0
        });
        let said = said.await.replace(&place, "PLACE");
        assert_snapshot!(said.lines().last().unwrap_or_default(), @"Failed: it is not started again: python3 (pid 7) listens on PLACE now [action 2]");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_a_mistake_of_the_recipes_user() {
        let nowhere = Process { folder: Some("/no/such/folder".into()), ..process("true") };
        let wrong = nowhere.start(Timeline::start(), ServerPid::default()).expect_err("no folder");
        assert_snapshot!(wrong, @"
            error: the recipe's command cannot be started: No such file or directory (os error 2)
              try: bash, and the folder to run it in
        ");
    }
}
