//! States what the failures of a run prove, or of several runs together, by kind.

use crate::measure::{MTBF_CONFIDENCE, Measure};
use crate::report::words::{counted, percent};
use crate::unit::span_needed;
use crate::verdict::exposure::{FAULT_GOALS, GOALS_S};
use crate::verdict::{EventExposure, Exposure};

use super::{Grid, GridValue, Heading};

/// Chance from which a server is said to pass nearly always.
const NEARLY_ALWAYS: f64 = 0.995;

/// Formats how often a server that fails from time to time passes: `a server that fails once a day
/// would pass this run 78 % of the time`; `None` where a failure was seen, or none would have been.
pub(crate) fn chance(exposure: &Exposure, runs: usize) -> Option<String> {
    let (_, how_often, chance) = exposure.passes()?;
    let all = if runs == 1 { "this run" } else { "them all" };
    let often = match chance {
        chance if chance >= NEARLY_ALWAYS => "nearly always".to_owned(),
        chance => format!("{:.0} % of the time", chance * 100.0),
    };
    Some(format!("a server that fails {how_often} would pass {all} {often}"))
}

/// Formats the share of parser faults: `no parser fault in 702 requests: under 0.426 % (95 %)`;
/// `None` without a judged request.
pub(crate) fn parser_faults(exposure: &Exposure) -> Option<String> {
    let share = share(exposure)?;
    let part = exposure.parser_faults.part;
    let faults = match part {
        0 => "no parser fault".to_owned(),
        n => counted(n, "parser fault", "parser faults"),
    };
    let requests = requests(exposure);
    Some(format!("{faults} in {requests}: {share} ({:.0} %)", MTBF_CONFIDENCE * 100.0))
}

/// Formats how much more time under load would show some mean times between failures: `MTBF of 8 h:
/// 18 h 11 m more`, or `MTBF of 8 h: shown`.
pub(crate) fn missing(exposure: &Exposure) -> Vec<String> {
    let item = |goal_s: f64| {
        let missing_s = exposure.failures.missing_s(goal_s);
        let hours = goal_s / 3600.0;
        if missing_s > 0.0 {
            format!("MTBF of {hours:.0} h: {} more", span_needed(missing_s))
        } else {
            format!("MTBF of {hours:.0} h: shown")
        }
    };
    GOALS_S.map(item).to_vec()
}

/// Returns the table of what the failures prove, by kind.
pub(crate) fn grid(exposure: &Exposure) -> Grid {
    if exposure.failures.load_s <= 0.0 {
        return Grid::default();
    }
    let mut rows = vec![events("failures", &exposure.failures)];
    rows.extend(
        exposure.kinds.iter().map(|(count, of)| events(&Measure::Count(*count).to_string(), of)),
    );
    rows.push(vec![
        GridValue::text("parser_faults"),
        GridValue::Count(exposure.parser_faults.part),
        GridValue::Text(requests(exposure)),
        GridValue::text(share(exposure).unwrap_or_else(|| "unknown".to_owned())),
        GridValue::Text(requests_needed(exposure)),
    ]);
    let headings = [
        Heading::left("event"),
        Heading::right("seen"),
        Heading::right("in"),
        Heading::left("MTBF, or share (95 %)"),
        Heading::left("needed without another"),
    ];
    Grid { headings: headings.to_vec(), rows }
}

fn events(name: &str, of: &EventExposure) -> Vec<GridValue> {
    let is_unwatched = of.watched_s <= 0.0;
    let seen =
        if is_unwatched && of.seen == 0 { GridValue::Nothing } else { GridValue::Count(of.seen) };
    // The time of runs that could not show one counts only with a failure, for the upper bound.
    let time_s = if of.seen == 0 { of.watched_s } else { of.load_s };
    let bounds = of.between().unwrap_or_else(|| "not observed".to_owned());
    let needed = GOALS_S
        .map(|goal_s| format!("{:.0} h: {}", goal_s / 3600.0, span_needed(of.needed_s(goal_s))));
    vec![
        GridValue::text(name),
        seen,
        GridValue::Span(time_s),
        GridValue::Text(bounds),
        GridValue::Text(needed.join(", ")),
    ]
}

fn requests_needed(exposure: &Exposure) -> String {
    let item = |share: f64| {
        let requests = counted(exposure.requests_needed(share), "request", "requests");
        format!("under {} %: {requests}", share * 100.0)
    };
    FAULT_GOALS.map(item).join(", ")
}

fn requests(exposure: &Exposure) -> String {
    counted(exposure.parser_faults.of, "request", "requests")
}

/// Formats the interval of the share of parser faults; `None` without a judged request.
pub(crate) fn share(exposure: &Exposure) -> Option<String> {
    let (low, high) = exposure.faults_between()?;
    Some(match exposure.parser_faults.part {
        0 => format!("under {}", percent(high)),
        _ => format!("{} to {}", percent(low), percent(high)),
    })
}
