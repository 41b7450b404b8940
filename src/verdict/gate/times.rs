//! Judges gates on times and rates: statistics against the number of samples, attainments with bad
//! endings in the denominator. A gate of which only some requests could be judged says so.

use crate::analysis::{Analysis, Judged, Share, statistic, statistic_with};
use crate::fact::{Ended, Phase};
use crate::measure::{Quantity, Statistic};
use crate::spec::{Base, Limit, Select};
use crate::stats::binomial::clopper_pearson;
use crate::stats::{Dist, Estimate, UnknownValues};

use super::{GateResult, VerdictWord, bound, decide, holds, lost_requests, slots};

/// Least number of requests for an attainment, unless it is out of reach before.
const ATTAIN_SAMPLES_MIN: u64 = 20;

/// Least share of the requests that a gate must have judged.
const JUDGED_MIN: f64 = 0.95;

/// Confidence of a two-sided interval of which each bound holds at 95 %.
const TWO_SIDED: f64 = 0.9;

/// Number that stands for lost values of which nobody knows how many they were.
const MANY: u64 = 1 << 40;

/// Reason why a pass was withdrawn that lost rows could turn.
const LOST: &str = "lost rows could break it";

/// Values of a gate in a window of the run.
struct Window {
    dist: Dist,
    judged: Judged,
}

impl Window {
    fn of(quantity: Quantity, select: &Select, analysis: &Analysis) -> Window {
        let dist = analysis.dist(quantity, select);
        Window { dist, judged: analysis.judged(quantity, select) }
    }

    /// Returns the values to compare with the reference window: the selection without that window.
    fn later(quantity: Quantity, select: &Select, analysis: &Analysis) -> Window {
        if select.phase.is_some() {
            return Window::of(quantity, select, analysis);
        }
        let mut all = Window { dist: Dist::new(), judged: Judged::default() };
        for phase in [Phase::Soak, Phase::Return] {
            let select = Select { phase: Some(phase), ..select.clone() };
            let window = Window::of(quantity, &select, analysis);
            all.dist.merge(&window.dist);
            all.judged += window.judged;
        }
        all
    }

    /// Returns the statistic, or the reason why there is none.
    fn statistic(&self, wanted: Statistic) -> Result<Estimate, String> {
        let (n, needed) = (self.dist.n(), wanted.samples_min());
        statistic(&self.dist, wanted).ok_or_else(|| {
            if n == 0 { "n/a (n=0)".to_owned() } else { format!("n/a (n={n} < {needed})") }
        })
    }

    /// Returns the statistic as it would be with `n` values more, all of them at one end.
    fn with(&self, wanted: Statistic, n: u64, at_the_top: bool) -> Option<Estimate> {
        let (low, high) = if at_the_top { (0, n) } else { (n, 0) };
        statistic_with(&self.dist, wanted, UnknownValues { low, high })
    }
}

pub(super) fn judge_statistic(
    result: &mut GateResult,
    quantity: Quantity,
    wanted: Statistic,
    analysis: &Analysis,
) {
    if let Some(why) = came_at_once(quantity, &result.select, analysis) {
        return result.why = why;
    }
    let window = if result.limit.base() == Some(Base::Reference) {
        Window::later(quantity, &result.select, analysis)
    } else {
        Window::of(quantity, &result.select, analysis)
    };
    result.n = window.dist.n();
    result.judged = window.judged;
    let value = match window.statistic(wanted) {
        Ok(value) => value,
        Err(why) => {
            result.why = no_value(why, &window, quantity, result, analysis);
            return fail_with_few(result, wanted, &window, analysis);
        }
    };
    result.value = Some(value);
    let bounds = match Bounds::of(result, quantity, wanted, analysis) {
        Ok(bounds) => bounds,
        Err(why) => return result.why = why,
    };
    decide(result, value, bounds.is);
    let few = too_few(quantity, window.judged);
    match result.word {
        VerdictWord::Fail => {
            let others = window.judged.unknown + window.judged.delayed;
            let best = few.as_ref().and_then(|_| window.with(wanted, others, result.wants_more()));
            if best.is_some_and(|best| holds(result, best, bounds.is) != Some(false)) {
                return withdraw(result, few);
            }
            let words = if result.wants_more() { "under its limit" } else { "over its limit" };
            words.clone_into(&mut result.why);
        }
        VerdictWord::Pass if few.is_some() => withdraw(result, few),
        VerdictWord::Pass => {
            let lost = lost_values(quantity, analysis);
            let worst = window.with(wanted, lost, !result.wants_more());
            let is_sure = |worst| holds(result, worst, bounds.worst) == Some(true);
            if lost > 0 && !worst.is_some_and(is_sure) {
                withdraw(result, Some(LOST.to_owned()));
            }
        }
        VerdictWord::Inconclusive => {
            let (given_up, n) = (window.dist.bounded(), window.dist.n());
            result.why = format!("{given_up} of {n} were given up, and could break it");
        }
    }
    if value.known().is_none() && result.word != VerdictWord::Pass {
        result.evidence = analysis.bad_seqs(&result.select);
    }
    if let Some(words) = slots::beside(quantity, &result.select, analysis) {
        result.why.push_str(if result.why.is_empty() { "" } else { "; " });
        result.why.push_str(&words);
    }
}

/// Fails a gate on a percentile that has too few values to pass, where so many of them break its
/// limit that more of all must than it allows: by the lower bound of their share.
fn fail_with_few(result: &mut GateResult, wanted: Statistic, window: &Window, analysis: &Analysis) {
    let (Some(percentile), Limit::AtMost(limit) | Limit::AtLeast(limit)) =
        (wanted.percentile(), result.limit)
    else {
        return;
    };
    let (broken, allowed) = if result.wants_more() {
        (window.dist.count_surely_under(limit), percentile)
    } else {
        (window.dist.count_surely_over(limit), 1.0 - percentile)
    };
    let (n, others) = (window.dist.n(), window.judged.unknown + window.judged.delayed);
    let (low, _) = clopper_pearson(broken, n + others, TWO_SIDED);
    // One value of one gives exactly the 5 % that a p95 allows.
    if low > allowed + 1e-9 {
        result.word = VerdictWord::Fail;
        result.bound = Some(limit);
        let side = if result.wants_more() { "under" } else { "over" };
        result.why = format!("{broken} of {n} are {side} its limit");
        result.evidence = analysis.bad_seqs(&result.select);
    }
}

/// Bounds of a gate.
struct Bounds {
    is: Estimate,
    /// Bound that is hardest to hold, if lost rows moved the reference window.
    worst: Estimate,
}

impl Bounds {
    fn of(
        result: &GateResult,
        quantity: Quantity,
        wanted: Statistic,
        analysis: &Analysis,
    ) -> Result<Bounds, String> {
        let Some(base) = result.limit.base() else {
            let is = bound::<f64>(result.limit, || Err(String::new()))?;
            return Ok(Bounds { is, worst: is });
        };
        let select = base.select(&result.select);
        let window = Window::of(quantity, &select, analysis);
        let few = came_at_once(quantity, &select, analysis);
        let few = few.or_else(|| too_few(quantity, window.judged));
        few.map_or(Ok(()), Err)
            .and_then(|()| window.statistic(wanted).map(drop))
            .map_err(|why| format!("{base} {why}"))?;
        let with = |n| {
            let value = window.with(wanted, n, result.wants_more()).ok_or_else(String::new);
            bound(result.limit, || value)
        };
        Ok(Bounds { is: with(0)?, worst: with(lost_values(quantity, analysis))? })
    }
}

/// Withdraws a judgement, for a reason.
fn withdraw(result: &mut GateResult, why: Option<String>) {
    result.word = VerdictWord::Inconclusive;
    result.why = why.unwrap_or_default();
}

/// Returns the most values of a quantity that lost rows may have had.
fn lost_values(quantity: Quantity, analysis: &Analysis) -> u64 {
    let lost = analysis.reported.lost;
    match quantity {
        Quantity::Itl | Quantity::Gap if lost.events > 0 => MANY,
        Quantity::Itl => 0,
        // A stalled request is in both.
        Quantity::Gap => lost.requests,
        Quantity::Throughput => lost.events,
        _ => lost_requests(analysis),
    }
}

/// Returns the reason why too few requests could be judged, if so.
fn too_few(quantity: Quantity, judged: Judged) -> Option<String> {
    let is_few = (judged.part as f64) < JUDGED_MIN * judged.of() as f64;
    is_few.then(|| {
        let share = judged.part as f64 / judged.of() as f64;
        let percent = (share * 100.0 + 1e-9).floor();
        let why = if judged.delayed > judged.unknown {
            format!("longhaul's own delay spoiled {} of {}", judged.delayed, judged.of())
        } else {
            let (n, of) = (judged.unknown, judged.of());
            format!("the server gives no {} for {n} of {of}", needs(quantity))
        };
        format!("of {percent:.0} %: {why}")
    })
}

/// Returns the reason why the times between tokens of a selection are unknown: half of its answers
/// or more arrived in one piece. Fewer are left out.
fn came_at_once(quantity: Quantity, select: &Select, analysis: &Analysis) -> Option<String> {
    let Share { part, of } = analysis.at_once(select);
    (quantity.is_between_tokens() && part > 0 && part * 2 >= of)
        .then(|| format!("n/a: the stream arrived in one piece in {part} of {of} answers"))
}

/// Returns the most useful reason why a quantity has too few values.
fn no_value(
    why: String,
    window: &Window,
    quantity: Quantity,
    result: &GateResult,
    analysis: &Analysis,
) -> String {
    let good = analysis.count_ended(&result.select, Ended::is_good);
    let bad = analysis.count_ended(&result.select, Ended::is_bad);
    match (window.dist.n(), good, bad) {
        (0, 0, 0) => "n/a: nothing of it was measured".to_owned(),
        (0, 0, bad) => format!("n/a: no whole answer, {bad} ended badly"),
        (0, ..) if window.judged.delayed == 0 => {
            format!("n/a: the server gives no {}", needs(quantity))
        }
        _ => too_few(quantity, window.judged).unwrap_or(why),
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
pub(super) fn judge_attain(
    result: &mut GateResult,
    quantity: Quantity,
    share: f64,
    analysis: &Analysis,
) {
    let limit = match bound::<f64>(result.limit, || {
        Err("an attainment needs a limit of its own, not one of the reference".to_owned())
    }) {
        Ok(limit) => limit.low,
        Err(why) => return result.why = why,
    };
    if let Some(why) = came_at_once(quantity, &result.select, analysis) {
        return result.why = why;
    }
    let window = Window::of(quantity, &result.select, analysis);
    let (dist, judged) = (&window.dist, window.judged);
    let measured = dist.n() - dist.bounded();
    let bad = analysis.count_ended(&result.select, Ended::is_bad);
    let met =
        if result.wants_more() { dist.count_at_least(limit) } else { dist.count_at_most(limit) };
    result.n = measured + bad;
    result.judged = judged;
    result.bound = Some(limit);
    if result.n == 0 || (measured == 0 && analysis.count_ended(&result.select, Ended::is_good) > 0)
    {
        result.why = no_value(String::new(), &window, quantity, result, analysis);
        return;
    }
    let attained = |met: u64, n: u64| met as f64 / n as f64;
    result.value = Some(attained(met, result.n).into());
    // The best share possible, if all that are missing or were not judged met the limit.
    let missing = ATTAIN_SAMPLES_MIN.saturating_sub(result.n);
    let few = too_few(quantity, judged);
    let others = if few.is_some() { judged.unknown + judged.delayed } else { 0 };
    let best = attained(met + missing.max(others), result.n + missing.max(others));
    let lost = lost_values(quantity, analysis);
    if best < share {
        result.word = VerdictWord::Fail;
        result.why = format!("{met} of {} met it", result.n);
        result.evidence = analysis.bad_seqs(&result.select);
    } else if few.is_some() {
        withdraw(result, few);
    } else if missing > 0 {
        result.why = format!("n/a (n={} < {ATTAIN_SAMPLES_MIN})", result.n);
    } else if attained(met, result.n + lost) < share {
        withdraw(result, Some(LOST.to_owned()));
    } else {
        result.word = VerdictWord::Pass;
    }
}

#[cfg(test)]
mod tests;
