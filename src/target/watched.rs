//! Watches a server that somebody else started through its container or its process. It is never
//! stopped or restarted.

use std::fmt::Write;
use std::time::Duration;

use tokio::task::JoinSet;

use super::attached::refuse;
use super::container::ContainerEngine;
use super::container::follow::{From, follow};
use super::container::inspect::ContainerState;
use super::container::watch::{self, watch};
use super::handle::{self, NewsSender, Orders, StartedTarget};
use super::log::LogReader;
use super::server_log::FoundLog;
use super::tree::{self, ProcessTree};
use crate::error::Mistake;
use crate::fact::{Fact, Seen, Source, TargetFact, TargetWord};
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
        tasks.spawn_local(follow(engine, name, inside, From::Now, log.clone()));
        tasks.spawn_local(log.cover());
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
        if let Some(log) = log {
            log.listen(&mut tasks, &news);
        }
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
        say_who_went(&news, &mut lost, &all).await;
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
async fn say_who_went(news: &NewsSender, before: &mut Vec<Stat>, now: &[Stat]) {
    let is_worker = |seen: &Stat| seen.name.contains("EngineCor") || seen.name.contains("Worker");
    let is_gone = |seen: &Stat| !now.iter().any(|other| other.pid == seen.pid);
    let gone: Vec<Stat> =
        before.iter().filter(|seen| is_worker(seen) && is_gone(seen)).cloned().collect();
    if !gone.is_empty() {
        let words = format!("{} ended while the server's own process lives", tree::names(&gone));
        news.say(Fact::Seen(Seen::note("workers", words))).await;
    }
    *before = now.to_vec();
}
