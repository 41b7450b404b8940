//! Judges how series and answers change over the hours, in each process lifetime of the server: the
//! readings whose growth matters, and the times and rates of every group.

mod events;
mod examiner;
mod kept;
mod limit;
mod parts;
mod returned;
mod samples;
#[cfg(test)]
pub(crate) mod tests;
mod until_oom;
mod words;
mod work;

pub(crate) use limit::{HORIZON_H, MachineLoss, machine_loss};
pub(crate) use until_oom::UntilOom;
pub(crate) use words::{Sentence, amount, once_each};
pub(crate) use work::{Driver, PerWork};

use std::collections::BTreeMap;

use super::answers::AnswersOverTime;
use super::calendar::Calendar;
use super::notes::ClockStep;
use super::series::OverTime;
use super::trend::evidence::Evidence;
use super::trend::rule::decide;
use super::trend::{Trend, TrendWord};
use crate::fact::{Group, Segment, Seq};
use crate::measure::{Better, Measure, Per, Quantity, Unit};
use crate::series::growth::JudgedSeries;
use crate::spec::{Contract, Limit, Select, TrendBlocks};
use crate::stats::theil_sen::Slope;
use crate::stats::time_to_limit::TimeToLimit;
use crate::unit::At;
use examiner::Examiner;

/// Change over the whole time that matters, as a share of the level, of times and rates of answers.
const DRIFT: f64 = 0.05;

/// Trends of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Trends {
    pub series: Vec<SeriesTrend>,
    pub answers: Vec<AnswerTrend>,
}

/// Trend of a series in one lifetime.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeriesTrend {
    pub judged: &'static JudgedSeries,
    /// Title, node or labels; empty where there is one instance, or for all together.
    pub instance: String,
    /// Number of the lifetime, from 0.
    pub lifetime: usize,
    pub trend: Trend,
    /// Slope by work done; `None` where nothing was asked, or the slope has none.
    pub per_work: Option<PerWork>,
    /// Title of the processes that hold most of a growth of all of them together.
    pub most_in: Option<String>,
    /// Hours until the machine's memory is used up.
    pub to_limit: Option<TimeToLimit>,
    /// Median in the return window less that in the reference window.
    pub returned: Option<f64>,
    /// Level before an idle period less the level at its end: memory that was given back.
    pub released: Option<f64>,
    /// Level at the start: median of the first judged blocks.
    pub first: Option<f64>,
    /// Level of the machine's memory at the start, less that at the start of the lifetime before.
    pub since_restart: Option<f64>,
    /// The same less that at the start of the first lifetime, where there are more than two.
    pub since_first: Option<f64>,
    /// First value of the lifetime.
    pub began: Option<f64>,
    /// End of the lifetime.
    pub until: (Segment, At),
    /// Growth until the server's memory ran out, where it took most of it.
    pub until_oom: Option<UntilOom>,
    /// Words on what happened when its level changed: `when the drill aborts began`.
    pub event: Option<String>,
    /// Entries that show it: the first and the last row, and those of the event.
    pub evidence: Vec<Seq>,
}

/// Trend of a time or rate of answers in one lifetime.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnswerTrend {
    pub group: Group,
    pub quantity: Quantity,
    /// Number of the lifetime, from 0.
    pub lifetime: usize,
    /// Median of the blocks.
    pub level: f64,
    pub trend: Trend,
    /// Level of the return window less that of the reference window.
    pub returned: Option<f64>,
    /// Words on what happened when its level changed.
    pub event: Option<String>,
    /// Entries of the event.
    pub evidence: Vec<Seq>,
}

impl SeriesTrend {
    /// Whether its lifetime is too short for a word, and another one of the series is not.
    pub(crate) fn is_short_beside(&self, all: &[SeriesTrend]) -> bool {
        let is_longer = |of: &SeriesTrend| {
            *of.judged == *self.judged
                && of.instance == self.instance
                && of.trend.slope.is_some()
                && of.trend.hours >= self.trend.hours
        };
        self.trend.slope.is_none()
            && self.trend.word == TrendWord::Unresolved
            && self.until_oom.is_none()
            && all.iter().any(is_longer)
    }

    /// Returns the slope in the worse direction per hour.
    pub(crate) fn worse(&self) -> Option<Slope> {
        self.trend.slope.map(|slope| in_worse_direction(slope, self.judged.better))
    }
}

impl AnswerTrend {
    /// Whether its lifetime is too short for a word, and another one of the group is not.
    pub(crate) fn is_short_beside(&self, all: &[AnswerTrend]) -> bool {
        let is_longer = |of: &AnswerTrend| {
            of.quantity == self.quantity
                && of.group == self.group
                && of.trend.slope.is_some()
                && of.trend.hours >= self.trend.hours
        };
        self.trend.slope.is_none() && all.iter().any(is_longer)
    }

    /// Returns the slope in the worse direction per hour.
    pub(crate) fn worse(&self) -> Option<Slope> {
        self.trend.slope.map(|slope| in_worse_direction(slope, better(self.quantity)))
    }

    /// Returns the better direction of its quantity.
    pub(crate) fn better(&self) -> Better {
        better(self.quantity)
    }

    /// Returns the change in the worse direction over the judged hours, as a share of the level.
    pub(crate) fn drift(&self) -> Option<Slope> {
        let slope = self.worse()?;
        let scale = self.trend.judged_h / self.level;
        let of = |value: f64| value * scale;
        (self.level > 0.0).then(|| Slope {
            value: of(slope.value),
            low: of(slope.low),
            high: of(slope.high),
        })
    }

    /// Returns the least drift that would have been seen, as a share of the level.
    pub(crate) fn detectable(&self) -> Option<f64> {
        let detectable = self.trend.detectable?;
        (self.level > 0.0).then(|| detectable * self.trend.judged_h / self.level)
    }
}

fn in_worse_direction(slope: Slope, better: Better) -> Slope {
    match better {
        Better::Lower => slope,
        Better::Higher => slope.mirrored(),
    }
}

fn better(quantity: Quantity) -> Better {
    match quantity.unit() {
        Unit::TokensPerSecond => Better::Higher,
        _ => Better::Lower,
    }
}

/// Rules of a scenario for trends: the blocks, and the limits of its contract, which are then the
/// thresholds of the words.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrendRules {
    blocks: TrendBlocks,
    /// Least growth per hour, by the name of the series.
    growth: BTreeMap<&'static str, f64>,
    /// Limits of a drift over the hours, as a share: quantity, the groups that it is about, limit.
    drift: Vec<(Quantity, Select, f64)>,
}

impl TrendRules {
    /// Takes the limits of a contract; of several on one series the least.
    pub(crate) fn new(blocks: TrendBlocks, contract: &Contract) -> TrendRules {
        let mut rules = TrendRules { blocks, ..TrendRules::default() };
        for gate in &contract.gates {
            let Limit::AtMost(limit) = gate.limit else { continue };
            match (gate.measure, gate.select.series) {
                (Measure::Growth(Per::Hour), Some(series)) => {
                    let least = rules.growth.entry(series.name).or_insert(limit);
                    *least = least.min(limit);
                }
                (Measure::Drift(quantity), _) => {
                    rules.drift.push((quantity, gate.select.clone(), limit));
                }
                _ => {}
            }
        }
        rules
    }

    /// Returns the least drift of a group that matters.
    fn drift_of(&self, quantity: Quantity, group: &Group) -> f64 {
        let is_of =
            |(of, select, _): &&(Quantity, Select, f64)| *of == quantity && select.takes(group);
        let limits = self.drift.iter().filter(is_of).map(|(.., limit)| *limit);
        limits.min_by(f64::total_cmp).unwrap_or(DRIFT)
    }
}

impl Trends {
    /// Judges what a run kept over time.
    pub(crate) fn of(
        calendar: &Calendar,
        rules: &TrendRules,
        over_time: &OverTime,
        answers: &AnswersOverTime,
        clock_steps: &[ClockStep],
    ) -> Trends {
        let examiner = Examiner::new(calendar, rules, clock_steps);
        let series: Vec<_> = over_time.series.iter().flat_map(|it| examiner.series(it)).collect();
        let groups: Vec<_> = answers.groups.iter().flat_map(|it| examiner.answers(it)).collect();
        // The false discovery rate is held over all of them together.
        let all = series.iter().map(|it| it.evidence.clone());
        let all: Vec<Evidence> = all.chain(groups.iter().map(|it| it.evidence.clone())).collect();
        let mut trends = decide(&all).into_iter();
        let mut series: Vec<SeriesTrend> = series
            .into_iter()
            .zip(&mut trends)
            .map(|(it, trend)| examiner.series_trend(&it, trend, &answers.work))
            .collect();
        limit::add(&mut series);
        parts::add(&mut series);
        kept::add(&mut series);
        until_oom::judge(&mut series);
        let answers = groups.into_iter().zip(trends);
        let answers = answers.map(|(it, trend)| examiner.answer_trend(&it, trend));
        Trends { series, answers: answers.collect() }
    }
}

fn hours(micros: u64) -> f64 {
    micros as f64 / 3.6e9
}
