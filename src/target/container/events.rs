//! Follows a container's events. Their stream ends with the engine; then it is requested again from
//! the last event on, so that none is lost. An event that arrives twice is recognised by its stamp.

use std::rc::Rc;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{Notify, mpsc};

use super::ContainerEngine;
use super::event::{self, ContainerEvent, ContainerEventKind};
use super::late_events::EventGap;
use crate::timeline::Timeline;
use crate::unit::At;

/// Shortest and longest wait before the stream is requested again.
const WAIT_US: (u64, u64) = (500_000, 10_000_000);
/// Number of past events kept to recognise repeated ones.
const KNOWN_MAX: usize = 64;

/// Event with its time, or the reason why none can be received.
pub(super) type ContainerEventResult = Result<(At, ContainerEvent), String>;

/// Endless stream of a container's events: when the engine's stream ends, it is requested again
/// from the last event on.
pub(super) struct Events {
    engine: ContainerEngine,
    name: String,
    /// Start of the next request, by the engine's clock.
    since: Option<u64>,
    known: Vec<(u64, ContainerEventKind, String)>,
    /// Last time at which the stream was open.
    last: At,
    out: mpsc::Sender<ContainerEventResult>,
}

impl Events {
    /// Creates the stream of a container's events, from a time on by the engine's clock.
    pub(super) fn new(
        engine: ContainerEngine,
        name: String,
        since: Option<u64>,
        out: mpsc::Sender<ContainerEventResult>,
    ) -> Events {
        let last = engine.timeline.now();
        Events { engine, name, since, known: Vec::new(), last, out }
    }

    /// Sends the events on; never returns. `again` ends a wait for the next attempt early.
    pub(super) async fn follow(mut self, again: Rc<Notify>) {
        let timeline = self.engine.timeline;
        let mut wait_us = WAIT_US.0;
        loop {
            wait_us = match self.read().await {
                Ok(0) => (wait_us * 2).min(WAIT_US.1),
                Ok(_) => WAIT_US.0,
                Err(why) => {
                    if self.out.send(Err(why)).await.is_err() {
                        return;
                    }
                    (wait_us * 2).min(WAIT_US.1)
                }
            };
            let due = At(timeline.now().0 + wait_us);
            // `again` is notified when an inspection found that the engine answers.
            timeline.before(due, again.notified()).await;
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments =
            ["events", "--format", "{{json .}}", "--filter"].map(str::to_owned).to_vec();
        arguments.push(format!("container={}", self.name));
        if let Some(since) = self.since {
            arguments.extend(["--since".to_owned(), event::since(since)]);
        }
        arguments
    }

    /// Reads one stream to its end; returns the number of new events.
    ///
    /// # Errors
    /// The reason why it could not be read.
    async fn read(&mut self) -> Result<u64, String> {
        let timeline = self.engine.timeline;
        let program = self.engine.program.0.clone();
        let opened = timeline.now();
        let unheard = EventGap { since: self.last, opened };
        let child = self.engine.program.follow(&self.arguments());
        let mut child = child.map_err(|why| format!("`{program}`: {why}"))?;
        let Some(pipe) = child.stdout.take() else { return Err("no output".to_owned()) };
        let mut lines = BufReader::new(pipe).lines();
        let mut count = 0;
        while let Ok(Some(line)) = lines.next_line().await {
            let Some(event) = event::parse(&line) else { continue };
            let key = (event.at_ns, event.what, event.id.clone());
            if event.at_ns != 0 && self.known.contains(&key) {
                continue;
            }
            self.known.push(key);
            if self.known.len() > KNOWN_MAX {
                self.known.remove(0);
            }
            self.since = self.since.max(Some(event.at_ns));
            count += 1;
            let at = unheard.at(timeline.now(), Timeline::wall_now_us(), event.at_ns / 1_000);
            if self.out.send(Ok((at, event))).await.is_err() {
                return Ok(count);
            }
        }
        let answer = child.wait_with_output().await.map_err(|why| format!("`{program}`: {why}"))?;
        if answer.status.success() {
            self.last = timeline.now();
            return Ok(count);
        }
        // A stream that was open ended just now; one that was refused at once was never open.
        if timeline.now().since(opened) > WAIT_US.1 || count > 0 {
            self.last = timeline.now();
        }
        let words = String::from_utf8_lossy(&answer.stderr);
        let line = words.lines().next().unwrap_or_default();
        Err(format!("`{program} events`: {} {line}", answer.status))
    }
}
