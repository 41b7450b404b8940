//! Judges one gate: counts of events against coverage, shares against the observed requests,
//! statistics against the number of samples, attainments with bad endings in the denominator.

mod times;

use crate::analysis::coverage::{COVERED_MIN, CountCoverage};
use crate::analysis::{Analysis, Judged, Share};
use crate::incident::{Cause, IncidentKind};
use crate::measure::{Count, MTBF_CONFIDENCE, Measure, RequestShare};
use crate::spec::{Base, Gate, Limit, Select};
use crate::stats::Estimate;
use crate::stats::poisson::time_to_show;
use crate::unit::span_needed;

use super::unmeasured::has_unclear_kill;
use super::{GateResult, Proof, VerdictWord, cache, checks, effect, slots, trends};

/// Reason given for events of a run that was never under load.
const NO_LOAD: &str = "no time under load was judged";

/// Reason given for OOMs where one may have been the server's.
const UNCLEAR_KILL: &str = "a process was killed for lack of memory, and it is not known whose";

/// Reason given for hangs where an outage may have been one.
const SILENCE: &str = "an outage was silence: requests got no answer, no process is known to have ended, and it may have hung";

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
        judged: Judged::default(),
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
        (Measure::NotInEffect, _) => effect::judge(&mut result, analysis),
        (Measure::Growth(per), _) => trends::judge_growth(&mut result, per, analysis),
        (Measure::Steps, _) => trends::judge_steps(&mut result, analysis),
        (Measure::Drift(quantity), _) => trends::judge_drift(&mut result, quantity, analysis),
        (Measure::Of(quantity, _), Some(share)) => {
            times::judge_attain(&mut result, quantity, share, analysis);
            cache::withdraw(&mut result, quantity, analysis);
            withdraw_elsewhere(&mut result, analysis);
        }
        (Measure::Of(quantity, statistic), None) => {
            times::judge_statistic(&mut result, quantity, statistic, analysis);
            cache::withdraw(&mut result, quantity, analysis);
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

/// Whether a value is within the bound or at it, or surely beyond it; `None` where both may be.
fn holds(result: &GateResult, value: Estimate, bound: Estimate) -> Option<bool> {
    let (small, large) = if result.wants_more() { (bound, value) } else { (value, bound) };
    let is_broken = small.is_more_than(large);
    (is_broken || small.is_at_most(large)).then_some(!is_broken)
}

/// Decides pass or fail from value and bound.
pub(super) fn decide(
    result: &mut GateResult,
    value: impl Into<Estimate>,
    bound: impl Into<Estimate>,
) {
    let (value, bound) = (value.into(), bound.into());
    result.value = Some(value);
    result.bound = bound.known();
    result.word = match holds(result, value, bound) {
        Some(true) => VerdictWord::Pass,
        Some(false) => VerdictWord::Fail,
        None => VerdictWord::Inconclusive,
    };
}

/// Returns the bound, computed by `reference` where the limit is relative to it.
pub(super) fn bound<T: Into<Estimate>>(
    limit: Limit,
    reference: impl FnOnce() -> Result<T, String>,
) -> Result<Estimate, String> {
    match limit {
        Limit::AtMost(bound) | Limit::AtLeast(bound) => Ok(bound.into()),
        Limit::AtMostOf(share, _) | Limit::AtLeastOf(share, _) => {
            reference().map(|value| value.into().times(share))
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
    let bound = match bound::<f64>(result.limit, || {
        Err("a number of events has no reference".to_owned())
    }) {
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
    if let (true, Some(held)) = (incidents.is_empty(), covered.held) {
        result.evidence = vec![held.seq];
    }
    if unseen.is_empty() {
        result.hidden_s = covered.hidden_s;
        if count == Count::Ooms && result.word == VerdictWord::Pass && has_unclear_kill(analysis) {
            (result.word, result.value) = (VerdictWord::Inconclusive, None);
            return result.why.push_str(UNCLEAR_KILL);
        }
        if count == Count::Hangs && result.word == VerdictWord::Pass && has_silence(analysis) {
            (result.word, result.value) = (VerdictWord::Inconclusive, None);
            return result.why.push_str(SILENCE);
        }
        if result.word == VerdictWord::Fail {
            result.why = format!("{} seen", result.n);
        }
        return lost_events(result, value, bound, analysis);
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

/// Whether an outage had no sign of its cause, so that the server may have hung.
fn has_silence(analysis: &Analysis) -> bool {
    let mut outages = analysis.calendar.incidents.iter().filter(|it| it.is(IncidentKind::Outage));
    outages.any(|it| it.cause == Cause::Unknown && !it.is(IncidentKind::Crash))
}

/// Judges the time between failures by its interval. It passes where the lower bound reaches the
/// limit and the coverage of every kind of failure suffices, and fails where the upper bound does
/// not reach it.
fn judge_mtbf(result: &mut GateResult, analysis: &Analysis, proof: Option<&Proof>) {
    let Some(proof) = proof else { return result.why.push_str(NO_LOAD) };
    let bound = match bound::<f64>(result.limit, || Err("no reference for failures".to_owned())) {
        Ok(bound) => bound,
        Err(why) => return result.why = why,
    };
    let bound = bound.low;
    result.bound = Some(bound);
    result.n = proof.failures;
    result.evidence.clone_from(&proof.evidence);
    result.value = Some(proof.low_s.into());
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
    } else if let Some(lost) = rows(analysis.reported.lost.all) {
        result.value = None;
        result.why = format!("{lost}, and could have shown a failure");
    } else if proof.low_s >= bound {
        result.word = VerdictWord::Pass;
        result.why.clear();
    } else {
        let needed = time_to_show(proof.failures, bound, MTBF_CONFIDENCE);
        let other = if proof.failures == 0 { "a failure" } else { "another" };
        let needed = format!("; needs {} without {other}", span_needed(needed));
        result.why.push_str(&needed);
    }
}

/// Formats the sources that covered too little, with their gaps.
fn in_words(covered: &CountCoverage) -> String {
    covered.gaps().join(", ")
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
    result.value = Some(value.into());
    let reference = || {
        let base = result.limit.base().unwrap_or(Base::Reference);
        let share = analysis.portion(portion, &base.select(&result.select));
        share.value().ok_or_else(|| format!("{base}: no request ended"))
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
    match result.word {
        VerdictWord::Fail => {
            result.why = format!("{} of {}", share.part, share.of);
            result.evidence = if portion == RequestShare::Errors {
                analysis.bad_seqs(&result.select)
            } else {
                let first = analysis.first_fired(portion.word(), &result.select);
                first.map(|(first, _)| first.seq).into_iter().collect()
            };
            if let Some(why) = checks::permitted(portion, share, analysis) {
                (result.word, result.why) = (VerdictWord::Inconclusive, why);
            }
        }
        VerdictWord::Pass => {
            if let Some(why) = checks::unseen(portion, &result.select, analysis) {
                (result.word, result.why) = (VerdictWord::Inconclusive, why);
                result.value = None;
            }
        }
        VerdictWord::Inconclusive => {}
    }
}

/// Withdraws a pass that lost rows could turn into a failure: each of them may have been a request
/// that ended badly.
fn lost(result: &mut GateResult, share: Share, bound: Estimate, analysis: &Analysis) {
    let lost = lost_requests(analysis);
    if lost > 0 && (share.part + lost) as f64 / (share.of + lost) as f64 > bound.low {
        result.word = VerdictWord::Inconclusive;
        result.why = format!("{lost} ends are not known, and could break it");
    }
}

/// Withdraws a pass on a number of events that lost rows could have shown: a broken request, a
/// failed probe and a line of the log are rows.
fn lost_events(result: &mut GateResult, value: f64, bound: Estimate, analysis: &Analysis) {
    let all = analysis.reported.lost.all;
    if let Some(lost) = rows(all).filter(|_| value + all as f64 > bound.low)
        && result.word == VerdictWord::Pass
    {
        result.word = VerdictWord::Inconclusive;
        result.value = Some(value.into()).filter(|_| result.n > 0);
        result.why = format!("{} seen; {lost}, and could break it", result.n);
    }
}

/// Returns the most requests whose end is not known and that nobody sent again. The row of a lane's
/// last request may be in both numbers.
fn lost_requests(analysis: &Analysis) -> u64 {
    analysis.reported.lost.requests + analysis.fate_lost
}

/// Says how many rows were lost; `None` for 0.
pub(super) fn rows(n: u64) -> Option<String> {
    let words = if n == 1 { "row of the journal is lost" } else { "rows of the journal are lost" };
    (n > 0).then(|| format!("{n} {words}"))
}
