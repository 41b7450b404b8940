//! Reads the server's identity again when it is back or was restarted. Sends at
//! most three requests, none of which generates a token, so that no measurement
//! is disturbed. The system fingerprint, which only completions carry, is taken
//! from those of the load. The container's identity comes unrequested, from the
//! target that watches it.

use super::arrive::{self, Model};
use super::identity::{self, Identity};
use super::watch_list::WatchedList;
use super::{EventLoop, TaskMessage};
use crate::fact::{Fact, Request, Statement, TargetWord};
use crate::measure::RequestShare;
use crate::series::MODEL_LISTED;
use crate::unit::{At, span};
use crate::world::{ContainerDescription, Sink, TargetOrder, Wire};

/// Delay between a sign of a restart and the request, microseconds. The signs of one restart
/// (probe answered, new process) come within seconds of each other, so one request covers them
/// all.
const SETTLE_US: u64 = 10_000_000;

/// Least time between two readings of the engine because of closed connections, microseconds; some
/// servers close each.
const AGAIN_US: u64 = 1_000_000;

/// Largest number of fingerprint changes that are recorded; bounds the rows when a balancer fronts
/// servers that differ.
const CHANGES_MAX: u32 = 32;

/// Largest number of incident events around which rows are written every second; bounds the rows
/// of a server that crashes every minute for a night.
const ALARMS_MAX: u32 = 128;

/// Identity of the server and its container, as last known.
pub(super) struct KnownServer {
    /// Identity as last read.
    pub identity: Identity,
    contained: Option<ContainerDescription>,
    looking: bool,
    changes: u32,
    /// Model that the last answers named, where it is not the requested one; empty where they name
    /// none. `None` while they name the requested one.
    answering: Option<String>,
    /// Whether the server was found not to list its model any more.
    pub unlisted: bool,
    /// List of models, as far as it was recorded.
    pub list: WatchedList,
}

impl KnownServer {
    /// Returns the state before the load.
    pub(super) fn new(identity: Identity) -> KnownServer {
        KnownServer {
            identity,
            contained: None,
            looking: false,
            changes: 0,
            answering: None,
            unlisted: false,
            list: WatchedList::default(),
        }
    }

    /// Records a reading of whether the model is listed.
    pub(super) fn fold(&mut self, fact: &Fact) {
        if let Fact::Reading(reading) = fact
            && MODEL_LISTED.is_of(reading)
        {
            self.unlisted = reading.last < 0.5;
        }
    }
}

impl<W: Wire, S: Sink> EventLoop<'_, W, S> {
    /// Passes target orders to the target, and starts a new read of the identity when a fact says
    /// that the server is back or was restarted.
    pub(super) fn react(&mut self, fact: &Fact) {
        if let Fact::Action(action) = fact
            && let Some(order) = TargetOrder::parse(&action.what)
        {
            self.target.order(order, action.id);
        }
        let Fact::Target(target) = fact else { return };
        self.alarm(target.word);
        if !matches!(target.word, TargetWord::Back | TargetWord::Restarted)
            || std::mem::replace(&mut self.known.looking, true)
        {
            return;
        }
        let (wire, timeline, facts) = (self.wire.clone(), self.timeline, self.facts.clone());
        let script = self.script.clone();
        self.tasks.spawn_local(async move {
            timeline.until(At(timeline.now().0 + SETTLE_US)).await;
            let said = arrive::again(&wire, &timeline, script.abilities, &script.model).await;
            // Sending fails only when the loop has ended, and then the run is over.
            let _ = facts.send(TaskMessage::Identity(timeline.now(), said)).await;
        });
    }

    /// Reads the engine at once after a request whose connection the server closed: it may be a new
    /// process, whose counters pass those of the old one soon.
    pub(super) fn look_again(&mut self, request: &Request) {
        let now = self.timeline.now();
        let last = self.control.engine.get();
        if request.resent && last.is_none_or(|last| now.since(last) >= AGAIN_US) {
            self.control.engine.set(Some(now));
        }
    }

    /// Makes the sensors write a row every second around the begin or end of an incident.
    fn alarm(&mut self, word: TargetWord) {
        let is_turn = matches!(
            word,
            TargetWord::Away
                | TargetWord::Back
                | TargetWord::Exited
                | TargetWord::Restarted
                | TargetWord::Hung
                | TargetWord::OutOfMemory
        );
        if is_turn && self.own.alarms < ALARMS_MAX {
            self.own.alarms += 1;
            self.control.alarm.set(Some(self.timeline.now()));
        }
    }

    /// Records that the identity was read again, and what changed in it.
    pub(super) fn identified(
        &mut self,
        at: At,
        said: Result<Identity, String>,
    ) -> Result<(), String> {
        self.known.looking = false;
        let now = match said {
            Ok(now) => now.with_answered(&self.known.identity),
            Err(why) => {
                let note = format!("its identity could not be read again: {why}");
                return self.record(at, Fact::Seen(Statement::identity(Err(note))));
            }
        };
        let changed = identity::changed(&self.script.recipe, &self.known.identity, &now);
        let words = match changed.len() {
            0 => "its identity was read again and is unchanged".to_owned(),
            n => format!("asked again: {n} changed"),
        };
        self.known.identity = now;
        self.record(at, Fact::Seen(Statement::identity(Ok(words))))?;
        changed.into_iter().try_for_each(|seen| self.record(at, Fact::Seen(seen)))
    }

    /// Records that the server lists other models than the one that is asked for.
    pub(super) fn relisted(&mut self, at: At, models: Vec<String>) -> Result<(), String> {
        let model = |id| Model { id, root: None, parent: None, max_model_len: None };
        let models: Vec<Model> = models.into_iter().map(model).collect();
        let now = Identity::of(&models, &self.script.model, None, None);
        self.changed(at, now)
    }

    /// Records what changed in the statements of a server that answered, with the time.
    pub(super) fn changed(&mut self, at: At, now: Identity) -> Result<(), String> {
        let changed = identity::changed(&self.script.recipe, &self.known.identity, &now);
        self.known.identity.update(now);
        changed.into_iter().try_for_each(|seen| {
            let note = format!("{}; seen {} after the start", seen.note, span(at.seconds()));
            self.record(at, Fact::Seen(Statement { note, ..seen }))
        })
    }

    /// Records a change of the system fingerprint that responses carry.
    pub(super) fn called(&mut self, at: At, system: &str) -> Result<(), String> {
        let before = self.known.identity.clone();
        if !self.known.identity.answered(system) || self.known.changes == CHANGES_MAX {
            return Ok(());
        }
        self.known.changes += 1;
        let changed = identity::changed(&self.script.recipe, &before, &self.known.identity);
        changed.into_iter().try_for_each(|seen| self.record(at, Fact::Seen(seen)))
    }

    /// Records that answers name another model than the requested one, or none, and every change of
    /// that.
    pub(super) fn answered_by(
        &mut self,
        request: &Request,
        named: Option<&str>,
    ) -> Result<(), String> {
        let is_wrong = request.checks.iter().any(|it| it == RequestShare::WrongModel.word());
        let answering = (is_wrong || named.is_none()).then(|| named.unwrap_or_default().to_owned());
        let is_known = self.known.answering == answering || self.known.changes == CHANGES_MAX;
        if !request.ended.is_good() || is_known {
            return Ok(());
        }
        self.known.changes += 1;
        self.known.answering = answering;
        let seen = Statement::answered_by(&self.script.model, named, is_wrong);
        self.record(request.done, Fact::Seen(seen))
    }

    /// Records the container's identity: all of it at first, later only what changed.
    pub(super) fn contained(&mut self, at: At, now: ContainerDescription) -> Result<(), String> {
        let recipe = &self.script.recipe;
        let seen = match &self.known.contained {
            None => identity::of_container(recipe, &now),
            Some(before) => identity::container_changed(recipe, before, &now),
        };
        self.known.contained = Some(now);
        seen.into_iter().try_for_each(|seen| self.record(at, Fact::Seen(seen)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_not_listed_any_more_is_remembered_until_it_is() {
        let mut known = KnownServer::new(Identity::default());
        for (value, unlisted) in [(0.0, true), (1.0, false)] {
            known.fold(&Fact::Reading(MODEL_LISTED.reading(value)));
            assert_eq!(known.unlisted, unlisted);
        }
    }
}
