//! Starts and stops a server through `sparkrun`, on one machine or several. longhaul calls `run`
//! and `stop`, reads their output, and identifies the workload by the id that sparkrun prints.

mod guard;

use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::handle::{self, Leftovers, NewsSender, Orders, StartedTarget};
use super::log::{LogReader, LogThread, lines_of};
use super::printed::Printed;
use super::program::Program;
use crate::engine::lines::LogLine;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::fact::{Source, TargetFact, TargetWord};
use crate::timeline::Timeline;
use crate::world::TargetOrder;
use guard::guard;

/// Limit of `stop`, which contacts every machine.
const STOP_US: u64 = 180_000_000;
/// Capacity of the channel of lines between the pipes and their reader.
const LINES_MAX: usize = 256;
/// Options that locate a workload, each with a value: `stop` and `logs` take them too.
const PLACES: [&str; 6] =
    ["--hosts", "-H", "--hosts-file", "--cluster", "--tp", "--tensor-parallel"];

/// Workload to start.
#[derive(Clone, Debug)]
pub(crate) struct Sparkrun {
    /// Program: `sparkrun`, or a path.
    pub program: Program,
    /// Recipe, by a name or path that sparkrun can find.
    pub recipe: String,
    /// Value of its label, unique to this run.
    pub label: String,
    /// User's further arguments for `run`.
    pub more: Vec<String>,
    /// Server's `host:port`.
    pub place: String,
    /// Whether it is left running at the end.
    pub keep: bool,
}

impl Sparkrun {
    /// Returns the arguments of `sparkrun` that start the workload.
    pub(crate) fn run_words(&self) -> Vec<String> {
        let label = format!("{}={}", super::docker::LABEL, self.label);
        let mut words =
            ["run", &self.recipe, "--no-follow", "--label", &label].map(str::to_owned).to_vec();
        words.extend(self.more.iter().cloned());
        words
    }

    fn words(&self, verb: &str, id: Option<&str>) -> Vec<String> {
        let mut words = vec![verb.to_owned(), id.unwrap_or(&self.recipe).to_owned()];
        let mut more = self.more.iter().peekable();
        while let Some(word) = more.next() {
            let name = word.split('=').next().unwrap_or(word);
            if !PLACES.contains(&name) {
                continue;
            }
            words.push(word.clone());
            if !word.contains('=') {
                words.extend(more.next().cloned());
            }
        }
        words
    }

    /// Starts the workload. The task stops it when the run drops its handle.
    ///
    /// # Errors
    /// There is no such program.
    pub(crate) fn start(self, timeline: Timeline) -> Result<StartedTarget, Mistake> {
        let child = self.program.follow(&self.run_words()).map_err(|why| {
            Mistake::new(format!("`{}` cannot be started: {why}", self.program.0))
                .hint("pip install sparkrun, or --engine PATH")
        })?;
        Ok(handle::spawn(timeline, |orders, news| async move {
            let log = LogReader::new(news.clone(), Source::Process);
            let thread = LogThread::start();
            thread.runtime().spawn(log.clone().cover());
            let life = SparkrunTask {
                sparkrun: self,
                news,
                log,
                thread,
                id: None,
                state: State::Down,
                following: JoinSet::new(),
                guard: JoinSet::new(),
            };
            life.go_on(child, orders).await
        }))
    }
}

/// State of the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not started, or stopped.
    Down,
    /// `run` was called: something may exist that must be stopped.
    Ours,
    /// The workload ran before longhaul started: somebody else's.
    Foreign,
}

struct SparkrunTask {
    sparkrun: Sparkrun,
    news: NewsSender,
    log: LogReader,
    thread: LogThread,
    id: Option<String>,
    state: State,
    following: JoinSet<()>,
    guard: JoinSet<()>,
}

impl SparkrunTask {
    async fn go_on(mut self, child: Child, mut orders: Orders) -> Leftovers {
        let mut pending = self.launched(child, None, &mut orders).await;
        loop {
            let order = match pending.take() {
                Some(order) => Some(order),
                None => orders.recv().await,
            };
            let Some((order, action)) = order else { break };
            pending = self.obey(order, action, &mut orders).await;
        }
        let ended = if self.sparkrun.keep { Ok(()) } else { self.stop(None).await };
        ended.err()
    }

    async fn obey(
        &mut self,
        order: TargetOrder,
        action: u64,
        orders: &mut Orders,
    ) -> Option<(TargetOrder, u64)> {
        if self.state == State::Foreign || order == TargetOrder::Launch && self.state == State::Ours
        {
            let why = format!("{}: it runs already", order.word());
            self.news.failed(Some(action), why).await;
            return None;
        }
        if self.stop(Some(action)).await.is_err() || order == TargetOrder::Stop {
            return None;
        }
        match self.sparkrun.program.follow(&self.sparkrun.run_words()) {
            Ok(child) => self.launched(child, Some(action), orders).await,
            Err(why) => {
                self.news.failed(Some(action), why.to_string()).await;
                None
            }
        }
    }

    /// Reads the output of `run` until it ends; an order that comes meanwhile aborts it.
    async fn launched(
        &mut self,
        mut child: Child,
        action: Option<u64>,
        orders: &mut Orders,
    ) -> Option<(TargetOrder, u64)> {
        self.state = State::Ours;
        let words = format!("{} {}", self.sparkrun.program.0, self.sparkrun.run_words().join(" "));
        let fact = TargetFact::new(TargetWord::Launched, words);
        self.news.target(TargetFact { action, ..fact }).await;
        let (lines, mut heard) = mpsc::channel(LINES_MAX);
        let mut pipes = JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            pipes.spawn_local(lines_of(pipe, lines.clone()));
        }
        if let Some(pipe) = child.stderr.take() {
            pipes.spawn_local(lines_of(pipe, lines.clone()));
        }
        drop(lines);
        let mut last = String::new();
        loop {
            tokio::select! { biased;
                order = orders.recv() => {
                    // The drop ends `run`; what it started is stopped by its name.
                    return order;
                }
                line = heard.recv() => {
                    let Some(line) = line else { break };
                    self.line(&line, action).await;
                    if !line.text.trim().is_empty() {
                        last = line.text;
                    }
                }
            }
        }
        let status = child.wait().await;
        if !matches!(&status, Ok(status) if status.success()) {
            let how = status.map_or_else(|why| why.to_string(), |status| status.to_string());
            let why = format!("`{} run`: {how}: {last}", self.sparkrun.program.0);
            self.news.failed(action, one_line(&why, 600)).await;
            return None;
        }
        if self.state == State::Foreign {
            let why = "this workload ran already, started by somebody else; longhaul does not touch it: stop it, or drive it with --endpoint";
            self.news.failed(action, why.to_owned()).await;
            return None;
        }
        self.guard.spawn_local(guard(self.sparkrun.place.clone(), self.news.clone()));
        let mut words = self.sparkrun.words("logs", self.id.as_deref());
        words.extend(["-f", "-a"].map(str::to_owned));
        let mut again = words.clone();
        // Lines that were already read are not read again.
        again.extend(["-n", "0"].map(str::to_owned));
        let printed = Printed { program: self.sparkrun.program.clone(), words, again };
        let following = printed.follow(self.log.clone(), self.news.timeline());
        self.following.spawn_on(following, self.thread.runtime());
        None
    }

    async fn line(&mut self, line: &LogLine, action: Option<u64>) {
        let (line, dropped_bytes) = (line.text.as_str(), line.dropped_bytes);
        self.log.whole_line(self.news.timeline().now(), line, dropped_bytes).await;
        if let Some(id) = line.trim().strip_prefix("Cluster:") {
            self.id = Some(id.trim().to_owned());
            let fact = TargetFact::ready("process");
            self.news.target(TargetFact { action, ..fact }).await;
        }
        if line.trim().starts_with("Job already running") {
            self.state = State::Foreign;
        }
    }

    /// Stops the workload that longhaul started.
    ///
    /// # Errors
    /// The reason why it may still exist.
    async fn stop(&mut self, action: Option<u64>) -> Result<(), String> {
        if self.state != State::Ours {
            return Ok(());
        }
        self.guard.abort_all();
        let words = self.sparkrun.words("stop", self.id.as_deref());
        let program = &self.sparkrun.program;
        let answer = program.ask(&self.news.timeline(), &words, STOP_US).await;
        self.following.abort_all();
        let why = match answer {
            Ok(answer) if answer.is_good() => {
                self.state = State::Down;
                self.id = None;
                let fact = TargetFact::new(TargetWord::Exited, format!("{} stop", program.0));
                self.news.target(TargetFact { action, ..fact }).await;
                return Ok(());
            }
            Ok(answer) => one_line(&format!("`{} stop`: {}", program.0, answer.complaint()), 600),
            Err(why) => why.words(program),
        };
        self.news.failed(action, why.clone()).await;
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tokio::task::LocalSet;

    use super::*;
    use crate::fact::Fact;
    use crate::shown::named;
    use crate::target::standin::{Standin, answers};
    use crate::world::{News, Target};

    fn sparkrun(program: &str) -> Sparkrun {
        Sparkrun {
            program: Program(program.to_owned()),
            recipe: "r.yaml".to_owned(),
            label: "7".to_owned(),
            place: "127.0.0.1:9".to_owned(),
            more: Vec::new(),
            keep: false,
        }
    }

    /// Returns what is said and asked from the start of a workload to its end.
    async fn reported(script: &str, orders: &[TargetOrder]) -> String {
        let standin = Standin::new(script);
        let sparkrun = sparkrun(&standin.path());
        let (said, left) = LocalSet::new()
            .run_until(async {
                let mut started = sparkrun.start(Timeline::start()).expect("a program");
                wait_for_the_start(&mut started.handle).await;
                answers(started, orders).await
            })
            .await;
        // When the log is followed depends on how soon the end is ordered.
        let asked = standin.asked();
        let asked = asked.lines().filter(|line| !line.starts_with("logs"));
        let first = format!("{said}\nleft: {left:?}");
        let all = asked.fold(first, |reported, line| reported + "\n$ sparkrun " + line);
        named(&all, &[(&standin.path(), "sparkrun")])
    }

    /// Waits until a start is over: `run` has named the workload, or failed.
    async fn wait_for_the_start(target: &mut handle::TargetHandle) {
        loop {
            if let News::Fact(_, Fact::Target(fact)) = target.news().await
                && (fact.word == TargetWord::Failed || fact.step.is_some())
            {
                return;
            }
        }
    }

    const RUNS: &str = "case $1 in run) echo 'Cluster: sparkrun_1_2';; logs) exec sleep 60;; esac";

    #[tokio::test]
    async fn a_workload_that_longhaul_started_is_stopped_at_the_end_by_the_id_that_it_was_given() {
        assert_snapshot!(reported(RUNS, &[]).await, @"
            left: None
            $ sparkrun run r.yaml --no-follow --label longhaul.run=7
            $ sparkrun stop sparkrun_1_2
        ");
    }

    #[tokio::test]
    async fn a_workload_of_somebody_elses_is_neither_restarted_nor_stopped() {
        let script = "[ $1 = run ] && echo 'Job already running (cluster_id: sparkrun_1_2)'";
        assert_snapshot!(reported(script, &[TargetOrder::Restart, TargetOrder::Stop]).await, @"
            Failed: restart: it runs already [action 1]
            Failed: stop: it runs already [action 2]
            left: None
            $ sparkrun run r.yaml --no-follow --label longhaul.run=7
        ");
    }

    #[tokio::test]
    async fn a_workload_that_runs_is_not_launched_again() {
        assert_snapshot!(reported(RUNS, &[TargetOrder::Launch]).await, @"
            Failed: launch: it runs already [action 1]
            left: None
            $ sparkrun run r.yaml --no-follow --label longhaul.run=7
            $ sparkrun stop sparkrun_1_2
        ");
    }

    #[tokio::test]
    async fn a_run_that_fails_is_told_with_its_last_line_and_what_may_be_left_is_stopped() {
        let script = "[ $1 = run ] && { echo first; echo 'no such host' >&2; exit 3; }; exit 0";
        assert_snapshot!(reported(script, &[]).await, @"
            left: None
            $ sparkrun run r.yaml --no-follow --label longhaul.run=7
            $ sparkrun stop r.yaml
        ");
    }

    #[tokio::test]
    async fn a_stop_that_fails_is_told_and_the_workload_is_left() {
        let script = "[ $1 = stop ] && { echo 'ssh: refused' >&2; exit 1; }; [ $1 = run ] && echo 'Cluster: a_1'; exit 0";
        assert_snapshot!(reported(script, &[TargetOrder::Stop]).await, @r#"
            Failed: `sparkrun stop`: ssh: refused [action 1]
            left: Some("`sparkrun stop`: ssh: refused")
            $ sparkrun run r.yaml --no-follow --label longhaul.run=7
            $ sparkrun stop a_1
            $ sparkrun stop a_1
        "#);
    }

    #[test]
    fn stop_and_logs_are_told_where_the_workload_is_and_nothing_else() {
        let more = ["--cluster", "mylab", "-o", "a=b", "--hosts=h1,h2"].map(str::to_owned).to_vec();
        let recipe = "@official/m".to_owned();
        let sparkrun = Sparkrun { recipe, more, ..sparkrun("sparkrun") };
        assert_eq!(
            sparkrun.run_words().join(" "),
            "run @official/m --no-follow --label longhaul.run=7 --cluster mylab -o a=b --hosts=h1,h2"
        );
        assert_eq!(
            sparkrun.words("stop", None).join(" "),
            "stop @official/m --cluster mylab --hosts=h1,h2"
        );
        assert_eq!(
            sparkrun.words("logs", Some("sparkrun_1_2")).join(" "),
            "logs sparkrun_1_2 --cluster mylab --hosts=h1,h2"
        );
    }
}
