//! Watches a server that somebody else started through its container or its process. It is never
//! stopped or restarted.

use std::fmt::Write;
use std::time::Duration;

use tokio::task::JoinSet;

use super::attached::refuse;
use super::container::ContainerEngine;
use super::container::follow::{LogStart, follow};
use super::container::inspect::ContainerState;
use super::container::watch::{self, watch};
use super::handle::{self, NewsSender, Orders, StartedTarget};
use super::log::{LogReader, LogThread};
use super::server_log::FoundLog;
use super::tree::{self, ProcessTree};
use crate::error::Mistake;
use crate::fact::{Fact, Source, Statement, TargetFact, TargetWord};
use crate::process::Stat;
use crate::series::PROCESS_RUNNING;
use crate::timeline::Timeline;
use crate::unit::{At, micros};
use crate::world::ServerPid;

/// Interval at which a process is checked.
const LOOK: Duration = Duration::from_secs(1);
/// Interval at which coverage is reported.
const COVERAGE_US: u64 = 10_000_000;

/// Watches a container that already runs; `first` is its state when it was found.
pub(crate) fn container(
    engine: &ContainerEngine,
    name: &str,
    first: ContainerState,
    server_pid: ServerPid,
) -> StartedTarget {
    let (engine, name) = (engine.clone(), name.to_owned());
    handle::spawn(engine.timeline, |orders: Orders, news: NewsSender| async move {
        let log = LogReader::new(news.clone(), Source::Container);
        let watched = watch::Watched {
            engine: engine.clone(),
            name: name.clone(),
            server_pid,
            is_own: false,
        };
        let inside = first.log_inside();
        let mut tasks = JoinSet::new();
        tasks.spawn_local(watch(watched, first, news.clone()));
        let thread = LogThread::start();
        thread.runtime().spawn(follow(engine, name, inside, LogStart::Now, log.clone()));
        thread.runtime().spawn(log.cover());
        refuse(orders, news).await;
        None
    })
}

/// Watches a process of this machine, and its log, where it is named.
///
/// # Errors
/// There is no process with that pid.
pub(crate) fn process(
    pid: u32,
    timeline: Timeline,
    server_pid: ServerPid,
    log: Option<FoundLog>,
) -> Result<StartedTarget, Mistake> {
    let Some(first) = tree::seen(pid).filter(|seen| !seen.is_zombie) else {
        return Err(Mistake::new(format!("there is no process {pid} on this machine"))
            .at("--pid")
            .hint("pgrep -af vllm"));
    };
    server_pid.set(Some(pid));
    Ok(handle::spawn(timeline, |orders: Orders, news: NewsSender| async move {
        let mut tasks = JoinSet::new();
        tasks.spawn_local(watch_process(first, server_pid, news.clone()));
        let _log = log.map(|log| log.listen(&news));
        refuse(orders, news).await;
        None
    }))
}

/// Watches a process until it is gone. Only its parent learns its exit status.
async fn watch_process(first: Stat, server_pid: ServerPid, news: NewsSender) {
    let timeline = news.timeline();
    let mut tree = ProcessTree::below(first.pid);
    let (mut due, mut covered) = (timeline.now(), timeline.now());
    let mut lost = Vec::new();
    loop {
        let all = tree.look();
        let is_there = all.iter().any(|seen| seen.pid == first.pid);
        if !is_there {
            server_pid.set(None);
            let mut words = format!("{} (pid {}) is gone", first.name, first.pid);
            if !all.is_empty() {
                let _ = write!(words, "; left behind: {}", tree::names(&all));
            }
            news.target(TargetFact::new(TargetWord::Exited, words)).await;
            return;
        }
        report_ended_workers(&news, &mut lost, &all).await;
        let now = timeline.now();
        if now.since(covered) >= COVERAGE_US {
            covered = now;
            news.reading(&PROCESS_RUNNING, 1.0).await;
        }
        due = At(due.0 + micros(LOOK));
        timeline.until(due).await;
    }
}

/// Reports workers that ended: the process that answers requests may live on without them.
async fn report_ended_workers(news: &NewsSender, before: &mut Vec<Stat>, now: &[Stat]) {
    let is_worker = |seen: &Stat| seen.name.contains("EngineCor") || seen.name.contains("Worker");
    let is_gone = |seen: &Stat| !now.iter().any(|other| other.pid == seen.pid);
    let gone: Vec<Stat> =
        before.iter().filter(|seen| is_worker(seen) && is_gone(seen)).cloned().collect();
    if !gone.is_empty() {
        let words = format!("{} ended while the server's own process lives", tree::names(&gone));
        news.say(Fact::Seen(Statement::note("workers", words))).await;
    }
    *before = now.to_vec();
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tokio::task::LocalSet;

    use super::*;
    use crate::target::standin::{answers, said};
    use crate::world::TargetOrder;

    /// No process has this number: Linux ends at 4,194,304.
    const NOBODY: u32 = 4_194_305;

    fn seen(pid: u32, name: &str) -> Stat {
        let name = name.to_owned();
        Stat {
            pid,
            name,
            parent: 1,
            group: 1,
            threads: 1,
            began: 1,
            rss_pages: 1,
            is_zombie: false,
        }
    }

    #[tokio::test]
    async fn a_process_that_is_not_there_is_a_mistake() {
        let wrong =
            process(NOBODY, Timeline::start(), ServerPid::default(), None).expect_err("nobody");
        assert_snapshot!(wrong, @"
            error: there is no process 4194305 on this machine
               at: --pid
              try: pgrep -af vllm
        ");
    }

    #[tokio::test]
    async fn every_order_for_a_server_that_is_only_watched_is_refused() {
        let server_pid = ServerPid::default();
        let local = LocalSet::new();
        let (said, left) = local
            .run_until(async {
                let own = std::process::id();
                let watched = process(own, Timeline::start(), server_pid.clone(), None);
                assert_eq!(server_pid.pid(), Some(own));
                let orders = [TargetOrder::Launch, TargetOrder::Restart, TargetOrder::Stop];
                answers(watched.expect("this very process"), &orders).await
            })
            .await;
        assert_eq!(left, None, "nothing of it is ours");
        assert_snapshot!(said, @"
            Failed: launch: longhaul did not start this server and does not touch it [action 1]
            Failed: restart: longhaul did not start this server and does not touch it [action 2]
            Failed: stop: longhaul did not start this server and does not touch it [action 3]
        ");
    }

    #[tokio::test]
    async fn workers_that_end_while_the_server_lives_are_told_and_others_are_not() {
        let reported = said(|news| async move {
            let mut before = Vec::new();
            let all = [
                seen(1, "vllm"),
                seen(2, "VLLM::EngineCor"),
                seen(3, "VLLM::Worker"),
                seen(4, "sh"),
            ];
            report_ended_workers(&news, &mut before, &all).await;
            report_ended_workers(&news, &mut before, &all[..3]).await;
            report_ended_workers(&news, &mut before, &all[..2]).await;
            report_ended_workers(&news, &mut before, &all[..1]).await;
        });
        assert_snapshot!(reported.await, @"
            seen workers: VLLM::Worker (pid 3) ended while the server's own process lives
            seen workers: VLLM::EngineCor (pid 2) ended while the server's own process lives
        ");
    }

    #[tokio::test]
    async fn a_watched_process_that_is_gone_is_told_and_no_sensor_looks_for_it() {
        let reported = said(|news| async move {
            let server_pid = ServerPid::default();
            server_pid.set(Some(NOBODY));
            watch_process(seen(NOBODY, "vllm"), server_pid.clone(), news).await;
            assert_eq!(server_pid.pid(), None);
        });
        assert_snapshot!(reported.await, @"Exited: vllm (pid 4194305) is gone");
    }
}
