//! Writes changes over the hours on both sides for scripts. Slopes are in the worse direction, of a
//! series in its unit, of answers as a share of their level.

use serde::Serialize;

use crate::compare::ComparedTrend;
use crate::compare::trends::{Course, SlopeDifference, TrendSide, TrendSubject};
use crate::stats::theil_sen::Slope;

#[derive(Serialize)]
pub(super) struct TrendJson {
    /// Name of the series; null for answers.
    series: Option<&'static str>,
    instance: Option<String>,
    /// Quantity, class and cell of answers; null for a series.
    measure: Option<&'static str>,
    class: Option<&'static str>,
    cell: Option<String>,
    decides: bool,
    base: Vec<CourseJson>,
    candidate: Vec<CourseJson>,
    difference_per_hour: Option<SlopeJson>,
    difference_per_request: Option<SlopeJson>,
    /// `within` the starts, or `starts`.
    basis: Option<&'static str>,
    threshold_per_hour: Option<f64>,
    word: &'static str,
    why: String,
}

/// One start.
#[derive(Serialize)]
struct CourseJson {
    word: &'static str,
    blocks: usize,
    hours: f64,
    per_hour: Option<SlopeJson>,
    per_request: Option<SlopeJson>,
    why: String,
}

/// Value with bounds, each one-sided at 95 %.
#[derive(Serialize)]
struct SlopeJson {
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
}

pub(super) fn document(it: &ComparedTrend) -> TrendJson {
    let (series, answers) = match &it.subject {
        TrendSubject::Series(judged, instance) => (Some((judged.name, instance.clone())), None),
        TrendSubject::Answers(group, quantity) => (None, Some((group, *quantity))),
    };
    let [base, candidate] = it.sides.each_ref().map(|side| courses(side.as_ref()));
    let difference = |of: Option<SlopeDifference>| of.map(|it| slope(it.slope));
    TrendJson {
        series: series.as_ref().map(|(name, _)| *name),
        instance: series.map(|(_, instance)| instance),
        measure: answers.map(|(_, quantity)| quantity.word()),
        class: answers.map(|(group, _)| group.class.word()),
        cell: answers.and_then(|(group, _)| group.cell.map(|cell| cell.to_string())),
        decides: it.decides(),
        base,
        candidate,
        difference_per_hour: difference(it.hourly),
        difference_per_request: difference(it.by_request),
        basis: it.hourly.map(|it| it.basis.word()),
        threshold_per_hour: finite(it.threshold),
        word: it.word.word(),
        why: it.why.clone(),
    }
}

fn courses(side: Option<&TrendSide>) -> Vec<CourseJson> {
    side.map_or_else(Vec::new, |side| side.courses.iter().map(course).collect())
}

fn course(of: &Course) -> CourseJson {
    CourseJson {
        word: of.word.word(),
        blocks: of.blocks,
        hours: of.hours,
        per_hour: of.slope.map(slope),
        per_request: of.by_request.map(slope),
        why: of.why.clone(),
    }
}

fn slope(of: Slope) -> SlopeJson {
    SlopeJson { value: of.value, low: finite(of.low), high: finite(of.high) }
}

/// Returns a number that JSON can hold: the bound of too few values is infinite.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
