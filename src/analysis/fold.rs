//! Folds requests, rounds, gaps and readings with a known calendar: the second pass.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::fact::{Batch, Cell, Entry, Fact, GapKind, Gaps, Group, Phase, Request, Segment, Seq};
use crate::measure::RequestShare;

use super::acceptance::AcceptanceFold;
use super::ailments::AilmentCounts;
use super::answers::AnswersFold;
use super::atom::RequestValue;
use super::coverage::CoverageFold;
use super::effect::EffectFold;
use super::same_text::RecentTexts;
use super::series::Blocks;
use super::slots::{OpenRounds, Slots};
use super::spans::Spans;
use super::trends::{TrendRules, Trends};
use super::unanswered::Unanswered;
use super::{
    Analysis, CacheCounters, Calendar, GapAtom, GroupStatistics, JournalGaps, Notes, RunDescription,
};

/// Second pass of the analysis. It can be finished at any time, and can fold on afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    calendar: Calendar,
    planned: Vec<Cell>,
    reported: JournalGaps,
    atoms: BTreeMap<(Phase, Group), GroupStatistics>,
    gaps: BTreeMap<(GapKind, Phase, Group), GapAtom>,
    watch: CoverageFold,
    ailments: AilmentCounts,
    notes: Notes,
    fates: Unfinished,
    texts: RecentTexts,
    slots: Slots,
    rounds: OpenRounds,
    exact_output: bool,
    unanswered: Unanswered,
    effect: EffectFold,
    cache_counters: CacheCounters,
    acceptance: AcceptanceFold,
    /// `None` in a live view, which folds every entry and shows no readings over hours.
    series: Option<Blocks>,
    answers: Option<AnswersFold>,
    rules: TrendRules,
}

impl Fold {
    /// Returns a fold of a run whose calendar is known.
    pub(crate) fn new(asked: &RunDescription, calendar: Calendar) -> Fold {
        Fold {
            calendar,
            planned: asked.cells.clone(),
            reported: asked.reported.clone(),
            atoms: BTreeMap::new(),
            gaps: BTreeMap::new(),
            watch: CoverageFold::default(),
            ailments: AilmentCounts::default(),
            notes: Notes::default(),
            fates: Unfinished::default(),
            texts: RecentTexts::default(),
            slots: Slots::default(),
            rounds: OpenRounds::default(),
            exact_output: asked.exact_output,
            unanswered: Unanswered::default(),
            effect: EffectFold::new(&asked.declared),
            cache_counters: CacheCounters::new(asked.template_tokens),
            acceptance: AcceptanceFold::default(),
            series: None,
            answers: None,
            rules: TrendRules::new(asked.trend, &asked.contract),
        }
    }

    /// Returns a fold that also keeps readings over time.
    pub(crate) fn over_time(asked: &RunDescription, calendar: Calendar) -> Fold {
        let spans = Rc::new(Spans::new(&calendar));
        let series = Some(Blocks::new(Rc::clone(&spans)));
        Fold { series, answers: Some(AnswersFold::new(spans)), ..Fold::new(asked, calendar) }
    }

    /// Returns the analysis so far, with a newer version of the calendar.
    pub(crate) fn finish_with(&self, calendar: Calendar) -> Analysis {
        let mut fold = self.clone();
        fold.calendar = calendar;
        fold.finish()
    }

    /// Folds an entry; entries come in the order of seq.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        self.watch.fold(entry);
        self.ailments.fold(entry);
        self.notes.fold(entry);
        self.fates.fold(entry);
        self.slots.fold(entry);
        self.effect.fold(entry);
        self.cache_counters.fold(entry);
        self.acceptance.fold(entry, &self.calendar);
        if let Some(series) = &mut self.series {
            series.fold(entry);
        }
        match &entry.fact {
            Fact::Request(request) => self.fold_request(entry.segment, entry.seq, request),
            Fact::Batch(batch) => self.fold_batch(entry, batch),
            Fact::Gaps(gaps) => self.fold_gaps(gaps),
            _ => {}
        }
    }

    fn atom(&mut self, phase: Phase, group: Group) -> &mut GroupStatistics {
        let entry = self.atoms.entry((phase, group));
        entry.or_insert_with_key(|(phase, group)| GroupStatistics::new(*phase, group.clone()))
    }

    fn fold_request(&mut self, segment: Segment, seq: Seq, request: &Request) {
        let (group, sent) = (request.group(), request.sent);
        if let Some(answers) = &mut self.answers {
            answers.fold_work(segment, request);
        }
        let met_outage = self.calendar.meets_outage(segment, sent, request.done)
            || self.calendar.is_recovering(segment, sent, group.depth());
        self.unanswered.fold(segment, request, &group);
        self.rounds.fold(request);
        let values = (!met_outage).then(|| RequestValue::all_of(request));
        if let Some((answers, values)) = self.answers.as_mut().zip(values.as_ref()) {
            answers.fold((segment, request.done), &group, values);
        }
        let is_same_text = self.texts.is_of_another(request);
        let atom = self.atom(request.phase, group);
        atom.add(seq, request, values.as_deref());
        if is_same_text {
            atom.fired(RequestShare::SameText.word(), seq, request);
        }
    }

    fn fold_batch(&mut self, entry: &Entry, batch: &Batch) {
        // A round with a failed request does not measure the combined throughput of its streams.
        let whole = batch.good == batch.requests && batch.requests > 0;
        let (segment, began, depth) = (entry.segment, batch.began, batch.group.depth());
        let met_outage = self.calendar.meets_outage(segment, began, entry.at)
            || self.calendar.is_recovering(segment, began, depth);
        let round = self.rounds.end(batch);
        if whole && !met_outage && !round.came_at_once {
            self.slots.fold_round(batch, &round);
            let atom = self.atom(batch.phase, batch.group.clone());
            let throughput = atom.fold_batch(batch, round.delay_us);
            if let Some(share) = round.stagger(batch) {
                atom.stagger.record(share);
            }
            if let Some((answers, throughput)) = self.answers.as_mut().zip(throughput) {
                answers.fold_throughput(segment, batch, throughput);
            }
        }
    }

    fn fold_gaps(&mut self, gaps: &Gaps) {
        let Some(steps) = gaps.histogram.steps() else {
            self.notes.unreadable += 1;
            return;
        };
        let (kind, phase) = (gaps.kind, gaps.phase);
        let entry = self.gaps.entry((kind, phase, gaps.group.clone()));
        let dist = crate::stats::Dist::new();
        let new = |group: &Group| GapAtom { kind, phase, group: group.clone(), dist };
        let atom = entry.or_insert_with_key(|(_, _, group)| new(group));
        atom.dist.merge_micros(steps);
    }

    /// Returns the analysis so far.
    pub(crate) fn finish(self) -> Analysis {
        let over_time = self.series.as_ref().map(Blocks::finish).unwrap_or_default();
        let answers = self.answers.as_ref().map(AnswersFold::finish).unwrap_or_default();
        Analysis {
            trends: Trends::of(
                &self.calendar,
                &self.rules,
                &over_time,
                &answers,
                &self.notes.steps,
            ),
            coverage: self.watch.finish(&self.calendar),
            acceptance: self.acceptance.finish(&self.calendar),
            calendar: self.calendar,
            planned: self.planned,
            reported: self.reported,
            atoms: self.atoms.into_values().collect(),
            gaps: self.gaps.into_values().collect(),
            ailments: self.ailments,
            notes: self.notes,
            fate_unknown: self.fates.unknown(),
            slots: self.slots,
            exact_output: self.exact_output,
            fate_lost: self.fates.lost(),
            unanswered: self.unanswered,
            settings: self.effect.finish(),
            cache_counters: self.cache_counters,
            over_time,
        }
    }
}

/// Requests that were sent and never ended: the sent count of `Issued` less the rows. A lane is
/// sequential, so requests beyond its last row have no row. Where longhaul was cut off, each lane may
/// have sent one more since the last `Issued`: the number is then an upper bound.
#[derive(Clone, Debug, Default)]
struct Unfinished {
    segment: Segment,
    before: u64,
    ended: BTreeMap<(Phase, u32), u64>,
    issued: BTreeMap<(Phase, u32), u64>,
    /// Number of lanes, as far as known.
    lanes: u64,
    /// Whether the segment has no end, so that requests may be in flight.
    is_open: bool,
}

impl Unfinished {
    fn fold(&mut self, entry: &Entry) {
        if entry.segment != self.segment {
            // A resume sends them again; how the first ones ended stays unknown.
            self.before = self.unknown();
            self.issued.clear();
            self.is_open = false;
            self.segment = entry.segment;
        }
        match &entry.fact {
            Fact::Request(request) => {
                let next = self.ended.entry((request.phase, request.lane)).or_default();
                *next = (*next).max(request.slot + 1);
                self.lanes = self.lanes.max(u64::from(request.lane) + 1);
            }
            Fact::Opened(_) => self.is_open = true,
            Fact::Closed(_) => self.is_open = false,
            Fact::Issued(issued) => {
                self.lanes = self.lanes.max(issued.next.len() as u64);
                for (lane, next) in issued.next.iter().enumerate() {
                    self.issued.insert((issued.phase, lane as u32), *next);
                }
            }
            _ => {}
        }
    }

    fn unknown(&self) -> u64 {
        self.before + self.lost()
    }

    /// Returns the number of those of the last segment, which nobody sends again.
    fn lost(&self) -> u64 {
        let beyond = |(lane, next): (&(Phase, u32), &u64)| {
            next.saturating_sub(self.ended.get(lane).copied().unwrap_or(0))
        };
        let counted = self.issued.iter().map(beyond).sum();
        if self.is_open { self.lanes.max(counted) } else { counted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::fixture::asked;
    use crate::fact::{Class, ClosedBecause, Ended, SentSlots, TargetFact, TargetWord};
    use crate::incident::fixture::{Story, group};
    use crate::measure::Quantity;
    use crate::spec::Select;
    use crate::stats::Estimate;
    use crate::stats::hdr::EncodedHistogram;
    use crate::unit::At;

    fn analysis(story: &Story) -> Analysis {
        analyse(&asked(&[0]), story.entries.iter())
    }

    #[test]
    fn warm_up_is_not_judged_and_the_steady_state_is() {
        let mut story = Story::soaking();
        story.goods(10.0, 5, 0).bad(30.0, 0, Ended::ErrorFrame, "boom");
        let analysis = analysis(&story);
        assert_eq!(analysis.dist(Quantity::Ttft, &Select::default()).n(), 5);
        let errors = analysis.portion(RequestShare::Errors, &Select::default());
        assert_eq!((errors.part, errors.of), (1, 6));
        let warmup = Select { phase: Some(Phase::Warmup), ..Select::default() };
        assert_eq!(analysis.dist(Quantity::Ttft, &warmup).n(), 1);
    }

    #[test]
    fn an_answer_that_met_an_outage_is_in_no_distribution_but_is_counted() {
        let mut story = Story::soaking();
        story.good(20.0, 0).up(22.0, false).up(23.0, false);
        let mut request = story.request(25.0, 0);
        request.done = Story::at(40.0);
        story.push(40.0, Fact::Request(Box::new(request))).good(42.0, 0);
        let analysis = analysis(&story);
        assert_eq!(analysis.calendar.incidents.len(), 1);
        assert_eq!(analysis.dist(Quantity::E2e, &Select::default()).n(), 2);
        let atom = &analysis.atoms.last().unwrap();
        assert_eq!((atom.requests(), atom.in_outage), (3, 1));
    }

    #[test]
    fn turns_of_a_session_are_one_group_however_deep_each_is() {
        let mut story = Story::soaking();
        story.goods(10.0, 3, 0).turns(20.0, 5);
        let analysis = analysis(&story);
        let last = analysis.atoms.last().unwrap();
        assert_eq!((last.group.to_string().as_str(), last.requests()), ("chat follow", 5));
        let n = |select: &Select| analysis.dist(Quantity::Ttft, select).n();
        assert_eq!(n(&Select::default()), 8);
        assert_eq!(n(&Select { depth: Some(700), ..Select::default() }), 0, "it has no depth");
        assert_eq!(n(&Select { class: Some(Class::Follow), ..Select::default() }), 5);
        assert_eq!(n(&Select { workload: Some("chat".to_owned()), ..Select::default() }), 5);
    }

    #[test]
    fn turns_after_an_outage_count_again_once_one_was_answered_however_deep_each_is() {
        let mut story = Story::soaking();
        story.good(20.0, 0).up(22.0, false).up(23.0, false).up(30.0, true).turns(40.0, 5);
        let analysis = analysis(&story);
        assert_eq!(analysis.calendar.incidents.len(), 1);
        let chat = analysis.atoms.last().unwrap();
        assert_eq!((chat.requests(), chat.in_outage), (5, 1), "the first showed the way back");
    }

    #[test]
    fn an_open_loop_is_told_from_due_and_from_sent() {
        let mut story = Story::soaking();
        let mut request = story.request(20.0, 0);
        request.due = Story::at(19.75);
        story.push(21.0, Fact::Request(Box::new(request)));
        let analysis = analysis(&story);
        let value =
            |quantity| analysis.dist(quantity, &Select::default()).max().and_then(Estimate::known);
        assert_eq!((value(Quantity::Ttft), value(Quantity::TtftDue)), (Some(0.4), Some(0.65)));
        assert_eq!((value(Quantity::E2e), value(Quantity::E2eDue)), (Some(1.0), Some(1.25)));
        assert_eq!(value(Quantity::Lateness), Some(0.25));
    }

    #[test]
    fn what_was_sent_and_has_no_row_is_of_unknown_fate_also_after_a_resume() {
        let mut story = Story::soaking();
        let issued = |next| Fact::Issued(SentSlots { phase: Phase::Soak, next });
        let mut request = story.request(11.0, 0);
        request.slot = 0;
        story.push(12.0, Fact::Request(Box::new(request.clone())));
        story.push(12.0, issued(vec![2, 1]));
        assert_eq!(analysis(&story).fate_unknown, 2);
        story.segment = 1;
        story.opened();
        request.slot = 1;
        story.push(3.0, Fact::Request(Box::new(request))).push(3.0, issued(vec![2, 0]));
        story.closed(4.0, ClosedBecause::Done);
        assert_eq!(analysis(&story).fate_unknown, 2);
    }

    #[test]
    fn each_lane_may_have_sent_one_more_where_longhaul_was_cut_off() {
        let mut story = Story::soaking();
        let issued = |next| Fact::Issued(SentSlots { phase: Phase::Soak, next });
        let mut request = story.request(11.0, 0);
        request.slot = 0;
        story.push(11.0, issued(vec![1, 0, 0])).push(12.0, Fact::Request(Box::new(request)));
        assert_eq!(analysis(&story).fate_unknown, 3, "an upper bound");
        let mut closed = story.clone();
        closed.closed(13.0, ClosedBecause::Done);
        assert_eq!(analysis(&closed).fate_unknown, 0);
    }

    #[test]
    fn rounds_give_throughput_and_histograms_give_gaps() {
        let mut story = Story::soaking();
        let mut histogram = hdrhistogram::Histogram::new_with_bounds(1, 60_000_000, 3).unwrap();
        histogram.record_n(40_000, 10).unwrap();
        let gaps = |histogram| {
            Fact::Gaps(Gaps {
                kind: GapKind::Itl,
                phase: Phase::Soak,
                group: group(0),
                from: At::ZERO,
                n: 10,
                histogram,
            })
        };
        let whole = EncodedHistogram::of(&histogram).unwrap();
        story.push(20.0, gaps(whole)).push(21.0, gaps(EncodedHistogram::default()));
        let batch = |good| {
            Fact::Batch(Batch {
                requests: 2,
                good,
                first: Some(Story::at(21.0)),
                last: Some(Story::at(31.0)),
                tokens: Some(252),
                first_tokens: Some(2),
                ..Batch::begun(Phase::Soak, group(0), Story::at(20.0))
            })
        };
        story.push(31.0, batch(2)).push(31.0, batch(1));
        let analysis = analysis(&story);
        assert_eq!(analysis.dist(Quantity::Itl, &Select::default()).n(), 10);
        assert_eq!(analysis.notes.unreadable, 1);
        let throughput = analysis.dist(Quantity::Throughput, &Select::default());
        assert_eq!((throughput.n(), throughput.max()), (1, Some(Estimate::exact(25.0))));
    }

    #[test]
    fn when_the_server_was_started_is_what_its_engine_said_last() {
        let mut story = Story::soaking();
        story.started(10.0, 1_700_000_000.25).started(20.0, 1_700_000_900.5);
        assert_eq!(analysis(&story).notes.server_start_s, Some(1_700_000_900.5));
        assert!(!analysis(&story).notes.launched);
        let launched = TargetFact::new(TargetWord::Launched, "vllm serve");
        story.push(30.0, Fact::Target(launched));
        assert!(analysis(&story).notes.launched);
    }

    #[test]
    fn folding_twice_and_finishing_in_between_give_the_same() {
        let mut story = Story::soaking();
        story.goods(10.0, 40, 0).bad(95.0, 0, Ended::Reset, "reset").up(96.0, false);
        story.up(99.0, true).closed(100.0, ClosedBecause::Done);
        let mut pass = crate::analysis::CalendarFold::default();
        story.entries.iter().for_each(|entry| pass.fold(entry));
        let mut fold = Fold::new(&asked(&[0]), pass.finish());
        for entry in &story.entries {
            fold.fold(entry);
            let _ = fold.clone().finish();
        }
        assert_eq!(fold.finish(), analysis(&story));
    }
}
