//! Gathers the signs of one incident.

use super::classify::{self, classify};
use super::mark::{Mark, ShownMark};
use crate::incident::Incident;
use crate::unit::At;

/// Longest time for which a server with a dead engine still answers probes.
const DEATH_WINDOW_US: u64 = 5_000_000;

/// Bound on an incident's evidence; further entries show the same.
pub(super) const EVIDENCE_MAX: usize = 8;

/// Bad sign, with the request that gave it.
#[derive(Clone, Debug)]
pub(super) struct BadSign {
    pub(super) shown: ShownMark,
    pub(super) request: Option<(At, u64)>,
}

/// Incident that is being gathered.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) incident: Incident,
    pub(super) marks: Vec<ShownMark>,
    /// Whether health probes fail.
    pub(super) away: bool,
    /// Whether the server hangs.
    pub(super) hung: bool,
    /// Whether its process has ended and no new one has answered yet.
    pub(super) dead: bool,
    /// Last sign that the server did not serve; earlier tokens are no recovery.
    pub(super) broke: At,
}

impl Case {
    pub(super) fn is_open(&self) -> bool {
        self.away || self.hung || self.dead
    }

    /// Whether any of its marks is about the server.
    pub(super) fn is_of_server(&self) -> bool {
        self.marks.is_empty() || !classify::of_server(&self.marks).is_empty()
    }

    /// Returns the incident with the kinds and the cause that its marks show so far.
    pub(super) fn explained(&self) -> Incident {
        let mut incident = self.incident.clone();
        let of_server = classify::of_server(&self.marks);
        let caused = classify::before_repair(&of_server);
        let (cause, confidence) = classify(&caused);
        (incident.cause, incident.confidence) = (cause, confidence);
        incident.kinds = classify::kinds(&caused, cause, incident.until.is_some());
        let mut marks: Vec<&ShownMark> = of_server.iter().collect();
        marks.sort_by_key(|shown| (shown.mark, shown.seq));
        if let Some(words) = marks.iter().find_map(|shown| shown.words.as_ref()) {
            incident.words.clone_from(words);
        }
        incident.evidence = marks.iter().take(EVIDENCE_MAX).map(|shown| shown.seq).collect();
        incident
    }

    /// Records that the server did not serve at this instant: earlier tokens are no recovery.
    pub(super) fn broke_at(&mut self, at: At) {
        self.broke = self.broke.max(at);
        let after = |token: &At| *token > self.broke;
        let incident = &mut self.incident;
        incident.recovery.first_token = incident.recovery.first_token.filter(after);
        incident.recovery.same_depth = incident.recovery.same_depth.filter(after);
        incident.again.retain(|_, token| after(token));
    }

    /// Discards the recovery so far, because the server went away again.
    pub(super) fn closed_again(&mut self) {
        (self.incident.recovery.port, self.incident.recovery.model) = (None, None);
    }

    /// Whether the server only answered probes for a moment, and nothing started it. A server with
    /// a dead engine does so, and what follows is the rest of the same exit.
    pub(super) fn is_dying(&self, at: At) -> bool {
        let begun = |mark: Mark| mark.is_death() || mark == Mark::Started;
        self.incident.until.is_some_and(|until| at.since(until) <= DEATH_WINDOW_US)
            && self.incident.recovery.first_token.is_none()
            && !self.marks.iter().any(|shown| begun(shown.mark))
    }

    pub(super) fn was_away(&self) -> bool {
        self.marks.iter().any(|shown| shown.mark == Mark::Away)
    }

    /// Adds a sign, as long as the evidence has room for its kind.
    pub(super) fn show(&mut self, shown: ShownMark) {
        let same = self.marks.iter().filter(|known| known.mark == shown.mark).count();
        if same < EVIDENCE_MAX {
            self.marks.push(shown);
        }
    }

    /// Adds a bad sign, with the request that gave it.
    pub(super) fn doubt(&mut self, bad: BadSign) {
        if let Some((sent, depth)) = bad.request {
            // A request sent before the detection was in flight.
            if self.incident.recovery.detected.is_none_or(|detected| sent <= detected) {
                self.incident.in_flight += 1;
                self.incident.depth = self.incident.depth.max(Some(depth));
            }
        }
        if matches!(bad.shown.mark, Mark::Broke | Mark::AnsweredDead) {
            self.broke_at(bad.shown.at);
        }
        self.show(bad.shown);
    }
}
