//! Judges gates on changes over the hours: growth of series, steps, and drift of answers.

use crate::analysis::Analysis;
use crate::analysis::trend::TrendWord;
use crate::analysis::trends::{AnswerTrend, HORIZON_H, SeriesTrend, agrees_with_available, joined};
use crate::measure::{Per, Quantity};
use crate::spec::{Contract, Gate, Limit};

use super::{Finding, GateResult, VerdictWord};

/// Number of sentences that a gate gives.
const WHY_MAX: usize = 3;

/// Reason given where nothing of the memory was read.
const NOT_SEEN: &str = "the memory of the server was not read";

/// Title of a trend and its sentence; no sentence where another one says it.
type Reason = (String, String);

/// Verdicts of the parts of a gate, with a reason for each that did not pass.
#[derive(Default)]
struct Parts {
    n: u64,
    of: Vec<(VerdictWord, Reason)>,
}

impl Parts {
    fn push(&mut self, word: VerdictWord, why: Reason) {
        self.n += 1;
        if word != VerdictWord::Pass {
            self.of.push((word, why));
        }
    }

    /// Writes the worst word and its reasons.
    fn write(self, result: &mut GateResult) {
        result.n = self.n;
        let worst = self.of.iter().map(|(word, _)| *word).max().unwrap_or(VerdictWord::Pass);
        result.word = worst;
        let told = self.of.into_iter().filter(|(_, (_, why))| !why.is_empty());
        let (of_worst, others): (Vec<_>, Vec<_>) = told.partition(|(word, _)| *word == worst);
        let reasons = if of_worst.is_empty() { others } else { of_worst };
        let mut why = joined(reasons.into_iter().map(|(_, why)| why)).into_iter();
        let first: Vec<String> = why.by_ref().take(WHY_MAX).collect();
        result.why = first.join("; ");
        let more = why.count();
        if more > 0 {
            result.why = format!("{}; {more} more", result.why);
        }
    }
}

/// Whether a gate is asked of this run: one that is only asked where memory was read needs a reading
/// of the server's processes or its machine.
pub(super) fn is_asked(gate: &Gate, analysis: &Analysis) -> bool {
    let series = &analysis.trends.series;
    let is_seen =
        |it: &SeriesTrend| it.judged.is_process_memory() || it.judged.is_available_memory();
    !gate.where_seen || series.iter().any(is_seen)
}

/// Returns a finding for each gate that was not asked.
pub(super) fn not_asked(contract: &Contract, analysis: &Analysis) -> Vec<Finding> {
    let gates = contract.gates.iter().filter(|gate| !is_asked(gate, analysis));
    let finding = |gate: &Gate| Finding {
        words: format!("`{}` was not asked: {NOT_SEEN}", gate.text),
        evidence: Vec::new(),
        is_of_setting: false,
    };
    gates.map(finding).collect()
}

/// Judges `growth: 0`, or a limit of one series.
pub(super) fn judge_growth(result: &mut GateResult, per: Per, analysis: &Analysis) {
    let trends = &analysis.trends.series;
    let mut parts = Parts::default();
    for series in judged(trends, result) {
        let word = match (result.select.series, per, result.limit) {
            (Some(_), Per::Request, Limit::AtMost(limit)) => by_request(series, limit),
            (Some(_), ..) => word(series.trend.word),
            (None, ..) => whole(series, trends),
        };
        // One event has one sentence.
        let is_told = result.select.series.is_none() && series.is_told_by_processes(trends);
        let why = if is_told { String::new() } else { series.in_words_among(trends) };
        parts.push(word, (series.title(), why));
    }
    if parts.n == 0 {
        return NOT_SEEN.clone_into(&mut result.why);
    }
    parts.write(result);
}

/// Returns the trends that a gate is about. A lifetime that is too short for a word is left out
/// beside longer ones, and the processes of one title beside all of them together.
fn judged<'a>(trends: &'a [SeriesTrend], result: &GateResult) -> Vec<&'a SeriesTrend> {
    let asked = result.select.series;
    let is_asked = |it: &&SeriesTrend| match asked {
        Some(series) => *it.judged == *series,
        None => it.judged.is_gated,
    };
    let mut all: Vec<&SeriesTrend> = trends.iter().filter(is_asked).collect();
    // The server comes before its machine.
    all.sort_by_key(|it| !it.judged.is_process_memory());
    let same = |one: &SeriesTrend, other: &SeriesTrend| *one.judged == *other.judged;
    let is_part = |it: &&SeriesTrend| {
        !it.instance.is_empty() && all.iter().any(|of| same(of, it) && of.instance.is_empty())
    };
    let is_short = |it: &&SeriesTrend| {
        let longer = |of: &&&SeriesTrend| {
            same(of, it) && of.instance == it.instance && of.trend.slope.is_some()
        };
        it.trend.slope.is_none()
            && it.trend.word == TrendWord::Unresolved
            && all.iter().any(|of| longer(&of) && of.trend.hours >= it.trend.hours)
    };
    all.iter().filter(|it| !is_part(it) && !is_short(it)).copied().collect()
}

/// Judges a growth that has no limit of its own: it fails where the machine loses what the
/// processes take, and would be full within a week.
fn whole(series: &SeriesTrend, trends: &[SeriesTrend]) -> VerdictWord {
    match word(series.trend.word) {
        VerdictWord::Fail => {
            let is_lost = agrees_with_available(trends, series.lifetime) == Some(true);
            let soon = series.to_limit.is_some_and(|time| time.low < HORIZON_H);
            if is_lost && soon { VerdictWord::Fail } else { VerdictWord::Inconclusive }
        }
        word => word,
    }
}

fn word(word: TrendWord) -> VerdictWord {
    match word {
        TrendWord::Growing => VerdictWord::Fail,
        TrendWord::Unresolved | TrendWord::NoData => VerdictWord::Inconclusive,
        TrendWord::Stable
        | TrendWord::Plateau
        | TrendWord::Step
        | TrendWord::TwoLevels
        | TrendWord::Falling => VerdictWord::Pass,
    }
}

/// Judges a growth per request by its interval.
fn by_request(series: &SeriesTrend, limit: f64) -> VerdictWord {
    let Some(work) = series.per_work else { return VerdictWord::Inconclusive };
    let slope = series.in_worse(work.request);
    if series.trend.slope.is_none() {
        VerdictWord::Inconclusive
    } else if slope.high <= limit {
        VerdictWord::Pass
    } else if slope.low > limit && series.trend.word == TrendWord::Growing {
        VerdictWord::Fail
    } else {
        VerdictWord::Inconclusive
    }
}

/// Judges `steps: 0`: a step in the worse direction of a judged series, or of a time or rate.
pub(super) fn judge_steps(result: &mut GateResult, analysis: &Analysis) {
    let mut parts = Parts::default();
    for series in judged(&analysis.trends.series, result) {
        let step = series.worse_step();
        parts
            .push(stepped(step, series.trend.slope.is_some()), (series.title(), series.in_words()));
    }
    for answers in &analysis.trends.answers {
        let step = answers.worse_step();
        parts.push(
            stepped(step, answers.trend.slope.is_some()),
            (answers.title(), answers.in_words()),
        );
    }
    if parts.n == 0 {
        return "nothing was measured over the hours".clone_into(&mut result.why);
    }
    parts.write(result);
}

fn stepped(step: bool, is_tested: bool) -> VerdictWord {
    match (step, is_tested) {
        (true, _) => VerdictWord::Fail,
        (false, true) => VerdictWord::Pass,
        (false, false) => VerdictWord::Inconclusive,
    }
}

/// Judges the drift of a quantity at the depths and loads of the gate.
pub(super) fn judge_drift(result: &mut GateResult, quantity: Quantity, analysis: &Analysis) {
    let mut parts = Parts::default();
    let select = &result.select;
    let is_asked = |it: &&AnswerTrend| it.quantity == quantity && select.takes(&it.group);
    for answers in analysis.trends.answers.iter().filter(is_asked) {
        parts.push(word(answers.trend.word), (answers.title(), answers.in_words()));
    }
    if parts.n == 0 {
        return "n/a: nothing of it was measured".clone_into(&mut result.why);
    }
    parts.write(result);
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::analysis::fixture::{asked, gate};
    use crate::analysis::trends::tests::{analysed, soak};
    use crate::incident::fixture::Story;
    use crate::series::growth::JudgedSeries;
    use crate::verdict::judge;

    const MIB: f64 = 1_048_576.0;
    const GIB: f64 = 1_024.0 * MIB;

    /// Returns twelve hours in which the processes take, and the machine loses, so much an hour.
    fn leaking(taken: f64, lost: f64) -> Story {
        soak(12, |hour| 10.0 * GIB + taken * MIB * hour, |hour| 40.0 * GIB - lost * MIB * hour)
    }

    fn judged(story: &Story, gate: &Gate) -> String {
        let mut asked = asked(&[0]);
        asked.contract = Contract { gates: vec![gate.clone()] };
        let verdict = judge(&asked.contract, &analysed(story, &asked));
        let each = verdict.gates.iter().map(|it| format!("{} {}", it.word.word(), it.why));
        each.collect::<Vec<_>>().join("\n")
    }

    fn none(name: &str) -> Gate {
        gate(name, Limit::AtMost(0.0))
    }

    fn of(series: &str, measure: crate::measure::Measure, limit: f64) -> Gate {
        let mut gate = gate("growth", Limit::AtMost(limit));
        gate.measure = measure;
        gate.select.series = JudgedSeries::parse(series);
        gate
    }

    #[test]
    fn a_growth_fails_where_the_machine_loses_it_and_is_full_within_a_week() {
        let growth = none("growth");
        assert_snapshot!(judged(&leaking(200.0, 200.0), &growth), @"FAIL process_anonymous grows 200 MiB/h [200, 200] over 10 h 47 m, and the machine loses it: at that pace full in 152 h, 3.33 MiB a request");
        assert_snapshot!(judged(&leaking(200.0, 0.0), &growth), @"INCONCLUSIVE process_anonymous grows 200 MiB/h [200, 200] over 10 h 47 m, but the machine does not lose it, 3.33 MiB a request");
        assert_snapshot!(judged(&leaking(0.0, 200.0), &growth), @"INCONCLUSIVE host_mem_available falls 200 MiB/h [200, 200] over 10 h 47 m, but the processes do not take it: at that pace full in 152 h, 3.33 MiB a request");
        assert_snapshot!(judged(&leaking(100.0, 100.0), &growth), @"INCONCLUSIVE process_anonymous grows 100 MiB/h [100, 100] over 10 h 47 m, and the machine loses it: at that pace full in 316 h, 1.67 MiB a request");
        assert_snapshot!(judged(&leaking(10.0, 10.0), &growth), @"PASS");
    }

    #[test]
    fn a_growth_with_a_limit_of_its_own_fails_above_it() {
        use crate::measure::Measure;
        let hourly = |limit| of("process_anonymous", Measure::Growth(Per::Hour), limit * MIB);
        let request = |limit| of("process_anonymous", Measure::Growth(Per::Request), limit * MIB);
        let story = leaking(100.0, 0.0);
        let words = [hourly(50.0), hourly(150.0), request(1.0), request(2.0)];
        let words = words.map(|gate| judged(&story, &gate).split(' ').next().unwrap().to_owned());
        assert_eq!(words, ["FAIL", "PASS", "FAIL", "PASS"]);
    }

    #[test]
    fn a_short_run_and_one_without_memory_decide_nothing() {
        let short = soak(2, |_| 10.0 * GIB, |_| 40.0 * GIB);
        assert_snapshot!(judged(&short, &none("growth")), @"INCONCLUSIVE process_anonymous, host_mem_available: unresolved at this length: 10 blocks, 20 needed");
        let mut unseen = leaking(0.0, 0.0);
        unseen.entries.retain(|it| !matches!(it.fact, crate::fact::Fact::Reading(_)));
        assert_snapshot!(judged(&unseen, &none("growth")), @"INCONCLUSIVE the memory of the server was not read");
        let where_seen = Gate { where_seen: true, ..none("growth") };
        assert_eq!(judged(&unseen, &where_seen), "", "it is not asked");
        assert_eq!(judged(&leaking(0.0, 0.0), &where_seen), "PASS ");
    }

    #[test]
    fn a_step_of_memory_or_speed_breaks_the_gate_on_steps() {
        let jumped = |hour: f64| if hour < 7.0 { 10.0 * GIB } else { 12.0 * GIB };
        let story = soak(12, jumped, |_| 40.0 * GIB);
        assert_snapshot!(judged(&story, &none("steps")), @"FAIL process_anonymous: a step from 10.0 GiB to 12.0 GiB after 6 h 59 m");
        assert_eq!(judged(&story, &none("growth")), "PASS ");
        assert_eq!(judged(&leaking(0.0, 0.0), &none("steps")), "PASS ");
    }

    #[test]
    fn a_drift_of_answers_fails_above_its_limit_and_where_there_are_none_decides_nothing() {
        let mut story = leaking(0.0, 0.0);
        for entry in &mut story.entries {
            if let crate::fact::Fact::Request(request) = &mut entry.fact {
                let slower = 1.0 + 0.01 * entry.at.seconds() / 3_600.0;
                request.ttft_us = request.ttft_us.map(|us| (us as f64 * slower) as u64);
            }
        }
        let drift = |name, limit| gate(name, Limit::AtMost(limit));
        assert_snapshot!(judged(&story, &drift("drift_ttft", 0.05)), @"FAIL ttft d0/c1/p2048/o128 rises by 10.2 % [10.2 %, 10.2 %] over 10 h 47 m");
        assert_eq!(judged(&story, &drift("drift_ttft", 0.2)), "PASS ");
        assert_snapshot!(judged(&story, &drift("drift_throughput", 0.05)), @"INCONCLUSIVE n/a: nothing of it was measured");
    }
}
