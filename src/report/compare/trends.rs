//! Formats changes over the hours on both sides.

use crate::compare::trends::TrendChange;
use crate::compare::{ComparedTrend, Comparison};
use crate::report::words::counted;

/// Returns the lines on series, and those on answers, the gravest first. What does not grow in the
/// candidate is only counted, except with `all`.
pub(crate) fn lines(comparison: &Comparison, all: bool) -> [Vec<String>; 2] {
    [true, false].map(|is_series| {
        let is_shown = |it: &&ComparedTrend| {
            it.subject.is_series() == is_series && it.word != TrendChange::NotJudged
        };
        let judged = comparison.trends.iter().filter(is_shown);
        let none =
            if is_series { "no growth in the candidate" } else { "no drift in the candidate" };
        of(judged.filter(|it| all || it.decides()).collect(), all, none)
    })
}

fn of(mut judged: Vec<&ComparedTrend>, all: bool, none: &str) -> Vec<String> {
    judged.sort_by_key(|it| it.word);
    let (stable, told): (Vec<_>, Vec<_>) =
        judged.into_iter().partition(|it| !all && it.word == TrendChange::Stable);
    let mut lines: Vec<String> = told.iter().map(|it| it.line()).collect();
    let jumps = stable.iter().filter(|it| it.jumps()).count();
    let jumps = match (stable.len(), jumps) {
        (_, 0) => String::new(),
        (1, _) => ", but it jumps: --wide".to_owned(),
        (_, n) => format!(", but {n} of them jump: --wide"),
    };
    match stable.as_slice() {
        [] => {}
        [one] => lines.push(format!("{}: {none}{jumps}", one.title)),
        several => {
            let n = counted(several.len() as u64, "other", "others");
            let n = if told.is_empty() { format!("all {}", several.len()) } else { n };
            lines.push(format!("{n}: {none}{jumps}"));
        }
    }
    lines
}
