//! Judges one gate: counts of events against coverage, shares against the observed requests,
//! statistics against the number of samples, attainments with bad endings in the denominator.

use crate::analysis::coverage::{COVERED_MIN, CountCoverage};
use crate::analysis::{Analysis, Share, SourceCoverage, statistic};
use crate::fact::{Ended, Phase};
use crate::measure::{Count, Measure, Quantity, RequestShare, Statistic};
use crate::spec::{Gate, Limit, Select};
use crate::stats::Dist;

use super::unmeasured::has_unclear_kill;
use super::{GateResult, Proof, VerdictWord};

/// Least number of requests for an attainment, unless it is out of reach before.
pub(crate) const ATTAIN_SAMPLES_MIN: u64 = 20;

/// Reason given for events of a run that was never under load.
const NO_LOAD: &str = "no time under load was judged";

/// Reason given for OOMs where one may have been the server's.
const UNCLEAR_KILL: &str = "a process was killed for lack of memory, and it is not known whose";

/// Bound on the evidence of a gate on events.
const EVIDENCE_MAX: usize = 8;

/// Judges a gate. A gate without a depth is judged at every planned depth, and for every class
/// whose depth grows from ask to ask.
pub(crate) fn judge(gate: &Gate, analysis: &Analysis, proof: Option<&Proof>) -> Vec<GateResult> {
    let parts = if gate.select.depth.is_some() || gate.measure.is_of_the_run() {
        Vec::new()
    } else {
        parts(&gate.select, analysis)
    };
    if parts.is_empty() {
        return vec![at(gate, gate.select.clone(), analysis, proof)];
    }
    let each = parts.into_iter();
    each.map(|select| GateResult { expanded: true, ..at(gate, select, analysis, proof) }).collect()
}

/// Returns the parts of a selection without a depth, each of which is judged separately.
fn parts(select: &Select, analysis: &Analysis) -> Vec<Select> {
    let depths = analysis.planned_depths().into_iter();
    let mut parts: Vec<Select> =
        depths.map(|depth| Select { depth: Some(depth), ..select.clone() }).collect();
    let without = analysis.without_cell(select);
    let is_named = select.class.is_some() || select.workload.is_some();
    let has_cells = analysis.atoms_of(select).any(|atom| atom.group.cell.is_some());
    if is_named && !without.is_empty() && !has_cells {
        parts.clear();
    }
    parts.extend(without.into_iter().map(|group| select.within(group)));
    parts
}

fn at(gate: &Gate, select: Select, analysis: &Analysis, proof: Option<&Proof>) -> GateResult {
    let mut result = GateResult {
        text: gate.text.clone(),
        measure: gate.measure,
        select,
        expanded: false,
        limit: gate.limit,
        attain: gate.attain,
        bound: None,
        value: None,
        n: 0,
        word: VerdictWord::Inconclusive,
        hidden_s: None,
        why: String::new(),
        evidence: Vec::new(),
    };
    match (gate.measure, gate.attain) {
        (Measure::Count(count), _) => judge_count(&mut result, count, analysis),
        (Measure::Portion(portion), _) => {
            judge_portion(&mut result, portion, analysis);
            if result.word == VerdictWord::Pass && portion != RequestShare::OffDepth {
                withdraw_elsewhere(&mut result, analysis);
            }
        }
        (Measure::Mtbf, _) => judge_mtbf(&mut result, analysis, proof),
        (Measure::Of(quantity, _), Some(share)) => {
            judge_attain(&mut result, quantity, share, analysis);
            withdraw_elsewhere(&mut result, analysis);
        }
        (Measure::Of(quantity, statistic), None) => {
            judge_statistic(&mut result, quantity, statistic, analysis);
            withdraw_elsewhere(&mut result, analysis);
        }
    }
    result
}

/// Withdraws a judgement of prompts that all had another length than planned: it is one of another
/// depth.
fn withdraw_elsewhere(result: &mut GateResult, analysis: &Analysis) {
    let Share { part, of } = analysis.far_off_depth(&result.select);
    if of > 0 && part == of {
        result.word = VerdictWord::Inconclusive;
        result.why = format!("n/a: all {of} prompts had another length than planned");
    }
}

/// Whether a value is within the bound, or at it.
fn holds(result: &GateResult, value: f64, bound: f64) -> bool {
    if result.wants_more() { value >= bound } else { value <= bound }
}

/// Decides pass or fail from value and bound.
fn decide(result: &mut GateResult, value: f64, bound: f64) {
    result.value = Some(value);
    result.bound = Some(bound);
    let held = holds(result, value, bound);
    result.word = if held { VerdictWord::Pass } else { VerdictWord::Fail };
}

/// Returns the bound, computed by `reference` where the limit is relative to it.
fn bound(limit: Limit, reference: impl FnOnce() -> Result<f64, String>) -> Result<f64, String> {
    match limit {
        Limit::AtMost(bound) | Limit::AtLeast(bound) => Ok(bound),
        Limit::AtMostOfReference(share) | Limit::AtLeastOfReference(share) => {
            reference().map(|value| value * share)
        }
    }
}

fn judge_count(result: &mut GateResult, count: Count, analysis: &Analysis) {
    let incidents = analysis.incidents_of(count, result.select.phase);
    let value = incidents.len() as f64;
    result.n = incidents.len() as u64;
    // One entry of each incident suffices; the incident has all of them.
    let firsts = incidents.iter().filter_map(|incident| incident.evidence.first().copied());
    result.evidence = firsts.take(EVIDENCE_MAX).collect();
    let bound = match bound(result.limit, || Err("a number of events has no reference".to_owned()))
    {
        Ok(bound) => bound,
        Err(why) => return result.why = why,
    };
    decide(result, value, bound);
    if result.word == VerdictWord::Pass && analysis.calendar.load_us() == 0 {
        result.word = VerdictWord::Inconclusive;
        result.value = None;
        return result.why.push_str(NO_LOAD);
    }
    if result.word == VerdictWord::Fail && !result.wants_more() {
        result.why = format!("{} seen", result.n);
        return;
    }
    // An event that no source could observe does not count as zero.
    let Some(covered) = analysis.coverage.of(count) else { return };
    let unseen = in_words(covered);
    if unseen.is_empty() {
        result.hidden_s = covered.hidden_s;
        if count == Count::Ooms && result.word == VerdictWord::Pass && has_unclear_kill(analysis) {
            (result.word, result.value) = (VerdictWord::Inconclusive, None);
            return result.why.push_str(UNCLEAR_KILL);
        }
        if result.word == VerdictWord::Fail {
            result.why = format!("{} seen", result.n);
        }
        return;
    }
    result.word = VerdictWord::Inconclusive;
    if incidents.is_empty() {
        result.value = None;
        result.why = format!("{}: not observed ({unseen})", event_name(count));
    } else {
        let needed = COVERED_MIN * 100.0;
        result.why = format!("{} seen; under {needed:.0} % covered: {unseen}", result.n);
    }
}

/// Judges the time between failures by its interval. It passes where the lower bound reaches the
/// limit and the coverage of every kind of failure suffices, and fails where the upper bound does
/// not reach it.
fn judge_mtbf(result: &mut GateResult, analysis: &Analysis, proof: Option<&Proof>) {
    let Some(proof) = proof else { return result.why.push_str(NO_LOAD) };
    let bound = match bound(result.limit, || Err("no reference for failures".to_owned())) {
        Ok(bound) => bound,
        Err(why) => return result.why = why,
    };
    result.bound = Some(bound);
    result.n = proof.failures;
    result.evidence.clone_from(&proof.evidence);
    result.value = Some(proof.low_s);
    result.why = proof.to_string();
    if proof.high_s.is_some_and(|high_s| high_s < bound) {
        result.word = VerdictWord::Fail;
    } else if !proof.unseen.is_empty() {
        result.value = None;
        let why = proof.unseen.iter().map(|count| {
            let unseen = analysis.coverage.of(*count).map_or(String::new(), in_words);
            if unseen.is_empty() {
                return UNCLEAR_KILL.to_owned();
            }
            format!("{}: not observed ({unseen})", event_name(*count))
        });
        result.why = why.collect::<Vec<_>>().join("; ");
    } else if proof.low_s >= bound {
        result.word = VerdictWord::Pass;
        result.why.clear();
    }
}

/// Formats the sources that covered too little, with their gaps.
fn in_words(covered: &CountCoverage) -> String {
    covered.unseen().map(SourceCoverage::in_words).collect::<Vec<_>>().join(", ")
}

/// Returns the name of an event for the sentence that it was not observed.
pub(crate) fn event_name(count: Count) -> &'static str {
    match count {
        Count::Crashes => "crash",
        Count::Ooms => "OOM",
        Count::Restarts => "restart",
        Count::Hangs => "hang",
        Count::Outages => "outage",
    }
}

fn judge_portion(result: &mut GateResult, portion: RequestShare, analysis: &Analysis) {
    let share = analysis.portion(portion, &result.select);
    result.n = share.of;
    let Some(value) = share.value() else {
        return result.why = String::from("no request of it ended");
    };
    result.value = Some(value);
    let reference = || {
        let select = Select { phase: Some(Phase::Reference), ..result.select.clone() };
        analysis
            .portion(portion, &select)
            .value()
            .ok_or_else(|| "no request ended in the reference window".to_owned())
    };
    match bound(result.limit, reference) {
        Ok(bound) => {
            decide(result, value, bound);
            if result.word == VerdictWord::Pass {
                lost(result, share, bound, analysis);
            }
        }
        Err(why) => return result.why = why,
    }
    if result.word == VerdictWord::Fail {
        result.why = format!("{} of {}", share.part, share.of);
        if portion == RequestShare::Errors {
            result.evidence = analysis.bad_seqs(&result.select);
        }
    }
}

/// Withdraws a pass that missing rows could turn into a failure: each of them may have been a
/// request that ended badly.
fn lost(result: &mut GateResult, share: Share, bound: f64, analysis: &Analysis) {
    let lost = analysis.fate_unknown + analysis.reported.missing_seqs;
    if lost > 0 && (share.part + lost) as f64 / (share.of + lost) as f64 > bound {
        result.word = VerdictWord::Inconclusive;
        result.why = format!("{lost} ends are not known, and could break it");
    }
}

/// Returns a statistic's value, or the reason why there is none.
fn statistic_of(dist: &Dist, wanted: Statistic) -> Result<f64, String> {
    let (n, needed) = (dist.n(), wanted.samples_min());
    statistic(dist, wanted).ok_or_else(|| {
        if n == 0 { "n/a (n=0)".to_owned() } else { format!("n/a (n={n} < {needed})") }
    })
}

fn judge_statistic(
    result: &mut GateResult,
    quantity: Quantity,
    statistic: Statistic,
    analysis: &Analysis,
) {
    let relative =
        matches!(result.limit, Limit::AtMostOfReference(_) | Limit::AtLeastOfReference(_));
    if let Some(why) = came_at_once(quantity, &result.select, analysis) {
        return result.why = why;
    }
    let dist = if relative {
        later(quantity, &result.select, analysis)
    } else {
        analysis.dist(quantity, &result.select)
    };
    result.n = dist.n();
    let value = match statistic_of(&dist, statistic) {
        Ok(value) => value,
        Err(why) => return result.why = no_value(why, &dist, quantity, result, analysis),
    };
    result.value = Some(value);
    let reference = || {
        let select = Select { phase: Some(Phase::Reference), ..result.select.clone() };
        if let Some(why) = came_at_once(quantity, &select, analysis) {
            return Err(format!("reference window {why}"));
        }
        let dist = analysis.dist(quantity, &select);
        statistic_of(&dist, statistic).map_err(|why| format!("reference window {why}"))
    };
    match bound(result.limit, reference) {
        Ok(bound) => decide(result, value, bound),
        Err(why) => return result.why = why,
    }
    if result.word == VerdictWord::Fail {
        result.why =
            String::from(if result.wants_more() { "under its limit" } else { "over its limit" });
    }
}

/// Returns the reason why the times between tokens of a selection are unknown: half of its answers
/// or more arrived in one piece. Fewer are left out.
fn came_at_once(quantity: Quantity, select: &Select, analysis: &Analysis) -> Option<String> {
    let Share { part, of } = analysis.at_once(select);
    (quantity.is_between_tokens() && part > 0 && part * 2 >= of)
        .then(|| format!("n/a: the stream arrived in one piece in {part} of {of} answers"))
}

/// Returns the values to compare with the reference window: the selection without that window.
fn later(quantity: Quantity, select: &Select, analysis: &Analysis) -> Dist {
    if select.phase.is_some() {
        return analysis.dist(quantity, select);
    }
    let mut dist = Dist::new();
    for phase in [Phase::Soak, Phase::Return] {
        let select = Select { phase: Some(phase), ..select.clone() };
        dist.merge(&analysis.dist(quantity, &select));
    }
    dist
}

/// Returns the most useful reason why a quantity has too few values.
fn no_value(
    why: String,
    dist: &Dist,
    quantity: Quantity,
    result: &GateResult,
    analysis: &Analysis,
) -> String {
    let good = analysis.count_ended(&result.select, Ended::is_good);
    let bad = analysis.count_ended(&result.select, Ended::is_bad);
    match (dist.n(), good, bad) {
        (0, 0, 0) => "n/a: nothing of it was measured".to_owned(),
        (0, 0, bad) => format!("n/a: no whole answer, {bad} ended badly"),
        (0, ..) => format!("n/a: the server gives no {}", needs(quantity)),
        _ => why,
    }
}

/// Names the data that a server must report for a quantity to have values.
fn needs(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Tpot | Quantity::TokensPerS | Quantity::Throughput => {
            "token counts for the stream and its first chunk"
        }
        Quantity::Itl => "token counts by chunk",
        Quantity::PrefillPerS => "count of cached tokens",
        Quantity::TtftContent => "visible content",
        _ => "times for it",
    }
}

/// Judges an attainment: the share of all requests that met the limit. Bad endings never meet it.
fn judge_attain(result: &mut GateResult, quantity: Quantity, share: f64, analysis: &Analysis) {
    let limit = match bound(result.limit, || {
        Err("an attainment needs a limit of its own, not one of the reference".to_owned())
    }) {
        Ok(limit) => limit,
        Err(why) => return result.why = why,
    };
    if let Some(why) = came_at_once(quantity, &result.select, analysis) {
        return result.why = why;
    }
    let dist = analysis.dist(quantity, &result.select);
    let bad = analysis.count_ended(&result.select, Ended::is_bad);
    let met =
        if result.wants_more() { dist.count_at_least(limit) } else { dist.count_at_most(limit) };
    result.n = dist.n() + bad;
    result.bound = Some(limit);
    if result.n == 0 || (dist.n() == 0 && analysis.count_ended(&result.select, Ended::is_good) > 0)
    {
        result.why = no_value(String::new(), &dist, quantity, result, analysis);
        return;
    }
    let value = met as f64 / result.n as f64;
    result.value = Some(value);
    // The best share possible, if all the missing requests met the limit.
    let missing = ATTAIN_SAMPLES_MIN.saturating_sub(result.n);
    let best = (met + missing) as f64 / (result.n + missing) as f64;
    if best < share {
        result.word = VerdictWord::Fail;
        result.why = format!("{met} of {} met it", result.n);
        result.evidence = analysis.bad_seqs(&result.select);
    } else if missing > 0 {
        result.why = format!("n/a (n={} < {ATTAIN_SAMPLES_MIN})", result.n);
    } else {
        result.word = VerdictWord::Pass;
    }
}
