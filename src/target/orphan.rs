//! Ends a server that longhaul had started for a run, and that outlived the longhaul that started it.

use std::time::Duration;

use super::container::ContainerEngine;
use super::docker::LABEL;
use super::tree::{self, ProcessTree};
use crate::error::Mistake;
use crate::timeline::Timeline;
use crate::unit::{At, micros};

/// Time in which processes that are asked to end may do so.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time in which killed processes disappear.
const KILLED: Duration = Duration::from_secs(10);
/// Interval at which their end is checked.
const LOOK_US: u64 = 50_000;
/// Limit of a question to a container engine.
const ORDER_US: u64 = 60_000_000;
/// Largest distance between a process's start and the record of it, seconds.
const NEAR_S: f64 = 3.0;
/// Unit of a process's start time: the kernel counts it in hundredths of a second.
const TICKS_PER_S: f64 = 100.0;

/// Server that an earlier longhaul had started, as the journal has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Orphan {
    /// Words of its start: `pid 7: bash -c …`, `container 0123456789ab of docker`.
    pub launched: String,
    /// Instant of the start in seconds since the machine's boot; `None` where the machine was booted
    /// since, or nobody knows.
    pub since_boot_s: Option<f64>,
}

impl Orphan {
    /// Ends it, where it still runs, and names it.
    ///
    /// # Errors
    /// It does not end.
    pub(crate) async fn end(&self, timeline: Timeline, tell: fn(&str)) -> Result<(), Mistake> {
        if let Some((id, program)) = self.container() {
            return end_container(&ContainerEngine::new(program, timeline), id, tell).await;
        }
        match (self.pid(), self.since_boot_s) {
            (Some(pid), Some(since_boot_s)) => {
                end_processes(pid, since_boot_s, timeline, tell).await
            }
            _ => Ok(()),
        }
    }

    fn pid(&self) -> Option<u32> {
        self.launched.strip_prefix("pid ")?.split(':').next()?.parse().ok()
    }

    /// Returns the short id of a container, and its engine's program.
    fn container(&self) -> Option<(&str, &str)> {
        let (id, program) = self.launched.strip_prefix("container ")?.split_once(" of ")?;
        id.chars().all(|c| c.is_ascii_hexdigit()).then_some((id, program))
    }
}

/// Ends the group of a process that was started at that time. Another process may have its pid since.
async fn end_processes(
    pid: u32,
    since_boot_s: f64,
    timeline: Timeline,
    tell: fn(&str),
) -> Result<(), Mistake> {
    let is_it = |began: u64| (began as f64 / TICKS_PER_S - since_boot_s).abs() < NEAR_S;
    if !tree::seen(pid).is_some_and(|seen| seen.group == pid && is_it(seen.began)) {
        return Ok(());
    }
    let mut tree = ProcessTree::of_group(pid);
    let names = tree::names(&tree.look());
    tell(&format!("the server that this run had started still runs, and is ended: {names}"));
    tree.ask_to_end();
    if gone(&mut tree, timeline, PATIENCE).await {
        return Ok(());
    }
    tree.end();
    if gone(&mut tree, timeline, KILLED).await {
        return Ok(());
    }
    Err(Mistake::new(format!("the server that this run had started does not end: {names}"))
        .hint("end it yourself, or reboot the machine"))
}

async fn gone(tree: &mut ProcessTree, timeline: Timeline, limit: Duration) -> bool {
    let deadline = At(timeline.now().0 + micros(limit));
    while timeline.now() < deadline {
        if tree.look().is_empty() {
            return true;
        }
        timeline.until(At(timeline.now().0 + LOOK_US)).await;
    }
    tree.look().is_empty()
}

/// Removes a container that longhaul had started: one with its label.
async fn end_container(engine: &ContainerEngine, id: &str, tell: fn(&str)) -> Result<(), Mistake> {
    let of_id = format!("id={id}");
    let of_label = format!("label={LABEL}");
    let asked = ["ps", "-aq", "--no-trunc", "--filter", &of_id, "--filter", &of_label];
    let Ok(found) = engine.program.ask(&engine.timeline, &asked, ORDER_US).await else {
        // The start that follows says what is wrong with the engine.
        return Ok(());
    };
    for id in found.out.split_whitespace() {
        tell(&format!(
            "the container that this run had started is still there, and is removed: {id}"
        ));
        let removed = engine.program.ask(&engine.timeline, &["rm", "-f", id], ORDER_US).await;
        let why = match removed {
            Ok(answer) if answer.is_good() => continue,
            Ok(answer) => answer.complaint(),
            Err(why) => why.words(&engine.program),
        };
        return Err(Mistake::new(format!("the container {id} cannot be removed: {why}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static TOLD: AtomicUsize = AtomicUsize::new(0);

    fn count(_: &str) {
        TOLD.fetch_add(1, Ordering::SeqCst);
    }

    #[test]
    fn the_record_of_a_start_names_a_process_or_a_container() {
        let of = |words: &str| Orphan { launched: words.to_owned(), since_boot_s: None };
        assert_eq!(of("pid 7: bash -c \"exec x\"").pid(), Some(7));
        let container = of("container 0123456789ab of podman");
        assert_eq!(
            (container.pid(), container.container()),
            (None, Some(("0123456789ab", "podman")))
        );
        let simulated = of("longhaul's own simulated server");
        assert_eq!((simulated.pid(), simulated.container()), (None, None));
        assert_eq!(of("container --all of docker").container(), None);
    }

    #[tokio::test]
    async fn a_process_of_that_time_is_ended_and_one_of_another_time_is_left_alone() {
        let mut child =
            Command::new("sleep").arg("600").process_group(0).spawn().expect("sleep starts");
        let began = tree::seen(child.id()).expect("it runs").began as f64 / TICKS_PER_S;
        let launched = format!("pid {}: bash -c x", child.id());
        let at = |seconds| Orphan { launched: launched.clone(), since_boot_s: Some(seconds) };
        at(began - 60.0).end(Timeline::start(), count).await.unwrap();
        assert!(child.try_wait().unwrap().is_none(), "the pid was used again");
        assert_eq!(TOLD.load(Ordering::SeqCst), 0);
        at(began + 0.2).end(Timeline::start(), count).await.unwrap();
        assert!(child.wait().unwrap().code().is_none(), "ended by a signal");
        assert_eq!(TOLD.load(Ordering::SeqCst), 1);
    }
}
