//! Watches a container: its events as they come, and a look every few seconds
//! for what no event told, as behind an engine that was away. What events told
//! is not told again by the look.

use std::fs;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::event::{self, Event, What};
use super::inspect::{Change, Look};
use super::{Engine, Unknown};
use crate::fact::{Exited, Fact, Source, TargetFact, TargetWord};
use crate::target::handle::Voice;
use crate::unit::At;
use crate::world::{Contained, Whereabouts};

/// How often it is looked at.
const LOOK_US: u64 = 5_000_000;
/// How long events of what a look found may still be on their way.
const GRACE_US: u64 = 1_000_000;
/// The first wait until events are asked for again, and the longest.
const WAIT_US: (u64, u64) = (500_000, 10_000_000);
/// Events that came and were not looked at.
const EVENTS_MAX: usize = 256;
/// Events that are known again when they are asked for again.
const KNOWN_MAX: usize = 64;

/// What is to be watched.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The engine.
    pub engine: Engine,
    /// By which name: an id, or a name that a later container may have too.
    pub name: String,
    /// Where its process is, for sensors of this box.
    pub whereabouts: Whereabouts,
    /// From which life on its past events are wanted: longhaul's own containers have no past
    /// that is not of the run.
    pub is_own: bool,
}

/// Watches for ever.
pub async fn watch(watched: Watched, first: Look, voice: Voice) {
    let (events, mut heard) = mpsc::channel(EVENTS_MAX);
    let mut tasks = JoinSet::new();
    let wall_ns = voice.timeline().wall_now_us().saturating_mul(1_000);
    let since = if watched.is_own { nanoseconds(&first.started) } else { Some(wall_ns) };
    tasks.spawn_local(follow(watched.engine.clone(), watched.name.clone(), since, events));
    let mut watch = Watch { watched, voice, base: first, told: Told::default(), looks: 0 };
    watch.told.ignored_starts = u64::from(watch.watched.is_own);
    watch.moved();
    watch.contained().await;
    let timeline = watch.voice.timeline();
    let mut due = At(timeline.now().0 + LOOK_US);
    loop {
        tokio::select! { biased;
            event = heard.recv() => match event {
                Some(Ok(event)) => watch.event(event).await,
                Some(Err(why)) => watch.voice.missed(Source::Container, "events", &why).await,
                None => return,
            },
            () = timeline.until(due) => {
                watch.look(&mut heard).await;
                due = At(timeline.now().0 + LOOK_US);
            }
        }
    }
}

/// What events told since the last look.
#[derive(Debug, Default)]
struct Told {
    starts: u64,
    ends: u64,
    pauses: u64,
    removed: bool,
    /// Starts that are longhaul's own.
    ignored_starts: u64,
}

struct Watch {
    watched: Watched,
    voice: Voice,
    /// The last look.
    base: Look,
    told: Told,
    looks: u64,
}

impl Watch {
    async fn event(&mut self, event: Event) {
        let engine = self.watched.engine.program.0.clone();
        let said = |word, what: &str| TargetFact::new(word, format!("{engine} says: {what}"));
        let fact = match event.what {
            What::Kill(signal) => TargetFact {
                exit: Some(Exited { signal, ..Exited::default() }),
                ..said(TargetWord::Signalled, "kill")
            },
            What::Die(code) => {
                self.told.ends += 1;
                return self.died(code).await;
            }
            What::Oom => said(TargetWord::OutOfMemory, "oom"),
            What::Start => {
                if self.told.ignored_starts > 0 {
                    self.told.ignored_starts -= 1;
                    return;
                }
                self.told.starts += 1;
                self.started().await;
                said(TargetWord::Started, "start")
            }
            What::Pause => {
                self.told.pauses += 1;
                said(TargetWord::Paused, "pause")
            }
            What::Unpause => {
                self.told.pauses += 1;
                said(TargetWord::Unpaused, "unpause")
            }
            What::Destroy => {
                self.told.removed = true;
                said(TargetWord::Removed, "destroy")
            }
            // What they consist of was told: signal, end and start.
            What::Stop | What::Restart => return,
        };
        self.voice.target(fact).await;
    }

    /// Its process ended. Whether memory was short stands in its state, as long as that is
    /// still this life's.
    async fn died(&mut self, code: Option<i64>) {
        let at = self.voice.timeline().now();
        self.watched.whereabouts.moved(None);
        let look = self.watched.engine.look(&self.watched.name).await.ok();
        let oom_killed = look
            .filter(|look| !look.running || look.oom_killed == Some(true))
            .and_then(|look| look.oom_killed);
        let exit = Exited { code, signal: None, oom_killed };
        let code = code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
        let words = format!("{} says: die, exit code {code}", self.watched.engine.program.0);
        let fact = TargetFact { exit: Some(exit), ..TargetFact::new(TargetWord::Exited, words) };
        self.voice.say_at(at, Fact::Target(fact)).await;
    }

    /// Its process is another one now.
    async fn started(&mut self) {
        if let Ok(look) = self.watched.engine.look(&self.watched.name).await {
            self.base.pid = look.pid;
            self.base.id.clone_from(&look.id);
            self.moved();
        }
    }

    async fn look(&mut self, heard: &mut mpsc::Receiver<Result<Event, String>>) {
        let look = match self.watched.engine.look(&self.watched.name).await {
            Ok(look) => look,
            Err(Unknown::Gone) => return self.gone().await,
            Err(Unknown::Dark(why)) => {
                return self.voice.missed(Source::Container, "state", &why).await;
            }
        };
        let is_other = look.started != self.base.started || look.id != self.base.id;
        if let Some(change) = look.since(&self.base) {
            // Its events may still be on their way; then they tell it, and better.
            let deadline = At(self.voice.timeline().now().0 + GRACE_US);
            while let Some(Some(event)) = self.voice.timeline().before(deadline, heard.recv()).await
            {
                match event {
                    Ok(event) => self.event(event).await,
                    Err(why) => self.voice.missed(Source::Container, "events", &why).await,
                }
            }
            self.changed(change, &look).await;
        }
        self.base = look;
        self.told = Told { ignored_starts: 0, ..Told::default() };
        self.moved();
        if is_other && self.base.running {
            self.contained().await;
        }
        self.looks += 1;
        if self.looks.is_multiple_of(2) {
            let runs = f64::from(u8::from(self.base.running));
            self.voice.reading(Source::Container, "running", runs).await;
        }
    }

    /// What no event told.
    async fn changed(&self, change: Change, look: &Look) {
        let fact = match change {
            Change::Recreated(words) if self.told.starts == 0 => {
                TargetFact::new(TargetWord::Restarted, words)
            }
            Change::Restarted(words) => {
                let again = look.restarts.saturating_sub(self.base.restarts).max(1);
                if self.told.starts >= again {
                    return;
                }
                TargetFact::new(TargetWord::Restarted, words)
            }
            Change::Ended if self.told.ends == 0 => {
                let (code, oom_killed) = (look.exit_code, look.oom_killed);
                let words = format!("it does not run any more, since {}", look.finished);
                TargetFact {
                    exit: Some(Exited { code, signal: None, oom_killed }),
                    ..TargetFact::new(TargetWord::Exited, words)
                }
            }
            Change::Paused if self.told.pauses == 0 => {
                TargetFact::new(TargetWord::Paused, "its state is paused")
            }
            Change::Unpaused if self.told.pauses == 0 => {
                TargetFact::new(TargetWord::Unpaused, "its state is running again")
            }
            _ => return,
        };
        self.voice.target(fact).await;
    }

    async fn gone(&mut self) {
        self.watched.whereabouts.moved(None);
        if self.base.status == "removed" {
            return;
        }
        if !self.told.removed {
            let words = format!("there is no container `{}` any more", self.watched.name);
            self.voice.target(TargetFact::new(TargetWord::Removed, words)).await;
        }
        "removed".clone_into(&mut self.base.status);
        self.base.running = false;
    }

    /// Tells sensors of this box where its process is, where it is on this box at all.
    fn moved(&self) {
        let pid = self.base.pid;
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let is_here = pid != 0 && cgroup.contains(&self.base.id);
        self.watched.whereabouts.moved(is_here.then_some(pid));
    }

    /// What it is, for whoever holds that against the recipe.
    async fn contained(&self) {
        let (look, engine) = (&self.base, &self.watched.engine);
        let Ok(digests) = engine.digests(&look.image).await else { return };
        let env = look.env.iter().filter_map(|pair| pair.split_once('='));
        self.voice
            .contained(Contained {
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

/// A stamp of an engine as nanoseconds since 1970.
fn nanoseconds(stamp: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(stamp).ok()?;
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

/// Hands on events for ever, asked for again from the last one on when their stream ends.
async fn follow(
    engine: Engine,
    name: String,
    mut since: Option<u64>,
    out: mpsc::Sender<Result<Event, String>>,
) {
    let mut known: Vec<(u64, What, String)> = Vec::new();
    let mut wait_us = WAIT_US.0;
    loop {
        let mut arguments =
            ["events", "--format", "{{json .}}", "--filter"].map(str::to_owned).to_vec();
        arguments.push(format!("container={name}"));
        if let Some(since) = since {
            arguments.extend(["--since".to_owned(), event::since(since)]);
        }
        let ended = read(&engine, &arguments, &mut since, &mut known, &out).await;
        wait_us = match ended {
            Ok(0) => (wait_us * 2).min(WAIT_US.1),
            Ok(_) => WAIT_US.0,
            Err(why) => {
                if out.send(Err(why)).await.is_err() {
                    return;
                }
                (wait_us * 2).min(WAIT_US.1)
            }
        };
        let timeline = engine.timeline;
        timeline.until(At(timeline.now().0 + wait_us)).await;
    }
}

/// Reads one stream of events to its end; how many came.
///
/// # Errors
/// Why it could not be read.
async fn read(
    engine: &Engine,
    arguments: &[String],
    since: &mut Option<u64>,
    known: &mut Vec<(u64, What, String)>,
    out: &mpsc::Sender<Result<Event, String>>,
) -> Result<u64, String> {
    let program = &engine.program.0;
    let mut child =
        engine.program.follow(arguments).map_err(|why| format!("`{program}`: {why}"))?;
    let Some(pipe) = child.stdout.take() else { return Err("no output".to_owned()) };
    let mut lines = BufReader::new(pipe).lines();
    let mut count = 0;
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(event) = event::parse(&line) else { continue };
        let key = (event.at_ns, event.what, event.id.clone());
        if event.at_ns != 0 && known.contains(&key) {
            continue;
        }
        known.push(key);
        if known.len() > KNOWN_MAX {
            known.remove(0);
        }
        *since = (*since).max(Some(event.at_ns));
        count += 1;
        if out.send(Ok(event)).await.is_err() {
            return Ok(count);
        }
    }
    let answer = child.wait_with_output().await.map_err(|why| format!("`{program}`: {why}"))?;
    if answer.status.success() {
        return Ok(count);
    }
    let words = String::from_utf8_lossy(&answer.stderr);
    let line = words.lines().next().unwrap_or_default();
    Err(format!("`{program} events`: {} {line}", answer.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_stamp_has_nanoseconds() {
        assert_eq!(nanoseconds("1970-01-01T00:00:01.000000002Z"), Some(1_000_000_002));
        assert_eq!(nanoseconds("never"), None);
    }
}
