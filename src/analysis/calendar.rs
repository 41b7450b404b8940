//! Builds the calendar of a run, the first pass: phases, segments, incidents, process lifetimes of
//! the server, and the time that it served under load.

use crate::fact::{Closed, Entry, Fact, Opened, Phase, Segment, Seq};
use crate::incident::{Causes, Incident, IncidentKind, Liveness};
use crate::spec::TrendBlocks;
use crate::unit::{At, micros};

use super::laps::LapEnds;

/// Phase with its start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PhaseSpan {
    /// Segment whose anchor the instants refer to.
    pub segment: Segment,
    pub phase: Phase,
    /// Start of the phase.
    pub from: At,
    /// End of the phase: the start of the next one, or the end of the segment.
    pub until: At,
}

/// Drill with its start and end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DrillSpan {
    /// Segment whose anchor the instants refer to.
    pub segment: Segment,
    /// Name in the scenario: `idle`, `aborts`.
    pub name: String,
    pub from: At,
    pub until: At,
    /// Entry with which it began.
    pub seq: Seq,
}

/// Segment with its start and end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SegmentSpan {
    pub segment: Segment,
    /// Description that opened the segment.
    pub opened: Option<Opened>,
    /// Reason why the segment ended, and its entry; `None` where longhaul was killed, or still
    /// runs.
    pub closed: Option<(Seq, Closed)>,
    /// Last stamp in the segment.
    pub end: At,
}

/// Period in which the server was the same process, as far as could be observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Segment whose anchor the instants refer to.
    pub segment: Segment,
    pub from: At,
    pub until: At,
}

/// Calendar of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Calendar {
    /// Segments, in order.
    pub segments: Vec<SegmentSpan>,
    /// Phases, in order.
    pub phases: Vec<PhaseSpan>,
    /// Drills that have a phase of their own, in order.
    pub drills: Vec<DrillSpan>,
    /// Incidents since the load began, in order.
    pub incidents: Vec<Incident>,
    /// Ends of laps, in order; only some of the ends where laps are short.
    pub lap_ends: Vec<(Segment, At)>,
    /// Least length of a block, microseconds.
    pub block_us: u64,
}

/// Fold that builds the calendar.
#[derive(Clone, Debug)]
pub(crate) struct CalendarFold {
    segments: Vec<SegmentSpan>,
    phases: Vec<PhaseSpan>,
    drills: Vec<DrillSpan>,
    causes: Causes,
    laps: LapEnds,
    block_us: u64,
}

impl Default for CalendarFold {
    fn default() -> CalendarFold {
        CalendarFold::new(&TrendBlocks::default())
    }
}

impl CalendarFold {
    /// Returns the state before the first entry.
    pub(crate) fn new(blocks: &TrendBlocks) -> CalendarFold {
        let block_us = micros(blocks.block);
        CalendarFold {
            segments: Vec::new(),
            phases: Vec::new(),
            drills: Vec::new(),
            causes: Causes::default(),
            laps: LapEnds::new(block_us),
            block_us,
        }
    }

    /// Folds an entry; entries come in the order of seq.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        self.causes.fold(entry);
        self.laps.fold(entry);
        if self.segments.last().is_none_or(|last| last.segment != entry.segment) {
            let (opened, closed) = (None, None);
            let span = SegmentSpan { segment: entry.segment, opened, closed, end: entry.at };
            self.segments.push(span);
        }
        let Some(segment) = self.segments.last_mut() else { return };
        segment.end = segment.end.max(entry.at);
        let end = segment.end;
        match &entry.fact {
            Fact::Opened(opened) => segment.opened = Some(opened.clone()),
            Fact::Closed(closed) => segment.closed = Some((entry.seq, closed.clone())),
            _ => {}
        }
        if let Some(last) = self.phases.last_mut().filter(|last| last.segment == entry.segment) {
            last.until = end;
            let is_drill = matches!(last.phase, Phase::Idle | Phase::Drill);
            if let Some(drill) = self.drills.last_mut().filter(|_| is_drill) {
                drill.until = end;
            }
        }
        if let Fact::Phase(began) = &entry.fact {
            let is_drill = matches!(began.phase, Phase::Idle | Phase::Drill);
            let name = began.because.strip_prefix("drill: ").filter(|_| is_drill);
            if let Some(name) = name {
                let (segment, name, seq) = (entry.segment, name.to_owned(), entry.seq);
                let (from, until) = (entry.at, entry.at);
                self.drills.push(DrillSpan { segment, name, from, until, seq });
            }
            if let Some(last) = self.phases.last_mut().filter(|last| last.segment == entry.segment)
            {
                last.until = entry.at.max(last.from);
            }
            self.phases.push(PhaseSpan {
                segment: entry.segment,
                phase: began.phase,
                from: entry.at,
                until: entry.at,
            });
        }
    }

    /// Returns the inferred state of the server after the last entry.
    pub(crate) fn liveness(&self) -> &Liveness {
        self.causes.liveness()
    }

    /// Returns the calendar so far.
    pub(crate) fn finish(&self) -> Calendar {
        let incidents = self.causes.incidents().into_iter().filter(|incident| {
            // An outage that ended before the load began is the wait for the server.
            self.phases
                .iter()
                .find(|span| span.segment == incident.segment)
                .is_some_and(|first| incident.until.is_none_or(|until| until > first.from))
        });
        Calendar {
            segments: self.segments.clone(),
            phases: self.phases.clone(),
            drills: self.drills.clone(),
            incidents: incidents.collect(),
            lap_ends: self.laps.ends().to_vec(),
            block_us: self.block_us,
        }
    }
}

impl Calendar {
    /// Returns why the run ended, and the entry; `None` where longhaul was killed, or still runs.
    pub(crate) fn closed(&self) -> Option<&(Seq, Closed)> {
        self.segments.last()?.closed.as_ref()
    }

    /// Returns the end of a segment.
    pub(crate) fn end(&self, segment: Segment) -> At {
        self.segments.iter().find(|span| span.segment == segment).map_or(At::ZERO, |span| span.end)
    }

    /// Returns when the load of a segment began.
    pub(crate) fn load_began(&self, segment: Segment) -> Option<At> {
        self.phases.iter().find(|span| span.segment == segment).map(|span| span.from)
    }

    /// Returns when the last phase of a segment began, in which nothing is sent any more.
    pub(crate) fn drain_began(&self, segment: Segment) -> Option<At> {
        let span = self.phases.iter().rfind(|span| span.segment == segment)?;
        (span.phase == Phase::Drain).then_some(span.from)
    }

    /// Whether a load began in any segment.
    pub(crate) fn load_began_at_all(&self) -> bool {
        !self.phases.is_empty()
    }

    /// Returns when the first steady phase began.
    pub(crate) fn first_steady(&self) -> Option<(Segment, At)> {
        let span = self.phases.iter().find(|span| span.phase.is_steady())?;
        Some((span.segment, span.from))
    }

    /// Returns the phase at an instant.
    pub(crate) fn phase_at(&self, segment: Segment, at: At) -> Option<Phase> {
        let spans = self.phases.iter().rev();
        spans.filter(|span| span.segment == segment).find(|span| span.from <= at).map(|s| s.phase)
    }

    /// Returns the periods in which the server was down: segment, from, until.
    pub(crate) fn outages(&self) -> impl Iterator<Item = (Segment, At, At)> {
        self.incidents.iter().filter(|incident| incident.is_away()).map(|incident| {
            let until = incident.until.unwrap_or_else(|| self.end(incident.segment));
            (incident.segment, incident.from, until)
        })
    }

    /// Whether a period overlaps an outage.
    pub(crate) fn meets_outage(&self, segment: Segment, from: At, until: At) -> bool {
        self.outages().any(|(of, gone, back)| of == segment && from < back && gone < until)
    }

    /// Whether a request was sent while the server recovered from an outage: before the first token
    /// that its depth received afterwards.
    pub(crate) fn is_recovering(&self, segment: Segment, sent: At, depth: Option<u64>) -> bool {
        let before = |incident: &&Incident| incident.segment == segment && incident.from < sent;
        let last = self.incidents.iter().rev().find(before);
        last.is_some_and(|incident| incident.is_recovering(sent, depth))
    }

    /// Returns the outage that had not ended when its segment, the last one, did.
    pub(crate) fn still_away(&self) -> Option<&Incident> {
        let last = self.segments.last()?.segment;
        self.incidents.iter().rev().find(|incident| {
            incident.segment == last && incident.is_away() && incident.until.is_none()
        })
    }

    /// Returns when the server was another process than before, by the incidents of a segment.
    pub(crate) fn new_processes(&self, segment: Segment) -> Vec<At> {
        let died = |it: &&Incident| it.is(IncidentKind::Crash) || it.is(IncidentKind::Restart);
        let incidents = self.incidents.iter().filter(|it| it.segment == segment).filter(died);
        incidents.map(|it| it.until.unwrap_or_else(|| self.end(segment))).collect()
    }

    /// Returns the exposure: microseconds of the steady phases, without outages. Warm-up, idle
    /// time, drills and downtime are not in it.
    pub(crate) fn load_us(&self) -> u64 {
        self.spent_us(Phase::is_steady)
    }

    /// Returns the microseconds of some phases, without outages.
    pub(crate) fn spent_us(&self, counts: impl Fn(Phase) -> bool) -> u64 {
        let spans = self.phases.iter().filter(|span| counts(span.phase));
        spans.map(|span| span.until.since(span.from) - self.away_us(span)).sum()
    }

    /// Returns the microseconds of outages in a span. Outages do not overlap each other.
    fn away_us(&self, span: &PhaseSpan) -> u64 {
        let outages = self.outages().filter(|(segment, ..)| *segment == span.segment);
        let away: u64 =
            outages.map(|(_, from, until)| until.min(span.until).since(from.max(span.from))).sum();
        away.min(span.until.since(span.from))
    }

    /// Returns the periods in which the server was one process, as far as could be observed.
    pub(crate) fn lifetimes(&self) -> Vec<Lifetime> {
        let mut lifetimes = Vec::new();
        for span in &self.segments {
            let segment = span.segment;
            let Some(mut from) = self.load_began(segment) else { continue };
            for incident in self.incidents.iter().filter(|incident| incident.segment == segment) {
                if incident.is(IncidentKind::Crash) || incident.is(IncidentKind::Restart) {
                    lifetimes.push(Lifetime { segment, from, until: incident.from.max(from) });
                    from = incident.until.unwrap_or(span.end);
                }
            }
            if from < span.end {
                lifetimes.push(Lifetime { segment, from, until: span.end });
            }
        }
        lifetimes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{ClosedBecause, Ended};
    use crate::incident::fixture::Story;

    fn calendar(story: &Story) -> Calendar {
        let mut pass = CalendarFold::default();
        story.entries.iter().for_each(|entry| pass.fold(entry));
        pass.finish()
    }

    #[test]
    fn time_without_the_server_and_warm_up_is_not_time_under_load() {
        let mut story = Story::soaking();
        story.good(20.0, 0).bad(22.0, 0, Ended::Refused, "refused").up(23.0, false);
        story.up(51.0, true).good(60.0, 0).phase(100.0, Phase::Drain);
        story.closed(110.0, ClosedBecause::Done);
        let calendar = calendar(&story);
        assert_eq!(calendar.load_us(), 60_000_000, "10..100 without 21..51");
        assert!(calendar.meets_outage(0, At(50_000_000), At(52_000_000)));
        assert!(!calendar.meets_outage(0, At(51_000_000), At(52_000_000)));
        let lifetimes = calendar.lifetimes();
        assert_eq!(lifetimes.len(), 2, "{lifetimes:?}");
        assert_eq!(lifetimes[1].from, At(51_000_000));
        assert!(calendar.still_away().is_none());
    }

    #[test]
    fn waiting_for_the_server_at_the_start_is_no_outage() {
        let mut story = Story::new();
        story.opened().up(1.0, false).up(2.0, false).up(30.0, true).phase(31.0, Phase::Warmup);
        assert!(calendar(&story).incidents.is_empty());
    }

    #[test]
    fn an_outage_that_does_not_end_lasts_until_the_segment_does() {
        let mut story = Story::soaking();
        story.good(20.0, 0).up(22.0, false).up(23.0, false).closed(121.0, ClosedBecause::Away);
        let calendar = calendar(&story);
        assert!(calendar.still_away().is_some());
        assert_eq!(calendar.load_us(), 11_000_000);
    }

    #[test]
    fn a_killed_run_has_no_end_but_a_calendar() {
        let mut story = Story::soaking();
        story.good(20.0, 0);
        let calendar = calendar(&story);
        assert_eq!(calendar.closed(), None);
        assert_eq!(calendar.first_steady(), Some((0, At(10_000_000))));
        assert_eq!(calendar.load_us(), 11_000_000);
    }
}
