//! Ends a server that longhaul had started for a run, and that outlived the longhaul that started it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// Server that a longhaul started for a run, as far as another longhaul needs it to find it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LaunchedServer {
    /// Process that leads its own group.
    Process {
        pid: u32,
        /// Instant of its start in seconds since the machine's boot.
        since_boot_s: f64,
        /// Kernel's id of that boot.
        boot_id: String,
    },
    /// Container of an engine, by a filter of the engine's `ps`.
    Container { filter: String, engine: String },
}

impl LaunchedServer {
    /// Describes a process that runs; `None` where it has ended already.
    pub(crate) fn process(pid: u32, boot_id: &str) -> Option<LaunchedServer> {
        let since_boot_s = tree::seen(pid)?.began as f64 / TICKS_PER_S;
        Some(LaunchedServer::Process { pid, since_boot_s, boot_id: boot_id.to_owned() })
    }

    /// Describes the container that will get a label.
    pub(super) fn container(label: &str, engine: &str) -> LaunchedServer {
        let filter = format!("label={LABEL}={label}");
        LaunchedServer::Container { filter, engine: engine.to_owned() }
    }

    /// Reads the words of a start in the journal: `pid 7: bash -c …`, `container 0123456789ab of
    /// docker`. `since_boot` is the time since a boot, and its id.
    pub(crate) fn of_words(words: &str, since_boot: Option<(f64, &str)>) -> Option<LaunchedServer> {
        if let Some((id, engine)) = words.strip_prefix("container ").and_then(of_container) {
            let filter = format!("id={id}");
            return Some(LaunchedServer::Container { filter, engine: engine.to_owned() });
        }
        let pid = words.strip_prefix("pid ")?.split(':').next()?.parse().ok()?;
        let (since_boot_s, boot_id) = since_boot?;
        Some(LaunchedServer::Process { pid, since_boot_s, boot_id: boot_id.to_owned() })
    }

    /// Ends it, where it still runs, and names it.
    ///
    /// # Errors
    /// It does not end.
    pub(crate) async fn end(
        &self,
        boot_id: Option<&str>,
        timeline: Timeline,
        tell: fn(&str),
    ) -> Result<(), Mistake> {
        match self {
            LaunchedServer::Container { filter, engine } => {
                end_container(&ContainerEngine::new(engine, timeline), filter, tell).await
            }
            LaunchedServer::Process { pid, since_boot_s, boot_id: began_in } => {
                if boot_id != Some(began_in) {
                    return Ok(());
                }
                end_processes(*pid, *since_boot_s, timeline, tell).await
            }
        }
    }
}

/// Splits the short id of a container from its engine's program.
fn of_container(words: &str) -> Option<(&str, &str)> {
    let (id, engine) = words.split_once(" of ")?;
    id.chars().all(|c| c.is_ascii_hexdigit()).then_some((id, engine))
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
    let members = tree.look();
    if members.is_empty() {
        // It has ended, and nobody has reaped it yet.
        return Ok(());
    }
    let names = tree::names(&members);
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
async fn end_container(
    engine: &ContainerEngine,
    filter: &str,
    tell: fn(&str),
) -> Result<(), Mistake> {
    let of_label = format!("label={LABEL}");
    let asked = ["ps", "-aq", "--no-trunc", "--filter", filter, "--filter", &of_label];
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
    fn the_words_of_a_start_name_a_process_or_a_container() {
        let boot = Some((5.0, "b"));
        let process =
            LaunchedServer::Process { pid: 7, since_boot_s: 5.0, boot_id: "b".to_owned() };
        let words = "pid 7: bash -c \"exec x\"";
        assert_eq!(LaunchedServer::of_words(words, boot), Some(process));
        assert_eq!(LaunchedServer::of_words(words, None), None, "a pid of another boot");
        let (filter, engine) = ("id=0123456789ab".to_owned(), "podman".to_owned());
        let container = LaunchedServer::Container { filter, engine };
        let words = "container 0123456789ab of podman";
        assert_eq!(LaunchedServer::of_words(words, None), Some(container));
        for odd in ["longhaul's own simulated server", "container --all of docker"] {
            assert_eq!(LaunchedServer::of_words(odd, boot), None);
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let launched = LaunchedServer::container("7-1", "docker");
        let text = serde_json::to_string(&launched).unwrap();
        insta::assert_snapshot!(text, @r#"{"container":{"filter":"label=longhaul.run=7-1","engine":"docker"}}"#);
        assert_eq!(serde_json::from_str::<LaunchedServer>(&text).unwrap(), launched);
    }

    #[tokio::test]
    async fn a_process_of_that_time_is_ended_and_one_of_another_time_is_left_alone() {
        let mut child =
            Command::new("sleep").arg("600").process_group(0).spawn().expect("sleep starts");
        let launched = LaunchedServer::process(child.id(), "b").expect("it runs");
        let LaunchedServer::Process { pid, since_boot_s, boot_id } = launched.clone() else {
            panic!("{launched:?}")
        };
        let earlier = LaunchedServer::Process { pid, since_boot_s: since_boot_s - 60.0, boot_id };
        earlier.end(Some("b"), Timeline::start(), count).await.unwrap();
        launched.end(Some("another boot"), Timeline::start(), count).await.unwrap();
        assert!(child.try_wait().unwrap().is_none(), "the pid was used again");
        assert_eq!(TOLD.load(Ordering::SeqCst), 0);
        launched.end(Some("b"), Timeline::start(), count).await.unwrap();
        assert!(child.wait().unwrap().code().is_none(), "ended by a signal");
        assert_eq!(TOLD.load(Ordering::SeqCst), 1);
    }
}
