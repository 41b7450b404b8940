//! Examines the blocks of a run: brings series and answers into the lifetimes and spans that they are
//! judged in.

use super::events::{self, RunEvent};
use super::returned::Windows;
use super::samples::{self, Samples};
use super::until_oom::{self, UntilOom};
use super::work::{Done, PerWork};
use super::{AnswerTrend, SeriesTrend, TrendRules, amount, better, hours, kept};
use crate::analysis::answers::{AnswerBlocks, Work};
use crate::analysis::calendar::{Calendar, Lifetime};
use crate::analysis::notes::ClockStep;
use crate::analysis::series::{LifetimeBlocks, SeriesBlocks};
use crate::analysis::spans::{Span, Spans};
use crate::analysis::trend::evidence::{Evidence, Point, examine};
use crate::analysis::trend::rule::TrendRule;
use crate::analysis::trend::{Trend, TrendWord};
use crate::fact::{Phase, Segment, Seq};
use crate::incident::Incident;
use crate::measure::Better;
use crate::series::growth::JudgedSeries;
use crate::stats::robust::median;
use crate::unit::{At, figures};

/// Share of the expected samples below which a series has no data.
const SAMPLES_MIN: f64 = 0.95;

/// Something in one lifetime, with its evidence.
pub(super) struct Examined<T> {
    about: T,
    lifetime: usize,
    pub(super) evidence: Evidence,
}

/// Spans and lifetimes of a run, and what its rules have in common.
pub(super) struct Examiner<'r> {
    rules: &'r TrendRules,
    incidents: &'r [Incident],
    events: Vec<RunEvent>,
    spans: Spans,
    lifetimes: Vec<Lifetime>,
    /// Least length of a block that is judged, microseconds.
    whole_us: u64,
    block_h: f64,
    warmup_h: f64,
    long_enough_h: f64,
}

impl<'r> Examiner<'r> {
    pub(super) fn new(
        calendar: &'r Calendar,
        rules: &'r TrendRules,
        clock_steps: &[ClockStep],
    ) -> Examiner<'r> {
        let spans = Spans::new(calendar);
        let mut lifetimes: Vec<Lifetime> = spans.all().iter().map(|span| span.lifetime).collect();
        lifetimes.dedup();
        let whole_us = spans.whole_us();
        let block_h = rules.blocks.block.as_secs_f64() / 3_600.0;
        Examiner {
            rules,
            incidents: &calendar.incidents,
            events: events::events(calendar, clock_steps),
            whole_us,
            block_h: block_h.max(hours(whole_us)),
            warmup_h: rules.blocks.warmup.as_secs_f64() / 3_600.0,
            long_enough_h: rules.blocks.long_enough_s() / 3_600.0,
            spans,
            lifetimes,
        }
    }

    /// Returns the number of a lifetime that began at an instant of a segment.
    fn number(&self, segment: Segment, from: At) -> Option<usize> {
        self.lifetimes.iter().position(|it| (it.segment, it.from) == (segment, from))
    }

    fn spans_of(&self, number: usize) -> impl Iterator<Item = (usize, &Span)> {
        let lifetime = self.lifetimes[number];
        self.spans.all().iter().enumerate().filter(move |(_, span)| span.lifetime == lifetime)
    }

    fn is_judged(&self, phase: Phase, from: At, until: At) -> bool {
        phase.is_steady() && until.since(from) >= self.whole_us
    }

    fn point(&self, number: usize, (from, until): (At, At), value: f64) -> Point {
        let began = self.lifetimes[number].from;
        Point { hours: hours(from.since(began) + until.since(began)) / 2.0, value }
    }

    fn rule(&self, number: usize, threshold: f64, better: Better) -> TrendRule {
        let began = self.lifetimes[number].from;
        let mut spans = self.spans_of(number).map(|(_, span)| span);
        // Without a warm-up of its own the first block is that of the first whole lap.
        let first = spans.next().map_or(began, |span| span.until);
        let warm = spans.filter(|span| span.phase == Phase::Warmup).map(|span| span.until).max();
        TrendRule {
            threshold,
            over_all: None,
            better,
            block_h: self.block_h,
            warmup_h: self.warmup_h,
            first_lap_h: hours(warm.unwrap_or(first).since(began)),
            long_enough_h: self.long_enough_h,
        }
    }

    pub(super) fn series<'a>(
        &self,
        series: &'a SeriesBlocks,
    ) -> Vec<Examined<(&'static JudgedSeries, &'a SeriesBlocks, &'a LifetimeBlocks)>> {
        let Some(judged) = JudgedSeries::of(series.source, &series.name) else { return Vec::new() };
        let of = |blocks: &'a LifetimeBlocks| {
            let lifetime = self.number(blocks.segment, blocks.from)?;
            let per_h = self.rules.growth.get(judged.name).copied().unwrap_or(judged.per_h);
            let rule = self.rule(lifetime, per_h, judged.better);
            let share = self.share_of_samples(lifetime, blocks);
            let evidence = if share < SAMPLES_MIN {
                Evidence::without_data(share, &rule)
            } else {
                examine(&self.points(lifetime, blocks), &rule)
            };
            Some(Examined { about: (judged, series, blocks), lifetime, evidence })
        };
        series.lifetimes.iter().filter_map(of).collect()
    }

    fn points(&self, lifetime: usize, blocks: &LifetimeBlocks) -> Vec<Point> {
        let judged = blocks.blocks.iter().filter(|it| self.is_judged(it.phase, it.from, it.until));
        judged.map(|it| self.point(lifetime, (it.from, it.until), it.median)).collect()
    }

    /// Returns the share of the expected samples that the judged spans of a lifetime have.
    fn share_of_samples(&self, lifetime: usize, blocks: &LifetimeBlocks) -> f64 {
        let spans = self.spans_of(lifetime).map(|(_, span)| span);
        let spans = spans.filter(|it| self.is_judged(it.phase, it.from, it.until));
        let count = |span: &Span| Samples {
            n: blocks.blocks.iter().find(|it| it.from == span.from).map_or(0, |it| it.n),
            hours: hours(span.until.since(span.from)),
        };
        samples::share_of_expected(&spans.map(count).collect::<Vec<_>>())
    }

    pub(super) fn answers<'a>(
        &self,
        group: &'a AnswerBlocks,
    ) -> Vec<Examined<(&'a AnswerBlocks, f64)>> {
        let of = |lifetime: usize| {
            let (mut points, mut values) = (Vec::new(), Vec::new());
            for (index, median) in &group.medians {
                let span = self.spans.get(*index);
                if span.lifetime == self.lifetimes[lifetime]
                    && self.is_judged(span.phase, span.from, span.until)
                {
                    points.push(self.point(lifetime, (span.from, span.until), *median));
                    values.push(*median);
                }
            }
            let level = median(&values)?;
            let all_h = points.last()?.hours + self.block_h / 2.0;
            let drift = self.rules.drift_of(group.quantity, &group.group);
            let rule = TrendRule {
                over_all: Some(level * drift),
                ..self.rule(lifetime, level * drift / all_h, better(group.quantity))
            };
            let evidence = examine(&points, &rule);
            Some(Examined { about: (group, level), lifetime, evidence })
        };
        (0..self.lifetimes.len()).filter_map(of).collect()
    }

    pub(super) fn series_trend(
        &self,
        examined: &Examined<(&'static JudgedSeries, &SeriesBlocks, &LifetimeBlocks)>,
        mut trend: Trend,
        work: &[Work],
    ) -> SeriesTrend {
        let (judged, series, blocks) = examined.about;
        let lifetime = examined.lifetime;
        let points = self.points(lifetime, blocks);
        let all = blocks.blocks.iter().map(|it| (it.phase, (it.from, it.until), it.median));
        let windows = self.windows(lifetime, all, trend.from_h);
        let all_h = trend.from_h + trend.hours;
        let amount = |value: f64| amount(judged, value);
        let least = trend.threshold * all_h;
        end_apart(&mut trend, &windows, judged.better, least, amount);
        let event = self.event(lifetime, &trend);
        let until_oom =
            until_oom::ends_in_oom(self.lifetimes[lifetime], self.incidents).then(|| {
                let values: Vec<f64> = points.iter().map(|point| point.value).collect();
                let hours = hours(blocks.until.since(blocks.from));
                UntilOom::of(&values, [blocks.first, blocks.max()], hours)
            });
        SeriesTrend {
            judged,
            instance: series.instance.clone(),
            lifetime,
            per_work: trend
                .slope
                .and_then(|_| PerWork::of(&points, &self.done(lifetime, work), trend.from_h)),
            trend,
            most_in: None,
            to_limit: None,
            returned: windows.change(),
            released: released(blocks, judged.better),
            first: kept::first(&points, examined.evidence.left_out_h()),
            since_restart: None,
            since_first: None,
            began: Some(blocks.first),
            until: (blocks.segment, blocks.until),
            until_oom: until_oom.flatten(),
            evidence: evidence(&blocks.rows, event),
            event: event.map(|event| event.words.clone()),
        }
    }

    pub(super) fn answer_trend(
        &self,
        examined: &Examined<(&AnswerBlocks, f64)>,
        mut trend: Trend,
    ) -> AnswerTrend {
        let ((group, level), lifetime) = (examined.about, examined.lifetime);
        let quantity = group.quantity;
        let spans = group.medians.iter().map(|(index, median)| (self.spans.get(*index), *median));
        let here = spans.filter(|(span, _)| span.lifetime == self.lifetimes[lifetime]);
        let all = here.map(|(span, median)| (span.phase, (span.from, span.until), median));
        let windows = self.windows(lifetime, all, trend.from_h);
        let least = trend.threshold * trend.judged_h;
        let share = |value: f64| format!("{} %", figures(value / level * 100.0));
        end_apart(&mut trend, &windows, better(quantity), least, share);
        let event = self.event(lifetime, &trend);
        AnswerTrend {
            group: group.group.clone(),
            quantity,
            lifetime,
            level,
            returned: windows.change(),
            evidence: evidence(&[], event),
            event: event.map(|event| event.words.clone()),
            trend,
        }
    }

    /// Returns the values of a lifetime by window: those of the reference and of the return, and the
    /// judged ones before the return from an hour on.
    fn windows(
        &self,
        lifetime: usize,
        blocks: impl Iterator<Item = (Phase, (At, At), f64)>,
        from_h: f64,
    ) -> Windows {
        let mut windows = Windows::default();
        for (phase, (from, until), value) in blocks {
            if phase == Phase::Return {
                windows.back.push(value);
                continue;
            }
            if phase == Phase::Reference {
                windows.reference.push(value);
            }
            let hours = self.point(lifetime, (from, until), value).hours;
            if self.is_judged(phase, from, until) && hours > from_h {
                windows.before.push(value);
            }
        }
        windows
    }

    /// Returns what happened when a level changed.
    fn event(&self, lifetime: usize, trend: &Trend) -> Option<&RunEvent> {
        let step = trend.step.filter(|_| trend.word == TrendWord::Step)?;
        events::near(&self.events, self.lifetimes[lifetime], step.hours, self.block_h)
    }

    /// Returns the work that was done before the middle of each block of a lifetime that is judged,
    /// by the hour of that middle.
    fn done(&self, lifetime: usize, work: &[Work]) -> Vec<Done> {
        let (mut requests, mut tokens) = (0.0, 0.0);
        let mut done = Vec::new();
        for (index, span) in self.spans_of(lifetime) {
            let of = work.get(index).copied().unwrap_or_default();
            let (here, tokens_here) = (of.requests as f64, of.tokens as f64);
            if self.is_judged(span.phase, span.from, span.until) {
                done.push(Done {
                    hours: self.point(lifetime, (span.from, span.until), 0.0).hours,
                    requests: requests + here / 2.0,
                    tokens: tokens + tokens_here / 2.0,
                });
            }
            requests += here;
            tokens += tokens_here;
        }
        done
    }
}

/// Withdraws the word of a trend whose return window lies beyond everything before it.
fn end_apart(
    trend: &mut Trend,
    windows: &Windows,
    better: Better,
    least: f64,
    amount: impl Fn(f64) -> String,
) {
    let is_claimed = matches!(trend.word, TrendWord::Stable | TrendWord::Plateau);
    if !is_claimed || !windows.is_beyond(better, least) {
        return;
    }
    let by = amount(windows.change().unwrap_or_default().abs());
    let (moving, side) = match better {
        Better::Lower => ("growing", "above"),
        Better::Higher => ("shrinking", "below"),
    };
    trend.word = TrendWord::Unresolved;
    trend.is_beyond = true;
    trend.why = format!(
        "{moving}, unresolved at this length: the return window is {by} {side} the reference window"
    );
}

/// Returns the entries that show a trend.
fn evidence(rows: &[Seq], event: Option<&RunEvent>) -> Vec<Seq> {
    rows.iter().chain(event.iter().flat_map(|it| &it.evidence)).copied().collect()
}

/// Returns by how much the level of the last block of an idle period is better than that of the last
/// block under load before it.
fn released(blocks: &LifetimeBlocks, better: Better) -> Option<f64> {
    let idle = blocks.blocks.iter().rposition(|block| block.phase == Phase::Idle)?;
    let before = blocks.blocks[..idle].iter().rfind(|block| block.phase.is_steady())?;
    let lower = before.median - blocks.blocks[idle].median;
    Some(if better == Better::Higher { -lower } else { lower })
}
