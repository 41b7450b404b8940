//! Collects how something changed over the hours in the starts of one side.

use crate::analysis::Trends;
use crate::analysis::trend::{Trend, TrendWord};
use crate::analysis::trends::{AnswerTrend, SeriesTrend, amount};
use crate::compare::Start;
use crate::fact::{Group, Source};
use crate::measure::{Better, Quantity, Unit};
use crate::series::growth::JudgedSeries;
use crate::stats::theil_sen::Slope;
use crate::unit::figures;

/// Something that changes over the hours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TrendSubject {
    /// Series, and its instance.
    Series(&'static JudgedSeries, String),
    /// Time or rate of a group's answers.
    Answers(Group, Quantity),
}

/// Change over the hours in one start, in the worse direction: of a series in its unit, of answers
/// as a share of their level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Course {
    pub word: TrendWord,
    /// Number of judged blocks.
    pub blocks: usize,
    /// Hours that the word stands on.
    pub hours: f64,
    /// Length that was watched and the one needed, where a growth has no rate yet.
    pub too_short: Option<String>,
    /// Growth per hour; `None` for too few blocks.
    pub slope: Option<Slope>,
    /// Growth per request, of a series.
    pub by_request: Option<Slope>,
    /// Least growth per hour that matters.
    pub threshold: f64,
    /// Whether it passed all gates for a growth, whatever its length.
    pub rises: bool,
    /// Reason of the word, where it has one.
    pub why: String,
}

/// Starts of a side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TrendSide {
    /// One of each start.
    pub courses: Vec<Course>,
}

/// Returns everything that was measured in a start.
pub(super) fn subjects(trends: &Trends) -> Vec<TrendSubject> {
    let series = trends.series.iter().map(of_series);
    series.chain(trends.answers.iter().map(of_answers)).collect()
}

fn of_series(trend: &SeriesTrend) -> TrendSubject {
    TrendSubject::Series(trend.judged, trend.instance.clone())
}

fn of_answers(trend: &AnswerTrend) -> TrendSubject {
    TrendSubject::Answers(trend.group.clone(), trend.quantity)
}

impl TrendSubject {
    /// Whether it can fail a comparison: the whole of what is asked by `growth: 0`, and answers.
    pub(super) fn decides(&self) -> bool {
        match self {
            TrendSubject::Series(judged, instance) => judged.is_gated && instance.is_empty(),
            TrendSubject::Answers(..) => true,
        }
    }

    /// Whether it is a series of the machine, which shows what the server's own series show better.
    pub(super) fn is_of_the_machine(&self) -> bool {
        matches!(self, TrendSubject::Series(judged, _) if judged.series.source == Source::Host)
    }

    /// Whether it is a series.
    pub(crate) fn is_series(&self) -> bool {
        matches!(self, TrendSubject::Series(..))
    }

    /// Whether less of it is worse.
    pub(crate) fn loses(&self) -> bool {
        match self {
            TrendSubject::Series(judged, _) => judged.better == Better::Higher,
            TrendSubject::Answers(_, quantity) => quantity.unit() == Unit::TokensPerSecond,
        }
    }

    /// Returns its name, unambiguous among all: `process_anonymous`, `tpot d0/c1`.
    pub(super) fn title(&self, all: &[TrendSubject]) -> String {
        match self {
            TrendSubject::Series(judged, instance) if instance.is_empty() => judged.name.to_owned(),
            TrendSubject::Series(judged, instance) => format!("{} {instance}", judged.name),
            TrendSubject::Answers(group, quantity) => {
                let groups = all.iter().filter_map(|it| match it {
                    TrendSubject::Answers(group, _) => Some(group),
                    TrendSubject::Series(..) => None,
                });
                format!("{} {}", quantity.word(), group.among(groups))
            }
        }
    }

    /// Formats an amount: in the unit of a series, of answers in percent.
    pub(crate) fn amount(&self, value: f64) -> String {
        match self {
            _ if value == f64::INFINITY => "∞".to_owned(),
            _ if value == f64::NEG_INFINITY => "-∞".to_owned(),
            TrendSubject::Series(judged, _) => amount(judged, value),
            TrendSubject::Answers(..) => format!("{} %", figures(value * 100.0)),
        }
    }

    /// Returns how it changed in a start: of several lifetimes the one that grows, otherwise the
    /// longest.
    fn course(&self, trends: &Trends) -> Option<Course> {
        let series =
            trends.series.iter().filter(|it| of_series(it) == *self).map(Course::of_series);
        let answers = trends.answers.iter().filter(|it| of_answers(it) == *self);
        gravest(series.chain(answers.map(Course::of_answers)))
    }
}

impl Course {
    fn of_series(of: &SeriesTrend) -> Course {
        let by_request = of.per_work.map(|work| of.in_worse(work.request));
        Course { by_request, ..Course::of(&of.trend, of.worse(), of.trend.threshold) }
    }

    fn of_answers(of: &AnswerTrend) -> Course {
        let hours = of.trend.hours;
        let hourly = of.drift().map(|drift| Slope {
            value: drift.value / hours,
            low: drift.low / hours,
            high: drift.high / hours,
        });
        Course::of(&of.trend, hourly, of.trend.threshold / of.level)
    }

    fn of(trend: &Trend, slope: Option<Slope>, threshold: f64) -> Course {
        Course {
            word: trend.word,
            blocks: trend.blocks,
            hours: trend.hours,
            too_short: trend.too_short.clone(),
            slope,
            by_request: None,
            threshold,
            rises: trend.grows,
            why: trend.why.clone(),
        }
    }

    fn grows(&self) -> bool {
        self.word == TrendWord::Growing
    }

    /// Whether a growth above the threshold is excluded.
    fn excludes_growth(&self) -> bool {
        let is_decided = !matches!(self.word, TrendWord::Unresolved | TrendWord::NoData);
        let is_below = self.slope.is_some_and(|slope| slope.high <= self.threshold);
        is_decided && is_below && self.too_short.is_none()
    }
}

/// Returns the course that grows, otherwise that of the most hours.
fn gravest(courses: impl Iterator<Item = Course>) -> Option<Course> {
    let rank = |it: &Course| (it.grows(), it.rises, it.hours);
    courses.reduce(|one, other| if rank(&other) > rank(&one) { other } else { one })
}

impl TrendSide {
    pub(super) fn of(subject: &TrendSubject, starts: &[Start]) -> Option<TrendSide> {
        let of = |start: &Start| subject.course(&start.trends);
        let courses: Vec<Course> = starts.iter().filter_map(of).collect();
        (!courses.is_empty()).then_some(TrendSide { courses })
    }

    /// Returns the start that grows, otherwise that of the most hours.
    pub(crate) fn gravest(&self) -> Option<Course> {
        gravest(self.courses.iter().cloned())
    }

    /// Whether a start grows.
    pub(crate) fn grows(&self) -> bool {
        self.courses.iter().any(Course::grows)
    }

    /// Says in how many of several starts it grows: `2 of 3 starts`; `None` for one start.
    pub(super) fn growing_starts(&self) -> Option<String> {
        let growing = self.courses.iter().filter(|it| it.grows()).count();
        let all = self.courses.len();
        (all > 1).then(|| format!("{growing} of {all} starts"))
    }

    /// Whether a start shows a growth, even where it was too short for the word.
    pub(super) fn rises(&self) -> bool {
        self.courses.iter().any(|it| it.rises)
    }

    /// Whether a start excludes a growth, and none shows one.
    pub(super) fn excludes_growth(&self) -> bool {
        !self.rises() && self.courses.iter().any(Course::excludes_growth)
    }

    /// Whether a start has enough blocks for a slope.
    pub(super) fn is_judged(&self) -> bool {
        self.courses.iter().any(|it| it.slope.is_some())
    }

    /// Whether a start was watched for long enough to be held against another one.
    pub(super) fn is_long(&self) -> bool {
        self.courses.iter().any(|it| it.slope.is_some() && it.too_short.is_none())
    }

    pub(super) fn slopes(&self) -> Vec<Slope> {
        self.courses.iter().filter_map(|it| it.slope).collect()
    }

    pub(super) fn by_request(&self) -> Vec<Slope> {
        self.courses.iter().filter_map(|it| it.by_request).collect()
    }
}
