//! Withdraws what rows say of prefill where the cold prompts of a side came from the server's cache:
//! such a side is not faster, and not the same.

use crate::analysis::Analysis;
use crate::analysis::cache::CacheWord;
use crate::fact::Class;
use crate::measure::{Measure, Quantity};

use super::decide::{CompareWord, ComparedRow};
use super::{MeasureKey, Start};

/// Share of the base's cold prompts from which on a slower candidate is no regression.
const MOST: f64 = 0.5;
/// Difference of two shares that is none.
const ALIKE: f64 = 0.05;

/// Returns the share of a run's cold prompts that came from the cache, where that contradicts the
/// class's name.
pub(super) fn from_cache(analysis: &Analysis) -> Option<f64> {
    let states = analysis.cache_states();
    let cold = states.iter().find(|state| state.class == Class::Cold)?;
    cold.from_cache.filter(|_| cold.word == CacheWord::Contradicted)
}

/// Returns the largest share among the starts of a side; 0 where no start's class is contradicted.
fn most(side: &[Start]) -> f64 {
    side.iter().filter_map(|start| start.cold_from_cache).fold(0.0, f64::max)
}

/// Returns in words whose cold prompts came from the cache, a sentence for each such side.
pub(super) fn told(base: &[Start], candidate: &[Start]) -> Vec<String> {
    let sides = [("base", most(base)), ("candidate", most(candidate))];
    let told = sides.into_iter().filter(|(_, share)| *share > 0.0);
    told.map(|(side, share)| {
        format!("{:.0} % of the {side}'s cold prompts came from the server's cache", share * 100.0)
    })
    .collect()
}

/// Whether a measure depends on how the prompts of a cold class were processed.
fn is_of_cold_prefill(key: &MeasureKey) -> bool {
    let Measure::Of(quantity, _) = key.measure else { return false };
    // The throughput of several streams holds the times in which they waited for a prefill.
    let is_of_prefill = quantity.is_of_prefill() || quantity == Quantity::Throughput;
    key.group.class == Class::Cold && is_of_prefill
}

/// Whether the base's cache explains that the candidate is slower.
pub(super) fn explains(key: &MeasureKey, base: &[Start], candidate: &[Start]) -> bool {
    let share = most(base);
    is_of_cold_prefill(key) && share >= MOST && share > most(candidate) + ALIKE
}

/// Takes the word of rows that say nothing of the prefill of cold prompts. A candidate that is
/// slower although its prompts came from the cache stays slower.
pub(super) fn withdraw(rows: &mut [ComparedRow], base: &[Start], candidate: &[Start]) {
    let told = told(base, candidate);
    if told.is_empty() {
        return;
    }
    for row in rows.iter_mut().filter(|row| is_of_cold_prefill(&row.key)) {
        if row.word != CompareWord::Regression || explains(&row.key, base, candidate) {
            row.word = CompareWord::Inconclusive;
            row.why = told.join(", and ");
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::fixture::asked;
    use crate::compare::fixture::side;
    use crate::compare::{CompareTerms, Comparison, compare};
    use crate::exit::Exit;
    use crate::fact::{ClosedBecause, Fact, Phase};
    use crate::incident::fixture::Story;

    /// Six starts of one recipe, milliseconds.
    const STARTS: [f64; 6] = [99.0, 100.0, 101.0, 100.5, 99.5, 100.2];

    /// Returns a side whose times are longer by a factor, and of whose cold prompts this share came
    /// from the cache.
    fn cached(name: &str, factor: f64, share: Option<f64>, starts: usize) -> Vec<Start> {
        let mut side = side(name, &STARTS.map(|value| value * factor)[..starts]);
        for start in &mut side {
            start.cold_from_cache = share;
        }
        side
    }

    fn compared(base: &[Start], candidate: &[Start]) -> Comparison {
        compare(base, candidate, &CompareTerms::default()).unwrap()
    }

    fn word(comparison: &Comparison, measure: &str) -> CompareWord {
        let is_it = |row: &&ComparedRow| row.key.measure == Measure::parse(measure).unwrap();
        comparison.rows.iter().find(is_it).unwrap().word
    }

    #[test]
    fn a_candidate_whose_cold_prompts_came_from_the_cache_is_not_faster_nor_equivalent() {
        for factor in [0.3, 1.0] {
            let cold = compared(&cached("a", 1.0, None, 6), &cached("b", factor, Some(0.98), 6));
            assert_eq!(word(&cold, "ttft"), CompareWord::Inconclusive);
            assert_ne!(word(&cold, "tpot"), CompareWord::Inconclusive, "{factor}");
            assert_eq!(cold.decision.word, CompareWord::Inconclusive);
            let told = ["98 % of the candidate's cold prompts came from the server's cache"];
            assert_eq!(cold.differs.starts, told);
        }
        let slower = compared(&cached("a", 1.0, None, 6), &cached("b", 1.5, Some(0.98), 6));
        assert_eq!(word(&slower, "ttft"), CompareWord::Regression);
    }

    #[test]
    fn a_candidate_is_not_slower_than_a_base_whose_cold_prompts_came_from_the_cache() {
        for starts in [1, 6] {
            let slower = |base, candidate| {
                let base = cached("a", 1.0, base, starts);
                compared(&base, &cached("b", 3.0, candidate, starts))
            };
            let ttft = |comparison: &Comparison| {
                let is_ttft =
                    |row: &&ComparedRow| row.key.measure == Measure::parse("ttft").unwrap();
                let row = comparison.rows.iter().find(is_ttft).unwrap();
                row.is_gross || row.word == CompareWord::Regression
            };
            let cached_base = slower(Some(0.98), None);
            assert!(!ttft(&cached_base), "{starts}");
            assert!(ttft(&slower(Some(0.98), Some(0.97))), "both came from the cache: {starts}");
            assert!(ttft(&slower(Some(0.10), None)), "a tenth moves no median so far: {starts}");
            // The times between tokens are judged as ever.
            assert_eq!(cached_base.decision.exit, Exit::Fail, "{starts}");
        }
    }

    #[test]
    fn the_reasons_of_a_comparison_of_two_starts_name_the_side_and_its_share() {
        let cold = compared(&cached("a", 1.0, None, 1), &cached("b", 0.1, Some(0.98), 1));
        assert_snapshot!(cold.decision.sentences().join("\n"), @r"
        open: ttft at d0/c1, ttft at d4096/c1: 98 % of the candidate's cold prompts came from the server's cache
        open: tpot at d0/c1, tpot at d4096/c1: one start a side, and no noise floor
        ");
        let warm = compared(&cached("a", 1.0, Some(0.6), 1), &cached("b", 1.0, None, 1));
        assert_snapshot!(warm.decision.sentences().join("\n"), @r"
        open: ttft at d0/c1, ttft at d4096/c1: 60 % of the base's cold prompts came from the server's cache
        open: tpot at d0/c1, tpot at d4096/c1: one start a side, and no noise floor
        ");
    }

    #[test]
    fn the_share_is_that_of_the_runs_own_usage_records() {
        let share = |cached: u32| {
            let mut story = Story::soaking();
            story.phase(10.0, Phase::Soak);
            for nth in 0..20 {
                let second = 10.0 + f64::from(nth) * 2.0;
                let mut request = story.request(second, 0);
                request.cached_tokens = Some(0);
                if nth < cached {
                    request.cached_tokens = Some(2032);
                    request.checks = vec!["cached".to_owned()];
                }
                story.push(second + 1.0, Fact::Request(Box::new(request)));
            }
            story.closed(51.0, ClosedBecause::Done);
            from_cache(&analyse(&asked(&[0]), story.entries.iter()))
        };
        assert_eq!([share(0), share(1), share(19)], [None, None, Some(0.95)]);
    }
}
