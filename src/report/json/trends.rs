//! Writes changes over the hours for scripts.

use serde::Serialize;

use crate::analysis::Trends;
use crate::analysis::trend::Trend;
use crate::analysis::trends::{AnswerTrend, Driver, SeriesTrend};
use crate::fact::Seq;
use crate::stats::theil_sen::Slope;

/// Changes of series and answers.
#[derive(Serialize)]
pub(super) struct TrendsJson<'a> {
    series: Vec<SeriesJson<'a>>,
    answers: Vec<AnswerJson<'a>>,
}

#[derive(Serialize)]
struct SeriesJson<'a> {
    series: &'static str,
    instance: &'a str,
    #[serde(flatten)]
    trend: TrendJson<'a>,
    /// Units of the series per hour, per request and per 1,000 tokens.
    per_hour: Option<SlopeJson>,
    per_request: Option<SlopeJson>,
    per_1k_tokens: Option<SlopeJson>,
    /// `requests` or `time`, where the load varied enough to tell.
    follows: Option<&'static str>,
    /// Least growth per hour that would have been seen.
    detectable: Option<f64>,
    /// Title of the processes that hold most of a growth of all of them together.
    most_in: Option<&'a str>,
    /// Hours until the memory of the machine is used up, at least, and at most where that is known.
    full_in_h: Option<[Option<f64>; 2]>,
    returned: Option<f64>,
    released: Option<f64>,
    /// Level at the start less that at the start of the lifetime before, of the machine's memory.
    since_restart: Option<f64>,
    /// The same less that at the start of the first lifetime, where there are more than two.
    since_first: Option<f64>,
    /// Growth until the server's memory ran out.
    until_oom: Option<UntilOomJson>,
    /// Event at which its level changed.
    event: Option<&'a str>,
    evidence: &'a [Seq],
}

#[derive(Serialize)]
struct UntilOomJson {
    from: f64,
    to: f64,
    hours: f64,
}

#[derive(Serialize)]
struct AnswerJson<'a> {
    measure: &'static str,
    workload: &'a str,
    class: &'static str,
    cell: Option<String>,
    level: f64,
    #[serde(flatten)]
    trend: TrendJson<'a>,
    /// Change in the worse direction over the judged hours, as a share of the level.
    drift: Option<SlopeJson>,
    /// Least drift that would have been seen, as a share of the level.
    detectable: Option<f64>,
    returned: Option<f64>,
    event: Option<&'a str>,
    evidence: &'a [Seq],
}

/// Fields that series and answers share.
#[derive(Serialize)]
struct TrendJson<'a> {
    /// Number of the server's lifetime, from 1.
    lifetime: usize,
    word: &'static str,
    blocks: usize,
    hours: f64,
    left_out_h: f64,
    p: Option<f64>,
    step: Option<StepJson>,
    levels: Option<(f64, f64)>,
    why: &'a str,
}

/// Value with bounds, each one-sided at 95 %.
#[derive(Serialize)]
struct SlopeJson {
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Serialize)]
struct StepJson {
    after_h: f64,
    from: f64,
    to: f64,
    p: f64,
}

pub(super) fn document(trends: &Trends) -> TrendsJson<'_> {
    TrendsJson {
        series: trends.series.iter().map(series).collect(),
        answers: trends.answers.iter().map(answer).collect(),
    }
}

fn series(of: &SeriesTrend) -> SeriesJson<'_> {
    // No rate is quoted of a course that is open, or was watched for too short a time.
    let work = of.per_work.filter(|_| of.trend.rate().is_some());
    SeriesJson {
        series: of.judged.name,
        instance: &of.instance,
        trend: trend(&of.trend, of.lifetime),
        per_hour: of.trend.rate().map(slope),
        per_request: work.map(|it| slope(it.request)),
        per_1k_tokens: work.and_then(|it| it.kilotoken).map(slope),
        follows: of.per_work.and_then(|it| it.driver).map(|driver| match driver {
            Driver::Requests => "requests",
            Driver::Time => "time",
        }),
        detectable: of.trend.detectable.and_then(finite),
        most_in: of.most_in.as_deref(),
        full_in_h: of
            .to_limit
            .filter(|_| of.trend.rate().is_some())
            .map(|it| [finite(it.low), it.high.and_then(finite)]),
        returned: of.returned,
        released: of.released,
        since_restart: of.since_restart,
        since_first: of.since_first,
        until_oom: of.until_oom.map(|it| UntilOomJson {
            from: it.from,
            to: it.to,
            hours: it.hours,
        }),
        event: of.event.as_deref(),
        evidence: &of.evidence,
    }
}

fn answer(of: &AnswerTrend) -> AnswerJson<'_> {
    AnswerJson {
        measure: of.quantity.word(),
        workload: &of.group.workload,
        class: of.group.class.word(),
        cell: of.group.cell.map(|cell| cell.to_string()),
        level: of.level,
        trend: trend(&of.trend, of.lifetime),
        drift: of.drift().map(slope),
        detectable: of.detectable().and_then(finite),
        returned: of.returned,
        event: of.event.as_deref(),
        evidence: &of.evidence,
    }
}

fn trend(of: &Trend, lifetime: usize) -> TrendJson<'_> {
    TrendJson {
        lifetime: lifetime + 1,
        word: of.word.word(),
        blocks: of.blocks,
        hours: of.hours,
        left_out_h: of.from_h,
        p: of.p,
        step: of.step.map(|step| StepJson {
            after_h: step.hours,
            from: step.from,
            to: step.to,
            p: step.p,
        }),
        levels: of.levels,
        why: &of.why,
    }
}

fn slope(of: Slope) -> SlopeJson {
    SlopeJson { value: of.value, low: finite(of.low), high: finite(of.high) }
}

/// Returns a number that JSON can hold: the bound of too few values is infinite.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
