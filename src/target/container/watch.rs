//! Watches a container: its events, and an inspection every few seconds for changes that no event
//! reported. A change is reported once. An engine that was unreachable repeats its events, so the
//! inspection waits for them.

mod reported;

use std::fs;
use std::rc::Rc;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::event::{ContainerEvent, ContainerEventKind};
use super::events::{ContainerEventResult, Events};
use super::inspect::ContainerState;
use super::{ContainerEngine, InspectError, nanoseconds};
use crate::fact::{Exited, Fact, Source, TargetFact, TargetWord};
use crate::series::{CONTAINER_RUNNING, MissedPart};
use crate::target::handle::NewsSender;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{ContainerDescription, ServerPid};
use reported::ReportedChanges;

/// Interval between two inspections.
const LOOK_US: u64 = 5_000_000;
/// Time that the events behind an inspected change may take to arrive.
const GRACE_US: u64 = 1_000_000;
/// Time that these events may take after the engine was unreachable: they are requested again.
const GRACE_AGAIN_US: u64 = 5_000_000;
/// Capacity of the channel of events.
const EVENTS_MAX: usize = 256;

/// Container to watch.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub engine: ContainerEngine,
    /// Name by which it is inspected: an id, or a name that a later container may have too.
    pub name: String,
    /// Location of its process, for sensors of this machine.
    pub server_pid: ServerPid,
    /// Whether longhaul started the container. Its events then belong to the run from its start
    /// on; those of any other container only from the beginning of the watch.
    pub is_own: bool,
}

/// Watches a container; never returns.
pub(crate) async fn watch(watched: Watched, first: ContainerState, news: NewsSender) {
    let (out, mut heard) = mpsc::channel(EVENTS_MAX);
    let mut tasks = JoinSet::new();
    let wall_ns = Timeline::wall_now_us().saturating_mul(1_000);
    let since = if watched.is_own { nanoseconds(&first.started) } else { Some(wall_ns) };
    let again = Rc::new(Notify::new());
    let events = Events::new(watched.engine.clone(), watched.name.clone(), since, out);
    tasks.spawn_local(events.follow(again.clone()));
    let told = ReportedChanges::default();
    let mut watch =
        Watch { watched, news, base: first, told, looks: 0, is_deaf: false, ask_again: again };
    watch.told.ignored_starts = u64::from(watch.watched.is_own);
    watch.moved();
    watch.contained().await;
    let timeline = watch.news.timeline();
    let mut due = At(timeline.now().0 + LOOK_US);
    loop {
        tokio::select! { biased;
            event = heard.recv() => match event {
                Some(event) => watch.hear(event).await,
                None => return,
            },
            () = timeline.until(due) => {
                watch.look(&mut heard).await;
                due = At(due.0 + LOOK_US).max(timeline.now());
            }
        }
    }
}

struct Watch {
    watched: Watched,
    news: NewsSender,
    /// State at the last inspection.
    base: ContainerState,
    told: ReportedChanges,
    looks: u64,
    /// Whether events could not be received at some time since the last successful inspection.
    is_deaf: bool,
    ask_again: Rc<Notify>,
}

impl Watch {
    async fn hear(&mut self, heard: ContainerEventResult) {
        match heard {
            Ok((at, event)) => self.event(at, event).await,
            Err(why) => {
                self.is_deaf = true;
                self.news.missed(Source::Container, MissedPart::Events, &why).await;
            }
        }
    }

    async fn event(&mut self, at: At, event: ContainerEvent) {
        let engine = self.watched.engine.program.0.clone();
        let said = |word, what: &str| TargetFact::new(word, format!("{engine} says: {what}"));
        let fact = match event.what {
            ContainerEventKind::Kill(signal) => TargetFact {
                exit: Some(Exited { signal, ..Exited::default() }),
                ..said(TargetWord::Signalled, "kill")
            },
            ContainerEventKind::Die(code) => {
                self.told.ends += 1;
                return self.died(at, code).await;
            }
            // Names of containers may be used again.
            ContainerEventKind::Oom if !self.base.is_same(&event.id) => return,
            ContainerEventKind::Oom => said(TargetWord::OutOfMemory, "oom"),
            ContainerEventKind::Start => {
                if self.told.ignored_starts > 0 {
                    self.told.ignored_starts -= 1;
                    return;
                }
                self.told.starts += 1;
                self.started().await;
                said(TargetWord::Started, "start")
            }
            ContainerEventKind::Pause => {
                self.told.pauses += 1;
                said(TargetWord::Paused, "pause")
            }
            ContainerEventKind::Unpause => {
                self.told.pauses += 1;
                said(TargetWord::Unpaused, "unpause")
            }
            ContainerEventKind::Destroy => {
                self.told.removed = true;
                said(TargetWord::Removed, "destroy")
            }
            // Their parts were already reported: signal, end and start.
            ContainerEventKind::Stop | ContainerEventKind::Restart => return,
        };
        self.news.say_at(at, Fact::Target(fact)).await;
    }

    /// Reports the end of its process. Its inspected state says whether memory ran out, as long as
    /// no new process has replaced it.
    async fn died(&mut self, at: At, code: Option<i64>) {
        self.watched.server_pid.set(None);
        let look = self.watched.engine.look(&self.watched.name).await.ok();
        let oom_killed = look
            .filter(|look| !look.running || look.oom_killed == Some(true))
            .and_then(|look| look.oom_killed);
        let exit = Exited { code, signal: None, oom_killed };
        let code = code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
        let words = format!("{} says: die, exit code {code}", self.watched.engine.program.0);
        let fact = TargetFact { exit: Some(exit), ..TargetFact::new(TargetWord::Exited, words) };
        self.news.say_at(at, Fact::Target(fact)).await;
    }

    /// Handles a start: the container has a new process.
    async fn started(&mut self) {
        if let Ok(look) = self.watched.engine.look(&self.watched.name).await {
            self.base.pid = look.pid;
            self.base.id.clone_from(&look.id);
            self.moved();
        }
    }

    async fn look(&mut self, heard: &mut mpsc::Receiver<ContainerEventResult>) {
        let look = match self.watched.engine.look(&self.watched.name).await {
            Ok(look) => look,
            Err(InspectError::Gone) => {
                self.wait_for_events(heard).await;
                return self.gone().await;
            }
            Err(InspectError::Unanswered(why)) => {
                self.is_deaf = true;
                return self.news.missed(Source::Container, MissedPart::State, &why).await;
            }
        };
        let is_other = look.started != self.base.started || look.id != self.base.id;
        if let Some(change) = look.since(&self.base) {
            self.wait_for_events(heard).await;
            if let Some(fact) = self.told.unreported(change, &look, &self.base) {
                self.news.target(fact).await;
            }
        }
        self.is_deaf = false;
        self.base = look;
        self.told = ReportedChanges { ignored_starts: 0, ..ReportedChanges::default() };
        self.moved();
        if is_other && self.base.running {
            self.contained().await;
        }
        self.looks += 1;
        if self.looks.is_multiple_of(2) {
            let runs = f64::from(u8::from(self.base.running));
            self.news.reading(&CONTAINER_RUNNING, runs).await;
        }
    }

    /// Waits for the events behind an inspected change: they describe it more precisely.
    async fn wait_for_events(&mut self, heard: &mut mpsc::Receiver<ContainerEventResult>) {
        let timeline = self.news.timeline();
        let mut grace_us = GRACE_US;
        if std::mem::take(&mut self.is_deaf) {
            self.ask_again.notify_one();
            grace_us = GRACE_AGAIN_US;
        }
        let deadline = At(timeline.now().0 + grace_us);
        while let Some(Some(event)) = timeline.before(deadline, heard.recv()).await {
            self.hear(event).await;
        }
    }

    async fn gone(&mut self) {
        self.watched.server_pid.set(None);
        if self.base.status == "removed" {
            return;
        }
        if !self.told.removed {
            let words = format!("there is no container `{}` any more", self.watched.name);
            self.news.target(TargetFact::new(TargetWord::Removed, words)).await;
        }
        "removed".clone_into(&mut self.base.status);
        self.base.running = false;
    }

    /// Tells sensors of this machine where the process is, if it runs on this machine.
    fn moved(&self) {
        let pid = self.base.pid;
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let is_here = pid != 0 && cgroup.contains(&self.base.id);
        self.watched.server_pid.set(is_here.then_some(pid));
    }

    /// Sends the container's identity, to be compared with the recipe.
    async fn contained(&self) {
        let (look, engine) = (&self.base, &self.watched.engine);
        let Ok(digests) = engine.digests(&look.image).await else { return };
        let env = look.env.iter().filter_map(|pair| pair.split_once('='));
        self.news
            .contained(ContainerDescription {
                engine: engine.program.0.clone(),
                name: look.name.clone(),
                id: look.id.clone(),
                image: look.image_name.clone(),
                image_id: look.image.clone(),
                digests,
                started: look.started.clone(),
                env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            })
            .await;
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::target::standin::said;

    /// Returns a watch whose engine cannot be asked.
    fn watch(news: NewsSender, told: ReportedChanges) -> Watch {
        let engine = ContainerEngine::new("/no/such/engine", news.timeline());
        let (name, server_pid) = ("brain".to_owned(), ServerPid::default());
        Watch {
            watched: Watched { engine, name, server_pid, is_own: false },
            news,
            base: ContainerState { running: true, ..ContainerState::default() },
            told,
            looks: 0,
            is_deaf: false,
            ask_again: Rc::new(Notify::new()),
        }
    }

    #[tokio::test]
    async fn every_event_is_told_in_the_engines_name_and_the_sum_of_others_is_not() {
        let told = said(|news| async move {
            let mut watch = watch(news, ReportedChanges::default());
            for what in [
                ContainerEventKind::Kill(Some(9)),
                ContainerEventKind::Kill(None),
                ContainerEventKind::Oom,
                ContainerEventKind::Die(Some(137)),
                ContainerEventKind::Die(None),
                ContainerEventKind::Start,
                ContainerEventKind::Pause,
                ContainerEventKind::Unpause,
                ContainerEventKind::Stop,
                ContainerEventKind::Restart,
                ContainerEventKind::Destroy,
            ] {
                watch.event(At(1), ContainerEvent { what, id: "ab".to_owned(), at_ns: 1 }).await;
            }
            watch.hear(Err("the engine is away".to_owned())).await;
            assert!(watch.is_deaf, "what happens meanwhile is asked for again");
        });
        assert_snapshot!("events", told.await);
    }

    #[tokio::test]
    async fn a_start_that_longhaul_ordered_is_no_news() {
        let told = said(|news| async move {
            let mut watch =
                watch(news, ReportedChanges { ignored_starts: 1, ..ReportedChanges::default() });
            let start = || ContainerEvent {
                what: ContainerEventKind::Start,
                id: "ab".to_owned(),
                at_ns: 1,
            };
            watch.event(At(1), start()).await;
            assert_eq!((watch.told.starts, watch.told.ignored_starts), (0, 0));
            watch.event(At(2), start()).await;
            assert_eq!(watch.told.starts, 1);
        });
        assert_snapshot!(told.await, @"Started: /no/such/engine says: start");
    }

    #[tokio::test]
    async fn a_container_that_is_gone_is_told_once_and_its_process_is_nobodys() {
        let told = said(|news| async move {
            let mut watch = watch(news, ReportedChanges::default());
            watch.watched.server_pid.set(Some(7));
            watch.gone().await;
            assert_eq!(watch.watched.server_pid.pid(), None);
            assert!(!watch.base.running);
            watch.gone().await;
        });
        assert_snapshot!(told.await, @"Removed: there is no container `brain` any more");
        let heard = said(|news| async move {
            watch(news, ReportedChanges { removed: true, ..ReportedChanges::default() })
                .gone()
                .await;
        });
        assert_eq!(heard.await, "", "an event told it");
    }

    #[tokio::test]
    async fn an_engine_that_cannot_be_asked_is_a_gap_and_no_end() {
        let told = said(|news| async move {
            let mut watch = watch(news, ReportedChanges::default());
            let (_, mut heard) = mpsc::channel(1);
            watch.look(&mut heard).await;
            assert!(watch.is_deaf && watch.base.running);
        });
        assert_snapshot!(told.await, @"missed state: there is no program `/no/such/engine` here");
    }
}
