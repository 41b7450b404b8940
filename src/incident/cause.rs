//! Explains incidents with later entries: joins signs that belong together, so that one process
//! exit counts once, however many requests, probes, counters, exits and log lines show it, and
//! finds its cause.
//!
//! Incidents begin and end here; `mark` reads the sign in an entry, and `classify` finds the cause
//! that several marks show.

mod case;
mod classify;
mod mark;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use super::liveness::{Sign, State, sign};
use super::{Cause, Confidence, Incident, Liveness, LivenessChange, Recovery};
use crate::escape::one_line;
use crate::fact::{Action, Entry, Fact, Request, Segment};
use crate::series::UP;
use crate::unit::At;
use case::{BadSign, Case, EVIDENCE_MAX};
use mark::{Counters, Mark, ShownMark};

/// Largest distance between signs that belong together: a kernel line arrives late, and a server
/// needs longer than this to restart.
const NEAR_US: u64 = 60_000_000;

/// Bound on the characters of an incident's description.
const WORDS_CHARS_MAX: usize = 160;

/// Bound on the signs that are kept for an incident that may follow them.
const UNATTACHED_MAX: usize = 32;

/// Fold that explains incidents. They are few, since two separate ones need at least two readings
/// or probes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Causes {
    liveness: Liveness,
    cases: Vec<Case>,
    /// Signs without an incident yet, newest last.
    unattached: VecDeque<(Segment, ShownMark)>,
    /// Bad signs since the last good one.
    bad_signs: Vec<BadSign>,
    counters: Counters,
    /// First token of a whole answer by depth, since a process was first read that may turn out to
    /// be a new one.
    renewed: BTreeMap<Option<u64>, At>,
}

impl Causes {
    /// Returns the liveness fold inside.
    pub(crate) fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// Returns the incidents so far, in order.
    pub(crate) fn incidents(&self) -> Vec<Incident> {
        self.cases.iter().filter(|case| case.is_of_server()).map(Case::explained).collect()
    }

    /// Folds an entry.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        if let Fact::Opened(_) = entry.fact {
            self.bad_signs.clear();
            self.unattached.clear();
            self.counters = Counters::default();
            // Nothing was observed between two segments: every open incident ends without an
            // observed end.
            for case in &mut self.cases {
                (case.away, case.hung, case.dead) = (false, false, false);
            }
        }
        let change = self.liveness.fold(entry);
        self.fold_doubt(entry);
        match change {
            Some(LivenessChange::WentAway { since, evidence }) => {
                self.went_away(entry, since, &evidence);
            }
            Some(LivenessChange::CameBack { .. }) => self.came_back(entry),
            Some(LivenessChange::Restarted { since, until, evidence }) => {
                self.restarted(entry, (since, until), &evidence);
            }
            None => {}
        }
        if self.liveness.state() == State::Up {
            self.bad_signs.clear();
        }
        match &entry.fact {
            Fact::Target(target) => self.fold_target(entry, target),
            Fact::Action(action) => self.fold_action(entry, action),
            Fact::Request(request) => self.fold_request(entry, request),
            _ => {}
        }
        if let Some(shown) = mark::of(entry, &mut self.counters) {
            self.fold_mark(entry, shown);
        }
        self.recover(entry);
    }

    fn open(&mut self, segment: Segment) -> Option<&mut Case> {
        self.cases.last_mut().filter(|case| case.incident.segment == segment && case.is_open())
    }

    /// Returns the last incident, if a sign between these instants may belong to it.
    fn near(&mut self, segment: Segment, from: At, until: At) -> Option<&mut Case> {
        self.cases.last_mut().filter(|case| {
            let last = &case.incident;
            let end = last.until.filter(|_| !case.is_open());
            let end = end.map_or(u64::MAX, |until| until.0.saturating_add(NEAR_US));
            last.segment == segment
                && from.0 <= end
                && last.from.0 <= until.0.saturating_add(NEAR_US)
        })
    }

    fn begin(&mut self, entry: &Entry, from: At, words: &str) -> &mut Case {
        let segment = entry.segment;
        let incident = Incident {
            kinds: Vec::new(),
            cause: Cause::Unknown,
            confidence: Confidence::Guess,
            segment,
            from,
            until: None,
            evidence: Vec::new(),
            words: one_line(words, WORDS_CHARS_MAX),
            in_flight: 0,
            depth: None,
            recovery: Recovery { detected: Some(entry.at), ..Recovery::default() },
            again: BTreeMap::new(),
        };
        let (away, hung, dead) = (false, false, false);
        let mut case = Case { incident, marks: Vec::new(), away, hung, dead, broke: from };
        // A sign shortly before the incident may be its cause.
        let before = from.0.saturating_sub(NEAR_US);
        for (of, shown) in self.unattached.drain(..) {
            if of == segment && shown.at.0 >= before {
                case.marks.push(shown);
            }
        }
        self.cases.push(case);
        let last = self.cases.len() - 1;
        &mut self.cases[last]
    }

    /// Returns the case that a sign at an instant belongs to, or a new one. A closed case with a
    /// process exit accepts no second exit.
    fn case(&mut self, entry: &Entry, from: At, words: &str, death: bool) -> &mut Case {
        let joins = self.near(entry.segment, from, entry.at).is_some_and(|case| {
            case.is_open() || !death || !case.marks.iter().any(|shown| shown.mark.is_death())
        });
        if !joins {
            return self.begin(entry, from, words);
        }
        let last = self.cases.len() - 1;
        &mut self.cases[last]
    }

    /// Adds a bad sign to the open case, or keeps it until a case begins.
    fn fold_doubt(&mut self, entry: &Entry) {
        let Some(mut shown) = mark::doubt(entry) else { return };
        // A failure is an answer, not a connection that broke.
        if self.liveness.is_failing() && shown.mark == Mark::Broke && mark::is_answer(entry) {
            shown = ShownMark::plain(Mark::Silent, entry);
        }
        let request = match &entry.fact {
            Fact::Request(request) => Some((request.sent, request.cell.depth)),
            _ => None,
        };
        let doubt = BadSign { shown, request };
        if let Some(case) = self.open(entry.segment) {
            case.doubt(doubt);
        } else if self.bad_signs.len() < 4 * EVIDENCE_MAX {
            self.bad_signs.push(doubt);
        }
    }

    fn went_away(&mut self, entry: &Entry, since: At, words: &str) {
        let doubts = std::mem::take(&mut self.bad_signs);
        let at_once = self.near(entry.segment, since, entry.at);
        let joins = at_once
            .is_some_and(|case| case.is_open() || !case.was_away() || case.is_dying(entry.at));
        let case = if joins {
            let last = self.cases.len() - 1;
            &mut self.cases[last]
        } else {
            self.begin(entry, since, words)
        };
        case.incident.from = case.incident.from.min(since);
        case.incident.until = None;
        case.away = true;
        case.closed_again();
        case.broke_at(since);
        case.show(ShownMark::plain(Mark::Away, entry));
        for doubt in doubts {
            case.doubt(doubt);
        }
    }

    fn came_back(&mut self, entry: &Entry) {
        let segment = entry.segment;
        let Some(case) = self.open(segment) else { return };
        (case.away, case.dead) = (false, false);
        case.show(ShownMark::plain(Mark::Back, entry));
        if !case.hung {
            case.incident.until = Some(entry.at);
        }
        case.incident.recovery.port.get_or_insert(entry.at);
    }

    fn restarted(&mut self, entry: &Entry, (since, until): (At, At), words: &str) {
        // The previous process was last read before that outage ended: this is the same exit.
        let same = self.cases.last().is_some_and(|case| {
            let last = &case.incident;
            last.segment == entry.segment
                && (case.is_open() || last.until.is_none_or(|until| since < until))
        });
        if !same {
            let again = std::mem::take(&mut self.renewed);
            let case = self.begin(entry, since, words);
            case.incident.until = Some(until);
            case.incident.recovery.first_token = again.values().copied().min();
            case.incident.again = again;
        }
        if let Some(case) = self.cases.last_mut() {
            case.show(ShownMark::reported(Mark::Restarted, entry, words));
        }
    }

    /// Folds an order of longhaul. An order to a healthy server causes an incident; an order during
    /// an incident does not cause it.
    fn fold_action(&mut self, entry: &Entry, action: &Action) {
        if !action.is_order() {
            return;
        }
        if let Some(case) = self.open(entry.segment) {
            return case.show(ShownMark::plain(Mark::RepairOrdered, entry));
        }
        let case = self.begin(entry, entry.at, &action.note);
        case.dead = true;
        case.show(ShownMark::reported(Mark::OrderedByLonghaul, entry, &action.note));
    }

    fn fold_mark(&mut self, entry: &Entry, shown: ShownMark) {
        if !shown.is_alone() {
            // Such a mark explains an incident and does not begin one.
            if let Some(case) = self.near(entry.segment, shown.at, shown.at) {
                case.show(shown);
            } else {
                if self.unattached.len() == UNATTACHED_MAX {
                    self.unattached.pop_front();
                }
                self.unattached.push_back((entry.segment, shown));
            }
            return;
        }
        let words = shown.words.clone().unwrap_or_default();
        let case = self.case(entry, shown.at, &words, false);
        if !case.is_open() && case.incident.until.is_none_or(|until| until < entry.at) {
            case.incident.until = Some(entry.at);
        }
        case.show(shown);
    }

    /// Folds a whole answer, which shows how far the server has recovered.
    fn fold_request(&mut self, entry: &Entry, request: &Request) {
        let Some(ttft_us) = request.ttft_us.filter(|_| request.ended.is_good()) else { return };
        let first = At(request.sent.0.saturating_add(ttft_us));
        match self.liveness.renewed() {
            None => self.renewed.clear(),
            Some(new) if first > new => {
                let known = self.renewed.entry(request.group().depth()).or_insert(first);
                *known = first.min(*known);
            }
            Some(_) => {}
        }
        let Some(case) = self.cases.last_mut() else { return };
        let broke = case.broke;
        let hung = case.marks.iter().any(|shown| shown.mark == Mark::Hung);
        let incident = &mut case.incident;
        let detected = incident.recovery.detected.filter(|_| incident.segment == entry.segment);
        // A request that a hang delayed was in flight too, though it ended well.
        if detected.is_some_and(|at| hung && request.sent <= at && at < request.done) {
            incident.in_flight += 1;
            incident.depth = incident.depth.max(Some(request.cell.depth));
        }
        let began = incident.recovery.detected.unwrap_or(incident.from).max(broke);
        if incident.segment != entry.segment || first <= began {
            return;
        }
        let depth = request.cell.depth;
        // Answers end out of order: a later row may have the earlier first token.
        let earliest = |known: Option<At>| known.map_or(first, |known| known.min(first));
        let group_depth = request.group().depth();
        let again = incident.again.get(&group_depth).copied();
        incident.again.insert(group_depth, earliest(again));
        let recovery = &mut incident.recovery;
        recovery.first_token = Some(earliest(recovery.first_token));
        // The identity query comes some seconds later, so the answer counts as earlier proof of the
        // model.
        recovery.model.get_or_insert(first);
        if incident.depth.is_none_or(|broke| broke == depth) {
            recovery.same_depth = Some(earliest(recovery.same_depth));
        }
    }

    /// Marks an exited server as back, with the first good sign after its process started.
    fn recover(&mut self, entry: &Entry) {
        let state = self.liveness.state();
        let good = match &entry.fact {
            Fact::Request(request) => sign(request) == Sign::Good,
            Fact::Reading(reading) => UP.is_of(reading) && reading.last >= 0.5,
            Fact::Seen(seen) if seen.is_identity() => {
                let last = self.cases.last_mut().map(|case| &mut case.incident);
                // The identity query belongs to this incident only if it comes soon after its end.
                let asked = |incident: &&mut Incident| {
                    incident.until.is_some_and(|until| entry.at.since(until) <= NEAR_US)
                };
                if let Some(incident) = last.filter(asked) {
                    incident.recovery.model.get_or_insert(entry.at);
                }
                false
            }
            _ => false,
        };
        let Some(case) = self.open(entry.segment) else { return };
        let begun = case.incident.recovery.process.is_some_and(|process| entry.at > process);
        if good && begun && case.dead && state == State::Up {
            (case.dead, case.away) = (false, false);
            case.incident.recovery.port.get_or_insert(entry.at);
            if !case.is_open() {
                case.incident.until = Some(entry.at);
            }
        }
    }
}
