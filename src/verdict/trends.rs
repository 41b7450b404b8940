//! Judges gates on changes over the hours: growth of series, steps, and drift of answers.

use crate::analysis::Analysis;
use crate::analysis::trend::{Trend, TrendWord};
use crate::analysis::trends::{
    AnswerTrend, HORIZON_H, MachineLoss, Sentence, SeriesTrend, machine_loss, once_each,
};
use crate::fact::Seq;
use crate::measure::{Per, Quantity};
use crate::spec::{Contract, Gate, Limit};
use crate::stats::theil_sen::Slope;

use super::{Finding, GateResult, VerdictWord};

/// Number of sentences that a gate gives.
const WHY_MAX: usize = 3;

/// Bound on the evidence of a gate.
const EVIDENCE_MAX: usize = 8;

/// Reason given where nothing of the memory was read.
const NOT_SEEN: &str = "the memory of the server was not read";

/// Part of a gate: a trend in one lifetime.
struct Part {
    word: VerdictWord,
    /// Title and sentence; the sentence is empty where another one says it.
    sentence: Sentence,
    /// Value that is compared with the limit.
    value: Option<f64>,
    /// Number of its blocks.
    blocks: usize,
    evidence: Vec<Seq>,
}

/// Writes the worst word of some parts, and the reasons of those that have it: once for each title.
fn write(result: &mut GateResult, parts: Vec<Part>) {
    let worst = parts.iter().map(|part| part.word).max().unwrap_or(VerdictWord::Pass);
    result.word = worst;
    match result.limit {
        // A number of growths or steps is known where each of them was decided.
        Limit::AtMost(limit) if limit <= 0.0 => {
            let broken = parts.iter().filter(|part| part.word == VerdictWord::Fail).count();
            result.bound = Some(limit);
            result.n = parts.len() as u64;
            result.value = (worst != VerdictWord::Inconclusive).then_some((broken as f64).into());
        }
        Limit::AtMost(limit) => {
            let of_worst = parts.iter().filter(|part| part.word == worst);
            let largest = of_worst.filter_map(|part| Some((part.value?, part.blocks)));
            let largest = largest.max_by(|(one, _), (other, _)| one.total_cmp(other));
            result.bound = Some(limit);
            result.value = largest.map(|(value, _)| value.into());
            result.n = largest.map_or(0, |(_, blocks)| blocks as u64);
        }
        _ => {}
    }
    if worst == VerdictWord::Pass {
        return;
    }
    let titles: Vec<String> = parts.iter().map(|part| part.sentence.title.clone()).collect();
    let told = parts.into_iter().filter(|part| part.word != VerdictWord::Pass);
    let told = told.filter(|part| !part.sentence.words.is_empty());
    let (of_worst, others): (Vec<_>, Vec<_>) = told.partition(|part| part.word == worst);
    let reasons = if of_worst.is_empty() { others } else { of_worst };
    result.evidence = reasons.iter().flat_map(|part| part.evidence.iter().copied()).collect();
    result.evidence.truncate(EVIDENCE_MAX);
    let lifetimes = |title: &str| titles.iter().filter(|it| *it == title).count();
    let mut why = once_each(reasons.into_iter().map(|part| part.sentence), lifetimes).into_iter();
    let first: Vec<String> = why.by_ref().take(WHY_MAX).collect();
    result.why = first.join("; ");
    let more = why.count();
    if more > 0 {
        result.why = format!("{}; {more} more", result.why);
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
    let part = |series: &SeriesTrend| {
        let limited = match (result.select.series, result.limit) {
            (Some(_), Limit::AtMost(limit)) => by_limit(series, per, limit),
            _ => None,
        };
        let (word, words, value) = limited.unwrap_or_else(|| {
            let words = series.in_words_among(trends);
            // One event has one sentence.
            let is_told = result.select.series.is_none() && series.is_told_by_processes(trends);
            let words = if is_told { String::new() } else { words };
            (whole(series, trends), words, None)
        });
        let sentence = Sentence { title: series.title(), words, weight: series.trend.hours };
        let evidence = series.evidence.clone();
        Part { word, sentence, value, blocks: series.trend.blocks, evidence }
    };
    let long = judged(trends, result).into_iter().filter(|it| !it.is_short_beside(trends));
    let parts: Vec<Part> = long.map(part).collect();
    if parts.is_empty() {
        return NOT_SEEN.clone_into(&mut result.why);
    }
    write(result, parts);
}

/// Returns the trends that a gate is about. The processes of one title are left out beside all of them
/// together.
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
    all.iter().filter(|it| !is_part(it)).copied().collect()
}

/// Judges a growth that has no limit of its own: it fails where it used up the memory, or where the
/// machine loses what the processes take, and would be full within a week.
fn whole(series: &SeriesTrend, trends: &[SeriesTrend]) -> VerdictWord {
    match word(series.trend.word) {
        VerdictWord::Fail if series.until_oom.is_none() => {
            let is_lost = machine_loss(trends, series.lifetime) == MachineLoss::Same;
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

/// Judges the slope of a series per hour or per request by its interval, with the sentence and the
/// slope. `None` where it has none, or its memory was used up.
fn by_limit(
    series: &SeriesTrend,
    per: Per,
    limit: f64,
) -> Option<(VerdictWord, String, Option<f64>)> {
    let hourly = series.worse().filter(|_| series.until_oom.is_none())?;
    let (slope, limit_h) = match per {
        Per::Hour => (hourly, limit),
        Per::Request => {
            let Some(work) = series.per_work else {
                let words = format!("{}: no request was counted", series.title());
                return Some((VerdictWord::Inconclusive, words, None));
            };
            (series.in_worse(work.request), limit * work.requests_per_h)
        }
    };
    let (word, why) = within(&series.trend, slope, limit, limit_h);
    let words = match why {
        Some(why) if series.trend.lack.is_none() => {
            format!("{}, {why}", series.slope_in_words(slope, per))
        }
        Some(_) => series.slope_in_words(slope, per),
        None => series.course_in_words(),
    };
    Some((word, words, Some(slope.value)))
}

/// Judges a slope in the worse direction by a limit, which is also given per hour. Returns the word,
/// and what is to be added to the sentence of the slope; `None` where the word of the trend has one.
fn within(
    trend: &Trend,
    slope: Slope,
    limit: f64,
    limit_h: f64,
) -> (VerdictWord, Option<&'static str>) {
    let is_late = trend.late.is_some_and(|low| low > limit_h);
    let jumps = matches!(trend.word, TrendWord::Step | TrendWord::TwoLevels);
    if trend.rises && slope.low > limit {
        let is_sure = trend.lack.is_none();
        let word = if is_sure { VerdictWord::Fail } else { VerdictWord::Inconclusive };
        (word, Some("above the limit"))
    } else if trend.is_beyond {
        (VerdictWord::Inconclusive, None)
    } else if slope.low > limit || is_late {
        (VerdictWord::Inconclusive, Some("but not all the time"))
    } else if slope.high <= limit || jumps {
        (VerdictWord::Pass, None)
    } else {
        (VerdictWord::Inconclusive, Some("which leaves the limit open"))
    }
}

/// Judges `steps: 0`: a step in the worse direction of a judged series, or of a time or rate, and
/// times and rates that jump between two levels.
pub(super) fn judge_steps(result: &mut GateResult, analysis: &Analysis) {
    let trends = &analysis.trends.series;
    // What a restart did not give back is told however short the lifetime behind it is.
    let is_told = |it: &&SeriesTrend| !it.is_short_beside(trends) || it.kept().is_some();
    let of_series = judged(trends, result).into_iter().filter(is_told).map(|series| {
        let title = series.title();
        let weight = series.kept().unwrap_or(series.trend.hours);
        Part {
            word: stepped(series.worse_step(), &series.trend),
            sentence: Sentence { title, words: series.in_words(), weight },
            value: None,
            blocks: series.trend.blocks,
            evidence: series.evidence.clone(),
        }
    });
    let answers = &analysis.trends.answers;
    let long = answers.iter().filter(|it| !it.is_short_beside(answers));
    let of_answers = long.map(|answers| {
        let is_broken = answers.worse_step() || answers.trend.word == TrendWord::TwoLevels;
        answer_part(answers, stepped(is_broken, &answers.trend), answers.in_words(), None)
    });
    let parts: Vec<Part> = of_series.chain(of_answers).collect();
    if parts.is_empty() {
        return "nothing was measured over the hours".clone_into(&mut result.why);
    }
    write(result, parts);
}

fn stepped(step: bool, trend: &Trend) -> VerdictWord {
    match (step, trend.slope.is_some() && !trend.is_beyond) {
        (true, _) => VerdictWord::Fail,
        (false, true) => VerdictWord::Pass,
        (false, false) => VerdictWord::Inconclusive,
    }
}

fn answer_part(of: &AnswerTrend, word: VerdictWord, words: String, value: Option<f64>) -> Part {
    let sentence = Sentence { title: of.title(), words, weight: of.trend.hours };
    let evidence = of.evidence.clone();
    Part { word, sentence, value, blocks: of.trend.blocks, evidence }
}

/// Judges the drift of a quantity at the depths and loads of the gate.
pub(super) fn judge_drift(result: &mut GateResult, quantity: Quantity, analysis: &Analysis) {
    let select = &result.select;
    let is_asked = |it: &&AnswerTrend| it.quantity == quantity && select.takes(&it.group);
    let part = |answers: &AnswerTrend| {
        let word = match (answers.worse(), result.limit) {
            (Some(slope), Limit::AtMost(limit)) => drifts(answers, slope, limit),
            _ => word(answers.trend.word),
        };
        let value = answers.drift().map(|drift| drift.value);
        answer_part(answers, word, answers.in_words(), value)
    };
    let answers = &analysis.trends.answers;
    let long = answers.iter().filter(|it| !it.is_short_beside(answers));
    let parts: Vec<Part> = long.filter(is_asked).map(part).collect();
    if parts.is_empty() {
        return "n/a: nothing of it was measured".clone_into(&mut result.why);
    }
    write(result, parts);
}

/// Judges the drift of a group by its interval, over all hours. Between two levels that are further
/// apart than the limit, no level is the one that it drifts from.
fn drifts(answers: &AnswerTrend, slope: Slope, limit: f64) -> VerdictWord {
    let trend = &answers.trend;
    let is_apart = trend.levels.is_some_and(|(low, high)| high - low > limit * low);
    let limit_h = limit * answers.level / trend.judged_h;
    match within(trend, slope, limit_h, limit_h).0 {
        VerdictWord::Pass if is_apart => VerdictWord::Inconclusive,
        word => word,
    }
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
        assert_snapshot!(judged(&leaking(100.0, 100.0), &growth), @"INCONCLUSIVE process_anonymous grows 100 MiB/h [100, 100] over 10 h 47 m, and the machine loses it: at that pace full in 316 h, not within 168 h, 1.67 MiB a request");
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
    fn a_limit_per_request_is_judged_by_its_own_interval_whatever_the_word() {
        use crate::measure::Measure;
        let request = |kib| of("process_anonymous", Measure::Growth(Per::Request), kib * 1_024.0);
        // 60 requests an hour: 171 KiB each.
        let slow = leaking(10.0, 0.0);
        assert_snapshot!(judged(&slow, &request(16.0)), @"FAIL process_anonymous grows 171 KiB a request [171, 171] over 10 h 47 m, above the limit");
        assert_snapshot!(judged(&slow, &request(200.0)), @"PASS");
        let noisy = soak(
            12,
            |hour| 10.0 * GIB + (10.0 * hour + 30.0 * (hour * 37.0).sin()) * MIB,
            |_| 40.0 * GIB,
        );
        assert_snapshot!(judged(&noisy, &request(174.0)), @"INCONCLUSIVE process_anonymous grows 173 KiB a request [170, 176] over 10 h 47 m, which leaves the limit open");
        let short = soak(6, |hour| 10.0 * GIB + 10.0 * MIB * hour, |_| 40.0 * GIB);
        assert_snapshot!(judged(&short, &request(16.0)), @"INCONCLUSIVE process_anonymous: unresolved at this length: 5 h 59 m seen, 8 h 00 m needed");
        let late = |hour: f64| 10.0 * GIB + 100.0 * MIB * (hour - 9.0).max(0.0);
        assert_snapshot!(judged(&soak(12, late, |_| 40.0 * GIB), &request(16.0)), @"INCONCLUSIVE process_anonymous grows 0 B a request [0 B, 423 KiB] over 10 h 47 m, but not all the time");
    }

    #[test]
    fn two_limits_on_one_series_are_judged_each_by_itself() {
        use crate::measure::Measure;
        let limit = |mib| of("process_anonymous", Measure::Growth(Per::Hour), mib * MIB);
        let mut asked = asked(&[0]);
        asked.contract = Contract { gates: vec![limit(50.0), limit(150.0)] };
        let verdict = judge(&asked.contract, &analysed(&leaking(100.0, 0.0), &asked));
        let words: Vec<&str> = verdict.gates.iter().map(|it| it.word.word()).collect();
        assert_eq!(words, ["FAIL", "PASS"]);
        for gate in &verdict.gates {
            let value = gate.value.map(crate::stats::Estimate::number).unwrap() / MIB;
            assert!((value - 100.0).abs() < 1.0, "{value}");
        }
        assert_eq!(verdict.gates.iter().map(|it| it.n).collect::<Vec<_>>(), [64, 64]);
        assert_eq!(verdict.gates[0].bound, Some(50.0 * MIB));
        assert_eq!(verdict.gates[0].evidence.len(), 2, "the first and the last row");
    }

    #[test]
    fn a_number_of_growths_and_steps_is_a_value() {
        let of = |story: &Story, gate: Gate| {
            let mut asked = asked(&[0]);
            asked.contract = Contract { gates: vec![gate] };
            let gate = judge(&asked.contract, &analysed(story, &asked)).gates.remove(0);
            (gate.word, gate.value.and_then(crate::stats::Estimate::known), gate.bound)
        };
        let leak = leaking(200.0, 200.0);
        assert_eq!(of(&leak, none("growth")), (VerdictWord::Fail, Some(2.0), Some(0.0)));
        assert_eq!(of(&leak, none("steps")), (VerdictWord::Pass, Some(0.0), Some(0.0)));
        let open = leaking(200.0, 0.0);
        assert_eq!(of(&open, none("growth")), (VerdictWord::Inconclusive, None, Some(0.0)));
    }

    #[test]
    fn answers_that_jump_between_two_levels_break_the_gate_on_steps_and_leave_drift_open() {
        let mut story = leaking(0.0, 0.0);
        for entry in &mut story.entries {
            if let crate::fact::Fact::Request(request) = &mut entry.fact {
                let is_slow = entry.at.0 / 3_600_000_000 % 2 == 1;
                let factor = if is_slow { 1.5 } else { 1.0 };
                request.ttft_us = request.ttft_us.map(|us| (us as f64 * factor) as u64);
            }
        }
        let drift = |limit| gate("drift_ttft", Limit::AtMost(limit));
        assert_snapshot!(judged(&story, &none("steps")), @"FAIL ttft d0/c1/p2048/o128: jumps between 400 ms and 600 ms; tpot d0/c1/p2048/o128: jumps between 2.43 ms and 4.00 ms; prefill_per_s d0/c1/p2048/o128: jumps between 3,413 tok/s and 5,120 tok/s");
        assert_snapshot!(judged(&story, &drift(0.05)), @"INCONCLUSIVE ttft d0/c1/p2048/o128: jumps between 400 ms and 600 ms");
        assert_eq!(judged(&story, &drift(0.6)), "PASS ");
    }

    #[test]
    fn several_lifetimes_that_are_too_short_have_one_sentence() {
        let mut story = soak(6, |_| 10.0 * GIB, |_| 40.0 * GIB);
        for hour in [2.0, 4.0] {
            let seconds = hour * 3_600.0;
            let at = story.entries.iter().position(|it| it.at.seconds() > seconds).unwrap();
            let after = story.entries.split_off(at);
            story.bad(seconds, 0, crate::fact::Ended::Refused, "refused").up(seconds + 1.0, false);
            story.up(seconds + 60.0, true).started(seconds + 60.0, seconds);
            let from = story.entries.last().unwrap().at;
            story.entries.extend(after.into_iter().filter(|it| it.at > from));
        }
        for (seq, entry) in story.entries.iter_mut().enumerate() {
            entry.seq = seq as u64;
        }
        assert_snapshot!(judged(&story, &none("growth")), @"INCONCLUSIVE process_anonymous, host_mem_available: unresolved at this length: 10 blocks, 20 needed, in 3 of 3 lifetimes");
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
