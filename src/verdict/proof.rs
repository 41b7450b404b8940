//! Computes which mean time between failures the time under load proves.

use crate::analysis::Analysis;
use crate::fact::Seq;
use crate::measure::{Count, MTBF_CONFIDENCE};
use crate::stats::poisson::mean_time_between;
use crate::unit::span;

use super::exposure::told;
use super::unmeasured::has_unclear_kill;

/// Bound on the evidence of the failures.
const EVIDENCE_MAX: usize = 8;

/// Failures of a run, and the interval of the mean time between them at 95 % confidence. The
/// formula is that of [`mean_time_between`] (Garwood 1936, chi-square): two-sided with failures,
/// only the lower bound without. It assumes failures at a constant rate, independent of each other;
/// a leak violates that.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proof {
    /// Incidents that are an unordered crash, OOM, hang or outage, each counted once.
    pub failures: u64,
    /// Time under load, seconds: steady phases without outages.
    pub load_s: f64,
    /// Lower bound, seconds. It holds for kinds of failures that are not in `unseen`.
    pub low_s: f64,
    /// Upper bound, seconds; `None` without a failure.
    pub high_s: Option<f64>,
    /// Kinds of failures with insufficient coverage, which may have happened unobserved.
    pub unseen: Vec<Count>,
    /// First evidence of the first failures.
    pub evidence: Vec<Seq>,
}

impl Proof {
    /// Returns the proof of a run; `None` without time under load.
    pub(crate) fn of(analysis: &Analysis) -> Option<Proof> {
        let load_s = analysis.calendar.load_us() as f64 / 1e6;
        if load_s <= 0.0 {
            return None;
        }
        let incidents = analysis.calendar.incidents.iter();
        let failures: Vec<_> = incidents.filter(|incident| incident.is_failure()).collect();
        let (low_s, high_s) = mean_time_between(failures.len() as u64, load_s, MTBF_CONFIDENCE);
        // Rounded, because the last digits of a quantile differ between machines.
        let micros = |seconds: f64| (seconds * 1e6).round() / 1e6;
        let is_unread = |count: &Count| {
            let covered = analysis.coverage.of(*count);
            covered.is_none_or(|covered| !covered.gaps().is_empty())
                || *count == Count::Ooms && has_unclear_kill(analysis)
        };
        let firsts = failures.iter().filter_map(|incident| incident.evidence.first().copied());
        Some(Proof {
            failures: failures.len() as u64,
            load_s,
            low_s: micros(low_s),
            high_s: high_s.map(micros),
            unseen: Count::FAILURES.into_iter().filter(is_unread).collect(),
            evidence: firsts.take(EVIDENCE_MAX).collect(),
        })
    }

    /// Whether a crash may have happened unobserved: then the time without one proves nothing, and
    /// failures that were seen prove only an upper bound.
    pub(crate) fn is_blind(&self) -> bool {
        self.unseen.contains(&Count::Crashes)
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let low = span(self.low_s);
        let bounds = match self.high_s.map(span) {
            // Failures that nobody saw would only shorten it.
            Some(high) if self.is_blind() => format!("at most {high}"),
            Some(high) => format!("between {low} and {high}"),
            None => format!("above {low}"),
        };
        f.write_str(&told(self.failures, self.load_s, &bounds))
    }
}

#[cfg(test)]
mod tests {
    use crate::analysis::analyse;
    use crate::analysis::fixture::{asked, gate};
    use crate::fact::{Action, ClosedBecause, Ended, Fact, Source, Stage, TargetFact, TargetWord};
    use crate::incident::fixture::Story;
    use crate::series::{ENGINE_STEPS, LOG_LINES, OOM_KILLS};
    use crate::spec::{Contract, Limit};
    use crate::verdict::{GateResult, Verdict, VerdictWord, judge};

    fn judged(story: &Story, mtbf_s: f64) -> Verdict {
        let analysis = analyse(&asked(&[0]), story.entries.iter());
        let gates = vec![gate("mtbf", Limit::AtLeast(mtbf_s))];
        judge(&Contract { gates }, &analysis)
    }

    fn result(story: &Story, mtbf_s: f64) -> GateResult {
        judged(story, mtbf_s).gates.remove(0)
    }

    /// Returns whole answers from second 10 to 310, with full coverage of every kind of failure.
    fn watched() -> Story {
        let mut story = Story::soaking();
        for second in (0..=310).step_by(10) {
            let second = f64::from(second);
            look(&mut story, second);
            if (10.0..300.0).contains(&second) {
                story.good(second, 0);
            }
        }
        story
    }

    fn look(story: &mut Story, second: f64) {
        story.up(second, true).reading(second, Source::Engine, ENGINE_STEPS.name, second);
        story.reading(second, Source::Process, LOG_LINES, 1.0);
        story.reading(second, Source::Kernel, OOM_KILLS.name, 0.0);
    }

    fn closed(mut story: Story) -> Story {
        story.closed(310.0, ClosedBecause::Done);
        story
    }

    #[test]
    fn five_minutes_without_a_failure_show_a_third_of_that_and_no_upper_bound() {
        let story = closed(watched());
        let proof = judged(&story, 60.0).proof.unwrap();
        assert_eq!((proof.failures, proof.high_s, proof.unseen.len()), (0, None, 0));
        assert!((proof.low_s - 300.0 / 2.995_732).abs() < 1e-3, "{proof:?}");
        assert_eq!(
            proof.to_string(),
            "no failure in 5 m 00 s under load: MTBF above 1 m 40 s (95 %)"
        );
        assert_eq!(result(&story, 100.0).word, VerdictWord::Pass);
        let short = result(&story, 101.0);
        assert_eq!(
            (short.word, short.value),
            (VerdictWord::Inconclusive, Some(proof.low_s.into()))
        );
        assert_eq!(short.why, format!("{proof}; needs 5 m 03 s without a failure"));
    }

    #[test]
    fn an_outage_of_mere_silence_leaves_it_open_whether_the_server_hung() {
        let hangs = |ended: Ended| {
            let mut story = Story::soaking();
            for second in (0..=300).step_by(10) {
                look(&mut story, f64::from(second));
            }
            story.bad(302.0, 0, ended, "no answer").up(304.0, false).up(306.0, true);
            for entry in &mut story.entries {
                if let Fact::Request(request) = &mut entry.fact
                    && request.ended == Ended::TimedOut
                {
                    request.stage = Stage::BeforeFirst;
                }
            }
            let analysis = analyse(&asked(&[0]), closed(story).entries.iter());
            let gates = vec![gate("hangs", Limit::AtMost(0.0))];
            judge(&Contract { gates }, &analysis).gates.remove(0)
        };
        let silent = hangs(Ended::TimedOut);
        assert_eq!(silent.word, VerdictWord::Inconclusive, "{silent:?}");
        assert!(silent.why.contains("it may have hung"), "{silent:?}");
        assert_eq!(hangs(Ended::Refused).word, VerdictWord::Pass, "that was a crash");
    }

    #[test]
    fn a_failure_fails_only_what_lies_above_the_upper_bound() {
        let mut story = watched();
        story.bad(310.0, 0, Ended::Refused, "refused").up(311.0, false).up(331.0, true);
        story.good(332.0, 0);
        look(&mut story, 340.0);
        look(&mut story, 350.0);
        story.closed(350.0, ClosedBecause::Done);
        let proof = judged(&story, 60.0).proof.unwrap();
        let high = proof.high_s.unwrap();
        assert_eq!(proof.failures, 1);
        assert!((proof.load_s / proof.low_s - 5.5716).abs() < 1e-4, "{proof:?}");
        assert!((proof.load_s / high - 0.0253).abs() < 1e-4, "{proof:?}");
        assert_eq!(result(&story, proof.low_s).word, VerdictWord::Pass);
        assert_eq!(result(&story, proof.low_s + 1.0).word, VerdictWord::Inconclusive);
        assert_eq!(result(&story, high).word, VerdictWord::Inconclusive);
        let broken = result(&story, high + 1.0);
        assert_eq!((broken.word, &broken.why), (VerdictWord::Fail, &proof.to_string()));
        assert_eq!(broken.evidence, proof.evidence);
    }

    #[test]
    fn hours_in_which_nobody_could_see_a_failure_pass_nothing_and_break_all_the_same() {
        let mut story = Story::soaking();
        story.goods(10.0, 60, 0);
        let unseen = closed_at(&story, 130.0);
        let gate = result(&unseen, 1.0);
        assert_eq!((gate.word, gate.value), (VerdictWord::Inconclusive, None));
        insta::assert_snapshot!(gate.why, @"OOM: not observed (server log not read, kernel not read); hang: not observed (engine progress not watched)");
        story.bad(131.0, 0, Ended::Refused, "refused").up(132.0, false).up(140.0, true);
        let broken = closed_at(&story, 150.0);
        assert_eq!(result(&broken, 1e6).word, VerdictWord::Fail);
    }

    fn closed_at(story: &Story, second: f64) -> Story {
        let mut story = story.clone();
        story.closed(second, ClosedBecause::Done);
        story
    }

    #[test]
    fn what_was_ordered_is_no_failure_and_a_network_that_broke_is_one() {
        let failures = |facts: Vec<Fact>, ended: Ended| {
            let mut story = watched();
            for fact in facts {
                story.push(311.0, fact);
            }
            story.bad(311.5, 0, ended, "gone").up(312.0, false).up(313.0, false);
            story.up(322.0, true).good(323.0, 0);
            judged(&closed_at(&story, 340.0), 1.0).proof.unwrap().failures
        };
        let order = Action { id: 1, what: "restart".to_owned(), note: "drill".to_owned() };
        let ended = TargetFact::new(TargetWord::Exited, "as asked");
        let ended = TargetFact { action: Some(1), ..ended };
        assert_eq!(failures(vec![Fact::Action(order), Fact::Target(ended)], Ended::Refused), 0);
        let died = TargetFact::new(TargetWord::Exited, "killed by signal 9");
        assert_eq!(failures(vec![Fact::Target(died)], Ended::Refused), 1);
        assert_eq!(failures(Vec::new(), Ended::Unreachable), 1);
    }

    #[test]
    fn without_time_under_load_nothing_is_proved() {
        let mut story = Story::new();
        story.opened().closed(3.0, ClosedBecause::NeverAnswered);
        assert_eq!(judged(&story, 1.0).proof, None);
        let gate = result(&story, 1.0);
        assert_eq!(
            (gate.word, &*gate.why),
            (VerdictWord::Inconclusive, "no time under load was judged")
        );
    }
}
