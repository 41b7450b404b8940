//! Says which growth is new in the candidate, and what was changed with it.

use super::{ComparedTrend, Course, TrendChange, TrendSide, TrendSubject};
use crate::analysis::trend::TrendWord;
use crate::compare::{Policy, PolicyWord, RunDifferences};
use crate::unit::span;

/// Seconds of an hour.
const HOUR_S: f64 = 3_600.0;

/// Number of unresolved changes that a policy names.
const NAMED_MAX: usize = 2;

/// Returns the policies on growth and drift, where either was judged on both sides.
pub(crate) fn policies(trends: &[ComparedTrend], differs: &RunDifferences) -> Vec<Policy> {
    let of = |name: &str, is_series: bool| {
        let all = trends.iter().filter(|it| it.decides() && it.subject.is_series() == is_series);
        let judged: Vec<&ComparedTrend> =
            all.filter(|it| it.word != TrendChange::NotJudged).collect();
        (!judged.is_empty()).then(|| policy(name, &judged, differs))
    };
    [of("growth", true), of("drift", false)].into_iter().flatten().collect()
}

fn policy(name: &str, judged: &[&ComparedTrend], differs: &RunDifferences) -> Policy {
    let grow = |side: usize| {
        let grows = |it: &&&ComparedTrend| it.sides[side].as_ref().is_some_and(TrendSide::grows);
        judged.iter().filter(grows).count() as u64
    };
    let with = |word| judged.iter().filter(move |it| it.word == word);
    let new: Vec<String> = with(TrendChange::Regression).map(|it| it.in_words()).collect();
    let open: Vec<String> = with(TrendChange::Unresolved).map(|it| it.title.clone()).collect();
    let (word, why) = if !new.is_empty() {
        (PolicyWord::Broken, format!("{}; {}", first(&new, 1), differs.came_with()))
    } else if open.is_empty() {
        (PolicyWord::Held, String::new())
    } else {
        (PolicyWord::Unseen, format!("unresolved: {}", first(&open, NAMED_MAX)))
    };
    let has_base = judged.iter().all(|it| it.sides[0].as_ref().is_some_and(TrendSide::is_judged));
    let base = has_base.then(|| grow(0));
    let candidate = (word != PolicyWord::Unseen).then(|| grow(1));
    Policy { name: name.to_owned(), base, candidate, word, why }
}

fn first(all: &[String], most: usize) -> String {
    let named = all.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(most) {
        0 => named,
        more => format!("{named}, {more} more"),
    }
}

/// Returns a sentence for each growth that may be new and is not resolved. An answer counts only
/// where its candidate shows a drift.
pub(crate) fn unresolved(trends: &[ComparedTrend]) -> Vec<String> {
    let rises = |it: &ComparedTrend| it.sides[1].as_ref().is_some_and(TrendSide::rises);
    let is_open = |it: &&ComparedTrend| {
        it.word == TrendChange::Unresolved && it.decides() && (it.subject.is_series() || rises(it))
    };
    let open = trends.iter().filter(is_open);
    open.map(|it| format!("open: {}: {}", it.title, it.why)).collect()
}

impl ComparedTrend {
    /// Returns the sentence: `process_anonymous grows by 120 MiB/h, 2.00 MiB a request, over 11 h 00 m
    /// in the candidate, and is stable in the base`.
    fn in_words(&self) -> String {
        let [base, candidate] = self.sides.each_ref().map(|side| {
            let course = side.as_ref().and_then(TrendSide::gravest);
            course.map_or_else(|| "was not measured".to_owned(), |it| verb(&self.subject, &it))
        });
        let of_candidate = self.sides[1].as_ref().and_then(TrendSide::growing_starts);
        let of_candidate = of_candidate.map_or_else(String::new, |starts| format!("{starts} of "));
        format!("{} {candidate} in {of_candidate}the candidate, and {base} in the base", self.title)
    }

    /// Returns both sides and their difference: `process_anonymous stable over 11 h 00 m → grows by
    /// 120 MiB/h over 11 h 00 m; 118 MiB/h more [110 MiB, 126 MiB]`.
    pub(crate) fn line(&self) -> String {
        let [base, candidate] = self.sides.each_ref().map(|side| self.side(side.as_ref()));
        let line = format!("{} {base} → {candidate}", self.title);
        let line = match self.difference().filter(|_| self.has_rate()) {
            Some(difference) => format!("{line}; {difference}"),
            None => line,
        };
        // The reason of one side stands beside its word already.
        let why = self.why.split_once(": ").map_or(self.why.as_str(), |(_, why)| why);
        match self.word {
            TrendChange::Unresolved if !line.contains(why) => format!("{line}: unresolved: {why}"),
            TrendChange::Alike => format!("{line}: alike"),
            _ => line,
        }
    }

    /// Whether a growth may be quoted: none is where a side was watched for too few hours.
    fn has_rate(&self) -> bool {
        let all = || self.sides.iter().flatten();
        all().any(TrendSide::grows) && all().all(|side| side.grows() || !side.rises())
    }

    fn side(&self, side: Option<&TrendSide>) -> String {
        let Some(course) = side.and_then(TrendSide::gravest) else {
            return "not measured".to_owned();
        };
        let over = span(course.hours * HOUR_S);
        match course.word {
            TrendWord::Growing => {
                let by = course.slope.map(|slope| rate(&self.subject, &course, slope.value));
                let verb = if self.subject.loses() { "shrinking" } else { "growing" };
                format!("{verb} by {} over {over}", by.unwrap_or_default())
            }
            TrendWord::Falling if self.subject.loses() => format!("rising over {over}"),
            TrendWord::Unresolved | TrendWord::NoData => {
                format!("{} ({})", course.word.word(), course.why)
            }
            word => format!("{} over {over}", word.word()),
        }
    }

    /// Returns the difference of the slopes, of answers over the hours of the candidate.
    fn difference(&self) -> Option<String> {
        let slope = self.hourly?.slope;
        let hours = self.sides[1].as_ref()?.gravest()?.hours;
        let (scale, unit) = if self.subject.is_series() { (1.0, "/h") } else { (hours, "") };
        let amount = |value: f64| self.subject.amount(value * scale);
        let more = if slope.value < 0.0 { "less" } else { "more" };
        let (low, high) =
            if slope.value < 0.0 { (-slope.high, -slope.low) } else { (slope.low, slope.high) };
        let hourly = format!(
            "{}{unit} {more} [{}, {}]",
            amount(slope.value.abs()),
            amount(low),
            amount(high)
        );
        let Some(by_request) = self.by_request else { return Some(hourly) };
        let value = by_request.slope.value;
        let more = if value < 0.0 { "less" } else { "more" };
        Some(format!("{hourly}, {} a request {more}", self.subject.amount(value.abs())))
    }
}

/// Formats the growth of a start: of a series per hour, of answers over its hours.
fn rate(subject: &TrendSubject, course: &Course, hourly: f64) -> String {
    if subject.is_series() {
        format!("{}/h", subject.amount(hourly))
    } else {
        subject.amount(hourly * course.hours)
    }
}

fn verb(subject: &TrendSubject, course: &Course) -> String {
    let slope = course.slope.filter(|_| course.word == TrendWord::Growing);
    match (slope, course.word) {
        (Some(slope), _) => {
            let verb = if subject.loses() { "falls" } else { "grows" };
            let over = span(course.hours * HOUR_S);
            let by = rate(subject, course, slope.value);
            let by_request = course.by_request.map_or_else(String::new, |slope| {
                format!(", {} a request,", subject.amount(slope.value))
            });
            format!("{verb} by {by}{by_request} over {over}")
        }
        (None, TrendWord::Falling) => "gets better".to_owned(),
        (None, TrendWord::Plateau | TrendWord::Step) => format!("shows a {}", course.word.word()),
        (None, TrendWord::TwoLevels) => "has two levels".to_owned(),
        (None, word) => format!("is {}", word.word()),
    }
}
