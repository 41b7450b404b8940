//! The server is back, or is another process: it is asked again what it is. A
//! look of three questions at the most, none for a token, so that it moves no
//! measurement; what only answers tell is taken from those of the load. What its
//! container is comes unasked, from whoever watches it.

use super::identity::{self, Identity};
use super::{Heard, Shell, arrive};
use crate::fact::{Fact, Seen, TargetWord};
use crate::unit::At;
use crate::world::{Contained, Sink, TargetOrder, Wire};

/// How long after a sign it is asked. The signs of one restart (it answers, its process is
/// another) come within seconds of each other, and one look answers them all.
const SETTLE_US: u64 = 10_000_000;

/// Changes of what a server calls itself in its answers that are written down: bounds a
/// balancer in front of several that are not alike.
const CHANGES_MAX: u32 = 32;

/// Turns of incidents around which every second is told: bounds the rows of a server that
/// dies every minute of a night.
const ALARMS_MAX: u32 = 128;

/// What the server was last known to be.
pub(super) struct KnownServer {
    /// What it said last.
    pub identity: Identity,
    contained: Option<Contained>,
    looking: bool,
    changes: u32,
}

impl KnownServer {
    /// From before the load.
    pub(super) fn new(identity: Identity) -> KnownServer {
        KnownServer { identity, contained: None, looking: false, changes: 0 }
    }
}

impl<W: Wire, S: Sink> Shell<'_, W, S> {
    /// Obeys an action that is an order to the target, and has the server asked again where
    /// a fact says that it is back or began anew.
    pub(super) fn heed(&mut self, fact: &Fact) {
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
            // The loop is gone only when the run is over.
            let _ = facts.send(Heard::Identity(timeline.now(), said)).await;
        });
    }

    /// Has the sensors tell every second around what begins or ends an incident.
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
            self.bells.alarm.ring(Some(self.timeline.now()));
        }
    }

    /// Writes down what the server says otherwise than before, and that it was asked.
    pub(super) fn identified(
        &mut self,
        at: At,
        said: Result<Identity, String>,
    ) -> Result<(), String> {
        self.known.looking = false;
        let now = match said {
            Ok(now) => now.with_answered(&self.known.identity),
            Err(why) => {
                let note = format!("asked again what it is, the server did not say: {why}");
                return self.record(at, Fact::Seen(Seen::note("identity", note)));
            }
        };
        let changed = identity::changed(&self.script.recipe, &self.known.identity, &now);
        let words = match changed.len() {
            0 => "asked again: nothing changed".to_owned(),
            n => format!("asked again: {n} changed"),
        };
        self.known.identity = now;
        self.record(at, Fact::Seen(Seen::plain("identity", words)))?;
        changed.into_iter().try_for_each(|seen| self.record(at, Fact::Seen(seen)))
    }

    /// Writes down that the server calls itself otherwise in an answer than it did before.
    pub(super) fn called(&mut self, at: At, system: &str) -> Result<(), String> {
        let before = self.known.identity.clone();
        if !self.known.identity.answered(system) || self.known.changes == CHANGES_MAX {
            return Ok(());
        }
        self.known.changes += 1;
        let changed = identity::changed(&self.script.recipe, &before, &self.known.identity);
        changed.into_iter().try_for_each(|seen| self.record(at, Fact::Seen(seen)))
    }

    /// Writes down what the server's container is: all of it at first, later what changed.
    pub(super) fn contained(&mut self, at: At, now: Contained) -> Result<(), String> {
        let recipe = &self.script.recipe;
        let seen = match &self.known.contained {
            None => identity::of_container(recipe, &now),
            Some(before) => identity::container_changed(recipe, before, &now),
        };
        self.known.contained = Some(now);
        seen.into_iter().try_for_each(|seen| self.record(at, Fact::Seen(seen)))
    }
}
