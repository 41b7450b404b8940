//! Judges the contract against the analysis: PASS, FAIL or INCONCLUSIVE for each gate and for the
//! run, each with its reason.
//!
//! The rules, in order (`docs/verdict.md` explains them to users): an observed violation is FAIL,
//! whatever else happened. A measure that was not observed, or has too few samples, is INCONCLUSIVE
//! and never passed. All else is PASS. Knows neither terminals nor files.

mod cache;
pub(crate) mod checks;
mod effect;
pub(crate) mod exposure;
pub(crate) mod gate;
mod model_list;
pub(crate) mod pool;
pub(crate) mod proof;
mod segments;
pub(crate) mod slots;
mod trends;
mod unmeasured;
pub(crate) mod whole;

pub(crate) use checks::FiredCheck;
pub(crate) use exposure::{EventExposure, Exposure};
pub(crate) use proof::Proof;

use serde::Serialize;

use crate::analysis::{Analysis, Judged};
use crate::exit::Exit;
use crate::fact::{ClosedBecause, Seq};
use crate::measure::Measure;
use crate::spec::{Contract, Limit, Select};
use crate::stats::Estimate;
use crate::words::words;

/// Verdict word of a gate or a run. The worst of several is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum VerdictWord {
    /// The contract held, and the coverage was sufficient to observe a violation.
    #[serde(rename = "PASS")]
    Pass,
    /// Coverage or samples do not suffice.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
    /// The contract was violated.
    #[serde(rename = "FAIL")]
    Fail,
}

words!(VerdictWord { Pass: "PASS", Inconclusive: "INCONCLUSIVE", Fail: "FAIL" });

/// Result of one gate at one depth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GateResult {
    /// Text of the gate in the scenario.
    pub text: String,
    /// Measure of the gate.
    pub measure: Measure,
    /// Part of the run, with the depth filled in.
    pub select: Select,
    /// Whether the contract leaves the depth open, so that this is one of several results.
    pub expanded: bool,
    /// Limit as written.
    pub limit: Limit,
    /// Share that must meet the limit, for an attainment.
    pub attain: Option<f64>,
    /// Limit in the measure's base unit, with relative limits resolved.
    pub bound: Option<f64>,
    /// Measured value in the measure's base unit, or the share attained; `None` without a value.
    pub value: Option<Estimate>,
    /// Number of samples.
    pub n: u64,
    /// Requests that gave a value, of those that could have; none for a gate that needs no values.
    pub judged: Judged,
    pub word: VerdictWord,
    /// Reason, where the word is not PASS.
    pub why: String,
    /// Seconds that an outage may have lasted without being observed, for a gate on outages.
    pub hidden_s: Option<f64>,
    /// Entries that show it.
    pub evidence: Vec<Seq>,
}

impl GateResult {
    /// Returns the share of the requests that could be judged, where that is not all of them.
    pub(crate) fn judged_share(&self) -> Option<f64> {
        let Judged { part, .. } = self.judged;
        let of = self.judged.of();
        (part < of).then(|| part as f64 / of as f64)
    }

    /// Whether greater values are better.
    pub(crate) fn wants_more(&self) -> bool {
        match self.limit {
            Limit::AtMost(_) | Limit::AtMostOf(..) => false,
            Limit::AtLeast(_) | Limit::AtLeastOf(..) => true,
        }
    }
}

/// Finding that a reader of the report should know, with the entries that show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    pub words: String,
    pub evidence: Vec<Seq>,
    /// Whether it says that a setting is not in effect, which the report shows in a place of its own.
    #[serde(skip)]
    pub is_of_setting: bool,
}

/// Verdict of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Verdict word of the run.
    pub word: VerdictWord,
    /// Reasons why it is not PASS, the gravest first, without those of gates.
    pub reasons: Vec<String>,
    /// Checks of answers that fired, the most frequent first.
    pub checks: Vec<FiredCheck>,
    /// Results of all gates, in the contract's order.
    pub gates: Vec<GateResult>,
    /// Findings beside the gates.
    pub findings: Vec<Finding>,
    /// Proven mean time between failures; `None` without time under load.
    pub proof: Option<Proof>,
    /// Exposure to failures, by kind.
    pub exposure: Exposure,
    /// Reason why the run ended; `None` where longhaul was killed, or still runs.
    pub closed: Option<ClosedBecause>,
    /// Whether a failure of longhaul itself ended the run.
    pub fatal: bool,
}

impl Verdict {
    /// Returns the program's exit status. A violated gate is FAIL, whatever failed afterwards.
    pub(crate) fn exit(&self) -> Exit {
        match (self.word, self.closed) {
            (VerdictWord::Pass, _) => Exit::Pass,
            (VerdictWord::Fail, _) => Exit::Fail,
            (VerdictWord::Inconclusive, _) if self.fatal => Exit::Fault,
            (
                VerdictWord::Inconclusive,
                Some(ClosedBecause::Interrupted | ClosedBecause::InterruptedTwice),
            ) => Exit::Interrupted,
            (VerdictWord::Inconclusive, _) => Exit::Inconclusive,
        }
    }

    /// Makes every gate INCONCLUSIVE: what was asked, or what happened, was changed afterwards.
    fn disbelieve(&mut self, changed: &str) {
        self.word = VerdictWord::Inconclusive;
        self.reasons.insert(0, changed.to_owned());
        for gate in &mut self.gates {
            gate.word = VerdictWord::Inconclusive;
            changed.clone_into(&mut gate.why);
        }
    }

    /// Returns the worst word of some gates.
    pub(crate) fn worst<'a>(gates: impl IntoIterator<Item = &'a GateResult>) -> VerdictWord {
        gates.into_iter().map(|gate| gate.word).max().unwrap_or(VerdictWord::Pass)
    }
}

/// Judges a run.
pub(crate) fn judge(contract: &Contract, analysis: &Analysis) -> Verdict {
    let proof = Proof::of(analysis);
    let judged = |gate| gate::judge(gate, analysis, proof.as_ref());
    let gates = contract.gates.iter().filter(|gate| trends::is_asked(gate, analysis));
    let gates: Vec<GateResult> = gates.flat_map(judged).collect();
    let mut verdict = Verdict {
        word: Verdict::worst(&gates),
        reasons: Vec::new(),
        gates,
        checks: checks::fired(analysis),
        exposure: Exposure::of(analysis, proof.as_ref()),
        // Findings in the order of a report, which has room for the first.
        findings: model_list::finding(analysis)
            .into_iter()
            .chain(checks::fewer_chunks(analysis))
            .chain(effect::findings(analysis))
            .chain(whole::findings(analysis))
            .collect(),
        proof,
        closed: analysis.calendar.closed().map(|(_, closed)| closed.because),
        fatal: whole::is_fatal(analysis),
    };
    verdict.findings.extend(checks::shorter(analysis));
    verdict.findings.extend(trends::not_asked(contract, analysis));
    verdict.findings.extend(slots::staggered(&verdict.gates, analysis));
    for (word, reason) in whole::reasons(contract, analysis) {
        verdict.word = verdict.word.max(word);
        verdict.reasons.push(reason);
    }
    if let Some(changed) = &analysis.reported.changed {
        verdict.disbelieve(changed);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::analysis::fixture::{asked, gate};
    use crate::analysis::{LostRows, analyse};
    use crate::fact::{Ended, Fact, Fault, FaultKind, Phase, Source, Statement};
    use crate::incident::fixture::Story;
    use crate::spec::{Base, Gate};

    pub(super) fn judged(story: &Story, gates: &[Gate]) -> Verdict {
        let analysis = analyse(&asked(&[0]), story.entries.iter());
        judge(&Contract { gates: gates.to_vec() }, &analysis)
    }

    pub(super) fn at_most(name: &str, bound: f64) -> Gate {
        gate(name, Limit::AtMost(bound))
    }

    /// Returns whole answers at depth 0 from second 10 on, then the plan's end.
    fn healthy(n: u32) -> Story {
        let mut story = Story::soaking();
        story.goods(10.0, n, 0).closed(11.0 + f64::from(n) * 2.0, ClosedBecause::Done);
        story
    }

    #[test]
    fn a_healthy_run_passes() {
        let gates = [
            at_most("crashes", 0.0),
            at_most("restarts", 0.0),
            at_most("errors", 0.001),
            at_most("ttft_p95", 2.0),
            gate("tokens_per_s", Limit::AtLeast(15.0)),
        ];
        let verdict = judged(&healthy(60), &gates);
        assert_eq!(verdict.word, VerdictWord::Pass, "{verdict:#?}");
        assert_eq!(verdict.exit(), Exit::Pass);
        assert!(verdict.gates[3].value.is_some_and(|value| (value.low - 0.4).abs() < 1e-9));
    }

    #[test]
    fn errors_over_their_limit_fail_and_name_the_requests() {
        let mut story = Story::soaking();
        story.goods(10.0, 20, 0).bad(50.0, 0, Ended::ErrorFrame, "boom").up(51.0, true);
        let seq = story.entries[story.entries.len() - 2].seq;
        story.closed(52.0, ClosedBecause::Done);
        let verdict = judged(&story, &[at_most("errors", 0.001)]);
        assert_eq!((verdict.word, verdict.exit()), (VerdictWord::Fail, Exit::Fail));
        assert_eq!(verdict.gates[0].why, "1 of 21");
        assert_eq!(verdict.gates[0].evidence, [seq]);
    }

    #[test]
    fn a_pass_that_lost_rows_could_turn_is_none() {
        let story = healthy(99);
        let lost = |missing_seqs| {
            let mut asked = asked(&[0]);
            asked.reported.lost = LostRows::anywhere(missing_seqs);
            let analysis = analyse(&asked, story.entries.iter());
            let gates = vec![at_most("errors", 0.015)];
            judge(&Contract { gates }, &analysis).word
        };
        assert_eq!(lost(1), VerdictWord::Pass, "one of a hundred would still hold");
        assert_eq!(lost(2), VerdictWord::Inconclusive);
    }

    #[test]
    fn a_cache_that_is_not_what_the_cell_asks_for_is_told() {
        let mut story = healthy(5);
        for entry in &mut story.entries {
            if let Fact::Request(request) = &mut entry.fact {
                request.checks = vec!["cached".to_owned()];
            }
        }
        let verdict = judged(&story, &[at_most("errors", 0.0)]);
        let told: Vec<String> = verdict.checks.iter().map(|it| it.finding().words).collect();
        assert_snapshot!(told.join("\n"), @"cached: 5 of 5 answers, first d0/c1 at 10.0 s: cold, but served from cache");
        assert_eq!(verdict.findings, [], "the check tells it, and once is enough");
    }

    #[test]
    fn a_format_that_breaks_past_an_answers_end_is_laid_to_the_field_that_drives_it_there() {
        let reported = |abilities: &str, words: &str| {
            let mut story = Story::soaking();
            story.push(9.5, Fact::Seen(Statement::plain("abilities", abilities.to_owned())));
            story.goods(10.0, 5, 0).bad(30.0, 0, Ended::ErrorFrame, words);
            story.closed(40.0, ClosedBecause::Done);
            let findings = judged(&story, &[]).findings.into_iter().map(|it| it.words);
            findings.collect::<Vec<_>>().join("\n")
        };
        let words = "Unexpected token 200002 while expecting start token 200006";
        assert_snapshot!(reported("chat ignore_eos usage", words), @"1 broke with `Unexpected token 200002 while expecting start token 200006`: longhaul's `ignore_eos` forces answers past their natural end, which breaks some formats; `exact_output: false` leaves it away");
        assert_eq!(reported("chat usage", words), "", "it was not sent");
        assert_eq!(reported("chat ignore_eos usage", "CUDA error"), "", "that is another matter");
    }

    #[test]
    fn a_run_that_ended_in_its_warm_up_says_so_and_passes_nothing() {
        let mut story = Story::new();
        story.opened().phase(9.0, Phase::Warmup);
        story.goods(10.0, 3, 0).closed(20.0, ClosedBecause::Done);
        for entry in &mut story.entries {
            if let Fact::Request(request) = &mut entry.fact {
                request.phase = Phase::Warmup;
            }
        }
        let verdict = judged(&story, &[at_most("crashes", 0.0)]);
        assert_eq!(verdict.word, VerdictWord::Inconclusive);
        assert_snapshot!(verdict.reasons.join("\n"), @"the run ended in its warm-up, so nothing is judged");
        assert_ne!(verdict.gates[0].word, VerdictWord::Pass);
    }

    #[test]
    fn a_p95_of_59_samples_is_inconclusive_and_of_60_is_not() {
        let verdict = judged(&healthy(59), &[at_most("ttft_p95", 2.0)]);
        assert_eq!((verdict.word, verdict.exit()), (VerdictWord::Inconclusive, Exit::Inconclusive));
        assert_eq!(verdict.gates[0].why, "n/a (n=59 < 60)");
        assert_eq!(judged(&healthy(60), &[at_most("ttft_p95", 0.3)]).word, VerdictWord::Fail);
    }

    #[test]
    fn ooms_over_http_alone_are_not_observed_and_both_dark_halves_are_named() {
        let verdict = judged(&healthy(60), &[at_most("ooms", 0.0)]);
        assert_eq!(verdict.word, VerdictWord::Inconclusive);
        let gate = &verdict.gates[0];
        assert_eq!(gate.value, None);
        assert_snapshot!(gate.why, @"OOM: not observed (server log not read, kernel not read)");
    }

    #[test]
    fn an_oom_that_was_seen_fails_although_nobody_was_looking() {
        let mut story = healthy(5);
        story.bad(30.0, 0, Ended::ErrorFrame, "CUDA out of memory. Tried to allocate 2 GiB");
        assert_eq!(judged(&story, &[at_most("ooms", 0.0)]).word, VerdictWord::Fail);
    }

    #[test]
    fn one_crash_is_counted_once_and_breaks_the_gates_on_it() {
        let mut story = Story::soaking();
        story.goods(10.0, 5, 0).bad(22.0, 0, Ended::Refused, "refused").up(23.0, false);
        story.bad(24.0, 0, Ended::Refused, "refused").up(50.0, true);
        story.goods(60.0, 5, 0).up(70.0, true).started(70.0, 1000.0);
        story.closed(71.0, ClosedBecause::Done);
        let verdict = judged(&story, &[at_most("crashes", 0.0), at_most("crashes", 1.0)]);
        assert_eq!(verdict.gates[0].value, Some(Estimate::exact(1.0)));
        assert_eq!(
            (verdict.gates[0].word, verdict.gates[1].word),
            (VerdictWord::Fail, VerdictWord::Pass)
        );
        assert!(!verdict.gates[0].evidence.is_empty());
    }

    #[test]
    fn an_interrupted_run_is_inconclusive_unless_a_gate_is_broken() {
        let mut story = Story::soaking();
        story.goods(10.0, 5, 0).closed(21.0, ClosedBecause::Interrupted);
        let verdict = judged(&story, &[at_most("crashes", 0.0)]);
        assert_eq!((verdict.word, verdict.exit()), (VerdictWord::Inconclusive, Exit::Interrupted));
        let verdict = judged(&story, &[at_most("ttft", 0.1)]);
        assert_eq!((verdict.word, verdict.exit()), (VerdictWord::Fail, Exit::Fail));
    }

    #[test]
    fn a_killed_run_never_passes() {
        let mut story = Story::soaking();
        story.goods(10.0, 60, 0);
        let verdict = judged(&story, &[at_most("crashes", 0.0)]);
        assert_eq!((verdict.word, verdict.exit()), (VerdictWord::Inconclusive, Exit::Inconclusive));
        assert_snapshot!(verdict.reasons.join("\n"), @"the run has no end: killed, or its disk failed, or it still runs");
        let mut analysis = analyse(&asked(&[0]), story.entries.iter());
        analysis.reported.failed = Some("events.csv cannot be written: disk full".to_owned());
        let verdict = judge(&Contract::default(), &analysis);
        let failed = "longhaul failed: events.csv cannot be written: disk full";
        assert_eq!(verdict.reasons[0], failed, "the longhaul that drove it knows better");
    }

    #[test]
    fn how_a_run_ends_decides_what_no_gate_asks() {
        let ends = [
            (ClosedBecause::Away, VerdictWord::Fail, Exit::Fail),
            (ClosedBecause::Gone, VerdictWord::Fail, Exit::Fail),
            (ClosedBecause::NeverReady, VerdictWord::Fail, Exit::Fail),
            (ClosedBecause::NeverAnswered, VerdictWord::Inconclusive, Exit::Inconclusive),
            (ClosedBecause::OutOfTime, VerdictWord::Inconclusive, Exit::Inconclusive),
            (ClosedBecause::Fault, VerdictWord::Inconclusive, Exit::Fault),
            (ClosedBecause::InterruptedTwice, VerdictWord::Inconclusive, Exit::Interrupted),
        ];
        for (because, word, exit) in ends {
            let mut story = Story::soaking();
            story.goods(10.0, 5, 0).closed(21.0, because);
            let verdict = judged(&story, &[at_most("errors", 0.5)]);
            assert_eq!((verdict.word, verdict.exit()), (word, exit), "{because:?}");
        }
    }

    #[test]
    fn a_fatal_fault_is_told_and_a_broken_gate_goes_before_it() {
        let mut story = healthy(5);
        let fault = Fault { kind: FaultKind::Journal, why: "disk full".to_owned(), fatal: true };
        story.push(30.0, Fact::Fault(fault));
        let verdict = judged(&story, &[at_most("errors", 0.5)]);
        assert_eq!(verdict.exit(), Exit::Fault);
        assert_snapshot!(verdict.reasons.join("\n"), @"the journal could not be written: disk full");
        assert_eq!(judged(&story, &[at_most("ttft", 0.1)]).exit(), Exit::Fail);
    }

    #[test]
    fn a_run_without_a_whole_answer_or_without_a_contract_never_passes() {
        let mut story = Story::soaking();
        story.up(11.0, true).closed(12.0, ClosedBecause::Done);
        assert_eq!(judged(&story, &[at_most("crashes", 0.0)]).word, VerdictWord::Inconclusive);
        assert_eq!(judged(&healthy(5), &[]).word, VerdictWord::Inconclusive);
    }

    #[test]
    fn a_server_that_died_at_the_very_end_is_no_pass() {
        let mut story = Story::soaking();
        story.goods(10.0, 5, 0).up(22.0, false).up(23.0, false).closed(24.0, ClosedBecause::Done);
        assert_eq!(judged(&story, &[at_most("errors", 0.5)]).word, VerdictWord::Inconclusive);
    }

    #[test]
    fn a_gate_without_a_depth_is_judged_at_every_planned_one() {
        let story = healthy(60);
        let analysis = analyse(&asked(&[0, 4096]), story.entries.iter());
        let contract = Contract { gates: vec![at_most("ttft", 2.0)] };
        let verdict = judge(&contract, &analysis);
        let words: Vec<VerdictWord> = verdict.gates.iter().map(|gate| gate.word).collect();
        assert_eq!(words, [VerdictWord::Pass, VerdictWord::Inconclusive]);
        assert_eq!(verdict.gates[1].why, "n/a: nothing of it was measured");
    }

    #[test]
    fn a_gate_without_a_depth_is_judged_on_turns_of_every_depth_too_and_one_on_them_there_alone() {
        let mut story = healthy(60);
        story.turns(132.0, 60);
        let analysis = analyse(&asked(&[0]), story.entries.iter());
        let on = |gates: Vec<Gate>| {
            let verdict = judge(&Contract { gates }, &analysis);
            let of = |gate: &GateResult| (gate.select.depth, gate.select.class, gate.n);
            verdict.gates.iter().map(of).collect::<Vec<_>>()
        };
        let turns = (None, Some(crate::fact::Class::Follow), 60);
        let open = at_most("ttft_p95", 2.0);
        let mut follow = open.clone();
        follow.select.class = Some(crate::fact::Class::Follow);
        assert_eq!(on(vec![open]), [(Some(0), None, 60), turns]);
        assert_eq!(on(vec![follow]), [turns]);
    }

    #[test]
    fn what_is_relative_to_the_reference_needs_both_windows() {
        let relative = gate("ttft", Limit::AtMostOf(1.05, Base::Reference));
        let verdict = judged(&healthy(10), std::slice::from_ref(&relative));
        assert_eq!(verdict.gates[0].why, "reference window n/a (n=0)");
        let mut story = Story::new();
        story.opened().phase(0.0, Phase::Reference).goods(0.0, 5, 0);
        story.phase(12.0, Phase::Return).goods(12.0, 5, 0).closed(30.0, ClosedBecause::Done);
        let verdict = judged(&story, &[relative]);
        assert_eq!(verdict.gates[0].word, VerdictWord::Pass);
        assert_eq!(verdict.gates[0].n, 5);
    }

    #[test]
    fn an_attainment_counts_bad_endings_as_not_met() {
        let attain = Gate { attain: Some(0.95), ..at_most("ttft", 2.0) };
        assert_eq!(judged(&healthy(20), std::slice::from_ref(&attain)).word, VerdictWord::Pass);
        let few = judged(&healthy(19), std::slice::from_ref(&attain));
        assert_eq!(few.gates[0].why, "n/a (n=19 < 20)");
        let mut story = healthy(10);
        story.bad(50.0, 0, Ended::Reset, "reset").bad(51.0, 0, Ended::Reset, "reset");
        let verdict = judged(&story, &[attain]);
        assert_eq!(verdict.gates[0].word, VerdictWord::Fail, "18 of 20 is the best that can come");
    }

    #[test]
    fn a_measure_that_the_server_cannot_give_is_not_available() {
        let mut story = Story::soaking();
        let mut request = story.request(10.0, 0);
        request.cached_tokens = None;
        story.push(11.0, Fact::Request(Box::new(request)));
        story.reading(12.0, Source::Kernel, "oom_kills", 0.0).closed(13.0, ClosedBecause::Done);
        let verdict = judged(&story, &[gate("prefill_per_s", Limit::AtLeast(100.0))]);
        assert_eq!(verdict.gates[0].why, "n/a: the server gives no count of cached tokens");
    }
}
