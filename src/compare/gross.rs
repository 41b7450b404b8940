//! Judges gross changes: a policy for comparisons of a few starts, where no test over starts can
//! decide. A deciding row is a gross change if it is slower by more than a factor, surely so within
//! these runs, and by a time that a user notices. It is no test: starts of one recipe have differed
//! by 1.7.

use crate::measure::{Better, Measure, Quantity};
use crate::rng::Rng;
use crate::stats::{Dist, bootstrap, rank, shift};

use super::decide::ComparedRow;
use super::decision::measured;
use super::policy::{Policy, PolicyWord};
use super::{MeasureKey, Start, cold};

/// Least increases that a user notices, seconds: of TTFT, and of TPOT.
pub(crate) const TTFT_S: f64 = 0.050;
pub(crate) const TPOT_S: f64 = 0.002;

/// Least number of values of every start: with two, one of them is the median.
const VALUES_MIN: u64 = 3;

/// Share of the resamples below the lower bound: that of a 95 % interval.
const TAIL: f64 = 0.025;

/// Seed of the resamples, so that the same runs always give the same bound.
const SEED: u64 = 0x6772_6f73;

/// Limit of a gross change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GrossLimit {
    /// Candidate's cost over the base's: 2 is twice as slow.
    pub factor: f64,
}

impl Default for GrossLimit {
    fn default() -> GrossLimit {
        GrossLimit { factor: 2.0 }
    }
}

/// Judges the deciding rows, and marks those that are gross changes.
pub(crate) fn policy(
    rows: &mut [ComparedRow],
    base: &[Start],
    candidate: &[Start],
    limit: GrossLimit,
) -> Policy {
    let (mut judged, mut unjudged) = (0, 0);
    let mut unjudged_why = format!("deciding rows with under {VALUES_MIN} values");
    for row in rows.iter_mut().filter(|row| row.primary) {
        if cold::explains(&row.key, base, candidate) {
            unjudged += 1;
            "the base's cold prompts came from the cache".clone_into(&mut unjudged_why);
            continue;
        }
        let (Some(before), Some(now)) = (dists(base, &row.key), dists(candidate, &row.key)) else {
            unjudged += 1;
            continue;
        };
        judged += 1;
        // The bound is below the estimate, so a smaller estimate needs no resamples.
        if row.cost() > limit.factor {
            row.gross_low = lower_bound(&before, &now, row.key.measure);
            let is_beyond = |low: f64| low > limit.factor && is_noticed(row, low);
            row.is_gross = row.gross_low.is_some_and(is_beyond);
        }
    }
    let gross: Vec<String> =
        rows.iter().filter(|row| row.is_gross).map(|row| worded(row, rows)).collect();
    let (word, why) = match (gross.len(), judged, unjudged) {
        (1.., ..) => (
            PolicyWord::Broken,
            format!("{}; by policy, not by a test over starts", gross.join(", ")),
        ),
        (0, 1.., 0) => (PolicyWord::Held, String::new()),
        _ => (PolicyWord::Unseen, unjudged_why),
    };
    let known = |n: usize| (word != PolicyWord::Unseen).then_some(n as u64);
    Policy {
        name: "gross_slowdowns".to_owned(),
        base: known(0),
        candidate: known(gross.len()),
        word,
        why,
    }
}

/// Returns a side's distributions of a measure; `None` where a start has too few values.
fn dists<'a>(side: &'a [Start], key: &MeasureKey) -> Option<Vec<&'a Dist>> {
    let all: Vec<&Dist> = side.iter().filter_map(|start| start.dists.get(key)).collect();
    let enough = !all.is_empty() && all.iter().all(|dist| dist.n() >= VALUES_MIN);
    enough.then_some(all)
}

/// Returns the lower bound of the candidate's cost as a factor. Each resample of all starts gives
/// one ratio, as the values themselves do.
fn lower_bound(base: &[&Dist], candidate: &[&Dist], measure: Measure) -> Option<f64> {
    let sign = if measure.better() == Better::Lower { 1.0 } else { -1.0 };
    let resampled = |side: &[&Dist], number: u64| -> Vec<Vec<f64>> {
        let of = |(start, dist): (u64, &&Dist)| {
            bootstrap::medians(dist, &mut Rng::at(SEED, &[number, start]))
        };
        (0..).zip(side).map(of).collect()
    };
    let (base, candidate) = (resampled(base, 0), resampled(candidate, 1));
    let logs = |side: &[Vec<f64>], nth: usize| -> Vec<f64> {
        side.iter().filter_map(|start| start.get(nth)).map(|value| sign * value.ln()).collect()
    };
    let ratio = |nth| shift::hodges_lehmann(&logs(&base, nth), &logs(&candidate, nth));
    let mut ratios: Vec<f64> = (0..bootstrap::RESAMPLES).filter_map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    let rank = rank(ratios.len() as u64, TAIL)?;
    Some(ratios[rank as usize - 1].exp())
}

/// Whether a user notices a cost of this factor.
fn is_noticed(row: &ComparedRow, factor: f64) -> bool {
    // A base of which only a bound is known gives no difference.
    let Some(base) = row.base.value.known() else { return false };
    let more = |seconds: f64| seconds * (factor - 1.0);
    match row.key.measure {
        Measure::Of(Quantity::Ttft, _) => more(base) > TTFT_S,
        // A stream's time for a token, with as many streams.
        Measure::Of(Quantity::Throughput, _) => {
            more(f64::from(row.key.group.streams()) / base) > TPOT_S
        }
        _ => more(base) > TPOT_S,
    }
}

/// Formats a gross change: `ttft at d0/c1 is 3.0 times as slow (2.9 at least)`.
fn worded(row: &ComparedRow, among: &[ComparedRow]) -> String {
    let low = row.gross_low.unwrap_or_default();
    format!("{} is {:.1} times as slow ({low:.1} at least)", measured(&row.key, among), row.cost())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::fixture::{key, side, start, under};
    use crate::compare::{CompareTerms, CompareWord, compare};
    use crate::exit::Exit;
    use crate::fact::Load;

    fn compared(base: &[Start], candidate: &[Start]) -> crate::compare::Comparison {
        compare(base, candidate, &CompareTerms::default()).unwrap()
    }

    /// Returns a start with one row, whose values are these.
    fn one(name: &str, measure: &str, values: &[f64]) -> Vec<Start> {
        let key = key(0, measure);
        let mut dist = Dist::new();
        for value in values {
            dist.record(*value);
        }
        let mut start = start(name, &[(key.clone(), dist.percentile(0.5).unwrap().number())]);
        start.dists.insert(key, dist);
        vec![start]
    }

    #[test]
    fn one_run_a_side_fails_on_a_server_three_times_slower_and_not_on_one_1_7_times_slower() {
        let base = side("a", &[200.0]);
        for (ms, exit) in [(200.0, Exit::Pass), (340.0, Exit::Pass), (600.0, Exit::Fail)] {
            let decision = compared(&base, &side("b", &[ms])).decision;
            assert_eq!(decision.exit, exit, "{ms}: {decision:?}");
        }
        let slower = compared(&base, &side("b", &[600.0])).decision;
        assert_eq!((slower.word, slower.suggestive), (CompareWord::Regression, false));
        let words = &slower.because[0].words;
        assert!(words.starts_with("gross_slowdowns 0 → 4: ttft at d0/c1 is 3.0 times"), "{words}");
        assert!(words.ends_with("by policy, not by a test over starts"), "{words}");
    }

    #[test]
    fn three_starts_a_side_fail_and_a_faster_server_is_never_an_improvement_by_policy() {
        let (few, slow) = ([200.0, 205.0, 210.0], [600.0, 620.0, 640.0]);
        assert_eq!(compared(&side("a", &few), &side("b", &slow)).decision.exit, Exit::Fail);
        let faster = compared(&side("a", &slow), &side("b", &few));
        assert_eq!(faster.decision.word, CompareWord::Inconclusive);
        assert!(faster.rows.iter().all(|row| !row.is_gross));
    }

    #[test]
    fn a_factor_of_what_nobody_notices_is_no_gross_change() {
        let exit = |measure: &str, [base, candidate]: [f64; 2]| {
            let side = |name, ms: f64| one(name, measure, &[ms / 1e3; 20]);
            compared(&side("a", base), &side("b", candidate)).decision.exit
        };
        assert_eq!(exit("ttft", [10.0, 40.0]), Exit::Pass);
        assert_eq!(exit("ttft", [30.0, 120.0]), Exit::Fail);
        assert_eq!(exit("tpot", [0.5, 2.0]), Exit::Pass);
        assert_eq!(exit("tpot", [5.0, 15.0]), Exit::Fail);
    }

    #[test]
    fn a_throughput_that_fell_to_a_third_is_a_gross_change_by_its_time_for_a_token() {
        let crowd = |name: &str, value: f64| {
            vec![start(name, &[(under(Load::Streams(4), 0, "throughput"), value)])]
        };
        let exit =
            |base, candidate| compared(&crowd("a", base), &crowd("b", candidate)).decision.exit;
        assert_eq!(exit(90.0, 30.0), Exit::Fail);
        assert_eq!(exit(90_000.0, 30_000.0), Exit::Pass);
    }

    #[test]
    fn values_that_vary_as_much_as_they_differ_are_no_gross_change() {
        let wild: Vec<f64> = (0..30).map(|n| if n % 10 < 5 { 0.2 } else { 2.0 }).collect();
        let base = one("a", "ttft", &wild);
        let candidate =
            one("b", "ttft", &wild.iter().rev().map(|it| it * 1.01).collect::<Vec<_>>());
        assert_eq!(compared(&base, &candidate).decision.exit, Exit::Pass);
    }

    #[test]
    fn two_values_judge_nothing_and_three_do() {
        let of = |n: usize| {
            let side = |name: &str, seconds: f64| one(name, "ttft", &vec![seconds; n]);
            compared(&side("a", 0.2), &side("b", 0.9))
        };
        let few = of(2);
        let policy = few.policies.iter().find(|it| it.name == "gross_slowdowns").unwrap();
        assert_eq!((policy.word, policy.candidate), (PolicyWord::Unseen, None));
        assert_eq!(few.decision.exit, Exit::Pass);
        assert_eq!(of(3).decision.exit, Exit::Fail);
    }

    #[test]
    fn another_factor_is_another_limit() {
        let terms =
            |factor| CompareTerms { gross: GrossLimit { factor }, ..CompareTerms::default() };
        let exit = |factor| {
            compare(&side("a", &[200.0]), &side("b", &[300.0]), &terms(factor))
                .unwrap()
                .decision
                .exit
        };
        assert_eq!((exit(1.4), exit(1.6)), (Exit::Fail, Exit::Pass));
    }
}
