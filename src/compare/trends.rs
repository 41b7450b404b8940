//! Compares changes over the hours: the growth of series and the drift of answers. The best detector
//! of a leak is a server that does not leak (Matias et al. 2014).
//!
//! `side` collects the starts of a side, `difference` subtracts their slopes, `words` says both.

mod difference;
mod side;
#[cfg(test)]
pub(crate) mod tests;
mod words;

#[cfg(test)]
use difference::SlopeBasis;
pub(crate) use difference::SlopeDifference;
pub(crate) use side::{Course, TrendSide, TrendSubject};
pub(crate) use words::{policies, unresolved};

use super::Start;
use crate::analysis::trend::TrendWord;
use crate::words::words;

/// Word for a change over the hours on two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TrendChange {
    /// It grows in the candidate, and not or more slowly in the base.
    Regression,
    /// Undecided.
    Unresolved,
    /// It grows in the base, and not or more slowly in the candidate.
    Improved,
    /// It grows alike on both sides.
    Alike,
    /// It does not grow in the candidate.
    Stable,
    /// Too few blocks on a side.
    NotJudged,
}

words!(TrendChange {
    Regression: "regression",
    Unresolved: "unresolved",
    Improved: "improved",
    Alike: "alike",
    Stable: "stable",
    NotJudged: "not judged",
});

/// Change over the hours on two sides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComparedTrend {
    pub subject: TrendSubject,
    /// Name, unambiguous among all that is compared: `process_anonymous`, `tpot d0/c1`.
    pub title: String,
    /// Base and candidate; `None` where it was not measured.
    pub sides: [Option<TrendSide>; 2],
    /// Candidate less base in the worse direction, per hour.
    pub hourly: Option<SlopeDifference>,
    /// The same per request, of a series.
    pub by_request: Option<SlopeDifference>,
    /// Least growth per hour that matters.
    pub threshold: f64,
    pub word: TrendChange,
    /// Reason, where it is unresolved or not judged.
    pub why: String,
}

impl ComparedTrend {
    /// Whether it can fail the comparison. The others hold what other series have already.
    pub(crate) fn decides(&self) -> bool {
        self.subject.decides()
    }

    /// Whether its level jumps in the candidate: a step, or two levels.
    pub(crate) fn jumps(&self) -> bool {
        let is_jump = |it: &Course| matches!(it.word, TrendWord::Step | TrendWord::TwoLevels);
        self.sides[1].as_ref().is_some_and(|side| side.courses.iter().any(is_jump))
    }
}

/// Share of the base's growth per request within which the candidate's is the same.
const SAME_SHARE: f64 = 0.10;

/// Compares everything that was measured over the hours on either side.
pub(crate) fn compared(base: &[Start], candidate: &[Start]) -> Vec<ComparedTrend> {
    let mut subjects: Vec<TrendSubject> = Vec::new();
    for subject in base.iter().chain(candidate).flat_map(|start| side::subjects(&start.trends)) {
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    subjects.sort_by_key(TrendSubject::is_of_the_machine);
    let of = |subject: &TrendSubject| {
        let sides = [base, candidate].map(|side| TrendSide::of(subject, side));
        trend(subject.clone(), subject.title(&subjects), sides)
    };
    subjects.iter().map(of).collect()
}

fn trend(subject: TrendSubject, title: String, sides: [Option<TrendSide>; 2]) -> ComparedTrend {
    let difference = |slopes: fn(&TrendSide) -> Vec<crate::stats::theil_sen::Slope>| {
        let [base, candidate] = sides.each_ref().map(|side| side.as_ref().map(slopes));
        SlopeDifference::of(&base?, &candidate?)
    };
    let (hourly, by_request) = (difference(TrendSide::slopes), difference(TrendSide::by_request));
    let thresholds = sides.iter().flatten().flat_map(|side| &side.courses).map(|it| it.threshold);
    let threshold = thresholds.fold(0.0, f64::max);
    let (word, why) = match &sides {
        [base, Some(candidate)] if candidate.is_judged() => {
            word(base.as_ref(), candidate, (hourly, by_request), threshold)
        }
        [_, Some(candidate)] => (TrendChange::NotJudged, in_the("candidate", candidate)),
        [_, None] => (TrendChange::NotJudged, "not measured in the candidate".to_owned()),
    };
    ComparedTrend { subject, title, sides, hourly, by_request, threshold, word, why }
}

/// Returns the word of a candidate that has enough blocks, and the reason.
fn word(
    base: Option<&TrendSide>,
    candidate: &TrendSide,
    (hourly, by_request): (Option<SlopeDifference>, Option<SlopeDifference>),
    threshold: f64,
) -> (TrendChange, String) {
    let plain = |word| (word, String::new());
    let base_grows = base.is_some_and(TrendSide::grows);
    if !candidate.grows() {
        return match (candidate.excludes_growth(), base) {
            (true, _) if base_grows => plain(TrendChange::Improved),
            (_, None) => (TrendChange::NotJudged, "not measured in the base".to_owned()),
            (_, Some(base)) if !base.is_judged() => (TrendChange::NotJudged, in_the("base", base)),
            (true, _) => plain(TrendChange::Stable),
            (false, _) => (TrendChange::Unresolved, in_the("candidate", candidate)),
        };
    }
    let Some(base) = base else {
        return (TrendChange::Unresolved, "not measured in the base".to_owned());
    };
    if base.excludes_growth() {
        return plain(TrendChange::Regression);
    }
    if base_grows && is_same(base, by_request) {
        return (TrendChange::Alike, "as much a request".to_owned());
    }
    let Some(hourly) = hourly.filter(|_| base.is_long()) else {
        return (TrendChange::Unresolved, in_the("base", base));
    };
    let faster_by_request = by_request.is_none_or(|it| it.slope.low > 0.0);
    if hourly.slope.low > threshold && faster_by_request {
        return plain(TrendChange::Regression);
    }
    if !base_grows {
        return (TrendChange::Unresolved, in_the("base", base));
    }
    if hourly.slope.high < -threshold {
        plain(TrendChange::Improved)
    } else if hourly.slope.low >= -threshold && hourly.slope.high <= threshold {
        plain(TrendChange::Alike)
    } else {
        (TrendChange::Unresolved, "it grows on both sides; whether alike is open".to_owned())
    }
}

/// Whether both sides grow by as much a request: more of it in an hour is then more load.
fn is_same(base: &TrendSide, by_request: Option<SlopeDifference>) -> bool {
    let growth = base.gravest().and_then(|it| it.by_request);
    growth.zip(by_request).is_some_and(|(growth, difference)| {
        let slope = difference.slope;
        slope.low <= 0.0 && slope.value.abs() <= SAME_SHARE * growth.value
    })
}

fn in_the(name: &str, side: &TrendSide) -> String {
    let Some(course) = side.gravest() else { return format!("not measured in the {name}") };
    let why = match course.too_short {
        _ if !course.why.is_empty() => course.why,
        Some(lengths) if course.slope.is_some() => lengths,
        _ => course.word.word().to_owned(),
    };
    format!("in the {name}: {why}")
}
