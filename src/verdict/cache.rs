//! Judges what the server's prefix cache did: withdraws gates on the prefill of cold prompts that
//! came from the cache, and reports classes that are not what their names say.

use crate::analysis::cache::{CacheEvidence, CacheWord};
use crate::analysis::{Analysis, Share};
use crate::fact::Class;
use crate::measure::Quantity;
use crate::spec::Select;

use super::{GateResult, VerdictWord};

/// Share of the cold prompts from which on their times say nothing of a prefill.
const MOST: f64 = 0.5;

/// Withdraws a judgement of the prefill of cold prompts that mostly came from the cache. What fails
/// although it came from the cache fails, unless the reference window alone may have been faster.
pub(super) fn withdraw(result: &mut GateResult, quantity: Quantity, analysis: &Analysis) {
    let base = result.limit.base();
    let is_judged = match result.word {
        VerdictWord::Pass => true,
        VerdictWord::Fail => base.is_some(),
        VerdictWord::Inconclusive => false,
    };
    if !is_judged || !quantity.is_of_prefill() {
        return;
    }
    let selects = [Some(result.select.clone()), base.map(|base| base.select(&result.select))];
    let why = selects.into_iter().flatten().find_map(|select| from_cache(&select, analysis));
    if let Some(why) = why {
        result.word = VerdictWord::Inconclusive;
        result.why = format!("n/a: {why}");
    }
}

/// Returns in words that most of the cold prompts of a selection came from the cache.
fn from_cache(select: &Select, analysis: &Analysis) -> Option<String> {
    let cold = analysis
        .atoms_of(select)
        .filter(|atom| atom.group.asks() && atom.group.class == Class::Cold)
        .collect::<Vec<_>>();
    let part = cold.iter().filter_map(|atom| atom.checks.get("cached")).sum();
    let of: u64 = cold.iter().map(|atom| atom.cached_reported).sum();
    let share = Share { part, of };
    if share.value().is_some_and(|value| value >= MOST) {
        return Some(format!("{part} of {of} cold prompts came from the server's cache"));
    }
    (!cold.is_empty()).then(|| counted(analysis)).flatten()
}

/// Returns in words that most of the cold prompts of the run came from the cache by its counters.
fn counted(analysis: &Analysis) -> Option<String> {
    let state = analysis.cache_states().into_iter().find(|state| state.class == Class::Cold)?;
    let is_counted = state.by == Some(CacheEvidence::Counters);
    let share = state.from_cache.filter(|share| is_counted && *share >= MOST)?;
    Some(format!("{} of the cold prompts came from the server's cache", by_counters(share)))
}

fn by_counters(share: f64) -> String {
    format!("by the engine's counters {:.0} %", share * 100.0)
}

/// Reports classes that the engine's counters contradict, or that nothing verifies. What usage shows
/// is a check that fired, which has a line of its own.
pub(super) fn findings(analysis: &Analysis, tell: &mut impl FnMut(String, Vec<u64>)) {
    for state in analysis.cache_states() {
        let what = match state.class {
            Class::Warm => "warm contexts came from the server's cache",
            _ => "cold prompts did not come from the server's cache",
        };
        match (state.word, state.by, state.from_cache) {
            (CacheWord::NotVerified, ..) => {
                tell(format!("that {what} is not verified: {}", state.why), Vec::new());
            }
            (CacheWord::Contradicted, Some(CacheEvidence::Counters), Some(share)) => {
                let what = match state.class {
                    Class::Warm => "the warm contexts came from the server's cache",
                    _ => "the cold prompts came from the server's cache",
                };
                tell(format!("{} of {what}", by_counters(share)), Vec::new());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::analysis::analyse;
    use crate::analysis::fixture::{asked, gate};
    use crate::fact::{ClosedBecause, Fact, Phase, Source};
    use crate::incident::fixture::Story;
    use crate::spec::{Base, Contract, Gate, Limit};
    use crate::verdict::tests::at_most;
    use crate::verdict::{Verdict, judge};

    use super::*;

    /// Returns cold answers of which the first `cached` came from the cache; the first half is the
    /// reference window.
    fn served(cached: u32, n: u32) -> Story {
        let mut story = Story::soaking();
        story.phase(10.0, Phase::Reference);
        for nth in 0..n {
            let second = 10.0 + f64::from(nth) * 2.0;
            if nth == n / 2 {
                story.phase(second - 0.5, Phase::Soak);
            }
            let mut request = story.request(second, 0);
            request.cached_tokens = Some(0);
            if nth < cached {
                request.cached_tokens = Some(2032);
                request.checks = vec!["cached".to_owned()];
                request.ttft_us = Some(20_000);
            }
            story.push(second + 1.0, Fact::Request(Box::new(request)));
        }
        story.closed(11.0 + f64::from(n) * 2.0, ClosedBecause::Done);
        story
    }

    fn verdict(story: &Story, gates: &[Gate]) -> Verdict {
        let analysis = analyse(&asked(&[0]), story.entries.iter());
        judge(&Contract { gates: gates.to_vec() }, &analysis)
    }

    fn words(story: &Story, gates: &[Gate]) -> Vec<VerdictWord> {
        verdict(story, gates).gates.iter().map(|gate| gate.word).collect()
    }

    #[test]
    fn a_pass_of_cold_prompts_that_came_from_the_cache_is_none_and_a_failure_is_one() {
        let (pass, fail, open) = (VerdictWord::Pass, VerdictWord::Fail, VerdictWord::Inconclusive);
        let gates = [
            at_most("ttft", 1.0),
            at_most("ttft", 0.001),
            at_most("e2e", 9.0),
            at_most("tpot", 1.0),
            at_most("errors", 0.1),
            Gate { attain: Some(0.5), ..at_most("ttft", 1.0) },
        ];
        assert_eq!(words(&served(40, 40), &gates), [open, fail, open, pass, pass, open]);
        assert_eq!(words(&served(20, 40), &gates), [open, fail, open, pass, pass, open]);
        assert_eq!(words(&served(19, 40), &gates), [pass, fail, pass, pass, pass, pass]);
        let why = &verdict(&served(20, 40), &gates).gates[0].why;
        assert_snapshot!(why, @"n/a: 20 of 40 cold prompts came from the server's cache");
    }

    #[test]
    fn a_reference_that_came_from_the_cache_is_none() {
        let relative = gate("ttft", Limit::AtMostOf(1.2, Base::Reference));
        let open = words(&served(20, 40), std::slice::from_ref(&relative));
        assert_eq!(open, [VerdictWord::Inconclusive], "the soak is slower, and the cache is why");
        let fair = words(&served(0, 40), &[relative]);
        assert_eq!(fair, [VerdictWord::Pass]);
    }

    #[test]
    fn what_the_engines_counters_show_opens_the_gates_and_is_told() {
        let counted = |share: f64| {
            let (mut story, mut tokens) = (served(0, 20), 0.0);
            for entry in &mut story.entries {
                if let Fact::Request(request) = &mut entry.fact {
                    request.cached_tokens = None;
                }
            }
            let mut entries = Vec::new();
            for entry in story.entries.drain(..) {
                let is_request = matches!(entry.fact, Fact::Request(_));
                let at = entry.at.seconds();
                entries.push(entry);
                if !is_request {
                    continue;
                }
                let mut read = Story::new();
                read.reading(at, Source::Engine, "prefix_query_tokens_total", tokens);
                read.reading(at, Source::Engine, "prefix_hit_tokens_total", tokens * share);
                entries.extend(read.entries);
                tokens += 2048.0;
            }
            for (seq, entry) in (0..).zip(&mut entries) {
                entry.seq = seq;
            }
            story.entries = entries;
            let verdict = verdict(&story, &[at_most("ttft", 1.0)]);
            let findings = verdict.findings.iter().map(|it| it.words.clone());
            let findings = findings.collect::<Vec<_>>().join("; ");
            (verdict.gates[0].word, verdict.gates[0].why.clone(), findings)
        };
        let (word, why, findings) = counted(0.98);
        assert_eq!(word, VerdictWord::Inconclusive);
        assert_snapshot!(why, @"n/a: by the engine's counters 98 % of the cold prompts came from the server's cache");
        assert_snapshot!(findings, @"by the engine's counters 98 % of the cold prompts came from the server's cache");
        let (word, _, findings) = counted(0.0);
        assert_eq!((word, findings.as_str()), (VerdictWord::Pass, ""));
    }

    #[test]
    fn what_nothing_verifies_is_told_and_fails_nothing() {
        let mut story = served(0, 20);
        for entry in &mut story.entries {
            if let Fact::Request(request) = &mut entry.fact {
                request.cached_tokens = None;
            }
        }
        let verdict = verdict(&story, &[at_most("ttft", 1.0)]);
        assert_eq!(verdict.word, VerdictWord::Pass);
        assert_snapshot!(verdict.findings[0].words, @"that cold prompts did not come from the server's cache is not verified: the server reports neither cached tokens nor hits of its cache");
    }
}
