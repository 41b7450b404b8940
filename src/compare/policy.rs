//! Judges policies, which need no statistical test: crashes, OOMs, hangs, parser faults, bad
//! endings, failed starts, and gates of the contract that the base held. No test could find a
//! single crash significant, and nobody wants to wait for six.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::measure::{Count, Measure};
use crate::stats::binomial::clopper_pearson;
use crate::verdict::VerdictWord;
use crate::verdict::gate::event_name;
use crate::words::words;

use super::Start;

/// Result of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PolicyWord {
    Held,
    /// Coverage was insufficient, and no gate of the contract requires it.
    Unseen,
    /// Coverage was insufficient, and a gate of the contract requires it.
    NotObserved,
    /// Broken: new in the candidate.
    Broken,
}

words!(PolicyWord {
    Held: "held",
    Unseen: "not observed",
    NotObserved: "NOT OBSERVED",
    Broken: "BROKEN",
});

/// Policy with its result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    /// Name: `crashes`, `parser faults`, a gate's text.
    pub name: String,
    /// Count in the base; `None` where it is unknown.
    pub base: Option<u64>,
    /// Count in the candidate.
    pub candidate: Option<u64>,
    pub word: PolicyWord,
    /// Reason, where it is not held.
    pub why: String,
}

/// Confidence and margin at which a larger share of bad endings is worse: one in a hundred.
const FAILED_CONFIDENCE: f64 = 0.95;
const FAILED_MARGIN: f64 = 0.01;

/// Reason given where no request ended.
const NO_ANSWER: &str = "no request of it ended by itself";

/// Events whose new occurrence breaks the comparison.
const GATED: [Count; 3] = [Count::Crashes, Count::Ooms, Count::Hangs];

/// Returns all policies of two sides. Events and gates are judged only of the starts that came up,
/// where any did.
pub(crate) fn policies(base: &[Start], candidate: &[Start]) -> Vec<Policy> {
    let (all_base, all_candidate): (Vec<&Start>, Vec<&Start>) =
        (base.iter().collect(), candidate.iter().collect());
    let (base, candidate) = (came_up(&all_base), came_up(&all_candidate));
    let mut policies: Vec<Policy> =
        GATED.iter().map(|count| of_event(*count, &base, &candidate)).collect();
    policies.push(parser_faults(&base, &candidate));
    policies.push(failed_requests(&base, &candidate));
    policies.push(starts(&all_base, &all_candidate));
    policies.extend(contract(&base, &candidate));
    policies
}

fn came_up<'a>(side: &[&'a Start]) -> Vec<&'a Start> {
    let ready: Vec<&Start> =
        side.iter().copied().filter(|start| start.never_ready.is_none()).collect();
    if ready.is_empty() { side.to_vec() } else { ready }
}

fn hours(side: &[&Start]) -> f64 {
    side.iter().map(|start| start.hours).sum()
}

fn answers(side: &[&Start]) -> f64 {
    side.iter().map(|start| start.errors.1 as f64).sum()
}

/// Returns the count that the base's rate allows in the candidate's share of time or answers,
/// rounded up: after two crashes in ten hours of the base, one crash in three hours is not new. The
/// result is at most the base's count: one crash in an hour does not allow eight in a night.
fn allowed(seen: u64, base: f64, candidate: f64) -> u64 {
    let share = if base > 0.0 { (candidate / base).clamp(0.0, 1.0) } else { 1.0 };
    (seen as f64 * share - 1e-9).ceil().max(0.0) as u64
}

fn of_event(count: Count, base: &[&Start], candidate: &[&Start]) -> Policy {
    let seen = |side: &[&Start]| -> u64 {
        side.iter().filter_map(|start| start.event(count)).map(|event| event.seen).sum()
    };
    let unseen = |side: &[&Start]| -> Vec<String> {
        let all = side.iter().filter_map(|start| start.event(count));
        let words: BTreeSet<String> = all.flat_map(|event| event.unseen.clone()).collect();
        words.into_iter().collect()
    };
    let name = Measure::Count(count).to_string();
    let (before, now) = (seen(base), seen(candidate));
    // A positive count is known without full coverage; a zero is not.
    let known = |seen: u64, side: &[&Start]| {
        (seen > 0 || !side.is_empty() && unseen(side).is_empty()).then_some(seen)
    };
    let (base_known, candidate_known) = (known(before, base), known(now, candidate));
    let policy = |word, why| Policy {
        name: name.clone(),
        base: base_known,
        candidate: candidate_known,
        word,
        why,
    };
    if now > allowed(before, hours(base), hours(candidate)) {
        return policy(PolicyWord::Broken, more(base_known).to_owned());
    }
    // Without full coverage, a count no larger than the base's may be incomplete.
    if candidate_known.is_some() && unseen(candidate).is_empty() {
        return policy(PolicyWord::Held, String::new());
    }
    let asked = candidate.iter().filter_map(|start| start.event(count)).any(|event| event.asked);
    let word = if asked { PolicyWord::NotObserved } else { PolicyWord::Unseen };
    policy(word, format!("{}: {}", event_name(count), unseen(candidate).join(", ")))
}

fn parser_faults(base: &[&Start], candidate: &[&Start]) -> Policy {
    let sum = |side: &[&Start]| -> u64 { side.iter().map(|start| start.parser_faults).sum() };
    let (before, now) = (sum(base), sum(candidate));
    // Without answers the count is unknown.
    let known = |seen: u64, side: &[&Start]| (answers(side) > 0.0).then_some(seen);
    let broken = now > allowed(before, answers(base), answers(candidate));
    let (base, candidate) = (known(before, base), known(now, candidate));
    let (word, why) = match (broken, candidate) {
        (true, _) => (PolicyWord::Broken, more(base).to_owned()),
        (false, Some(_)) => (PolicyWord::Held, String::new()),
        (false, None) => (PolicyWord::Unseen, NO_ANSWER.to_owned()),
    };
    Policy { name: "parser_faults".to_owned(), base, candidate, word, why }
}

/// Describes the increase.
fn more(base: Option<u64>) -> &'static str {
    match base {
        None => "in the base it could not be observed",
        Some(0) => "new",
        Some(_) => "more often than in the base",
    }
}

/// Judges the requests that ended badly: broken where the candidate's share is significantly above
/// the base's, and by more than the margin.
fn failed_requests(base: &[&Start], candidate: &[&Start]) -> Policy {
    let sum = |side: &[&Start]| {
        side.iter().fold((0, 0), |sum, start| (sum.0 + start.errors.0, sum.1 + start.errors.1))
    };
    let (before, now) = (sum(base), sum(candidate));
    let share = |(bad, of): (u64, u64)| if of > 0 { bad as f64 / of as f64 } else { 0.0 };
    let least = clopper_pearson(now.0, now.1, FAILED_CONFIDENCE).0;
    let most = clopper_pearson(before.0, before.1, FAILED_CONFIDENCE).1;
    let broken = before.1 > 0 && least > most && share(now) - share(before) > FAILED_MARGIN;
    let percent = |of| format!("{:.1} %", 100.0 * share(of));
    let (word, why) = match (broken, now.1) {
        (true, _) => {
            let (now, before) = (percent(now), percent(before));
            let why = format!("{now} of all requests ended badly, {before} in the base");
            (PolicyWord::Broken, why)
        }
        (false, 0) => (PolicyWord::Unseen, NO_ANSWER.to_owned()),
        (false, _) => (PolicyWord::Held, String::new()),
    };
    let known = |(bad, of): (u64, u64)| (of > 0).then_some(bad);
    let name = "failed_requests".to_owned();
    Policy { name, base: known(before), candidate: known(now), word, why }
}

/// Judges failed starts: an additional one counts, whether or not the next start came up.
fn starts(base: &[&Start], candidate: &[&Start]) -> Policy {
    let failed = |side: &[&Start]| -> u64 { side.iter().map(|start| start.failed_starts).sum() };
    let tries =
        |start: &&Start| start.failed_starts as f64 + f64::from(start.never_ready.is_none());
    let tried = |side: &[&Start]| side.iter().map(tries).sum::<f64>();
    let (before, now) = (failed(base), failed(candidate));
    let ready = |side: &[&Start]| side.iter().any(|start| start.never_ready.is_none());
    // A rate of one failed start in seven does not allow the only start to fail.
    let is_gone = ready(base) && !ready(candidate);
    let broken = is_gone || now > allowed(before, tried(base), tried(candidate));
    let why = candidate.iter().find_map(|start| start.never_ready.clone());
    let why = why.unwrap_or_else(|| "it came up at a later try".to_owned());
    Policy {
        name: "failed_starts".to_owned(),
        // A published table does not contain the number of failed starts.
        base: (!base.is_empty()).then_some(before),
        candidate: Some(now),
        word: if broken { PolicyWord::Broken } else { PolicyWord::Held },
        why: if broken { why } else { String::new() },
    }
}

/// Returns the gates of the contract that the base held, and that the candidate broke or did not
/// show; and those that the base left open and the candidate broke. The base held a gate that some
/// start of it passed and none failed.
fn contract(base: &[&Start], candidate: &[&Start]) -> Vec<Policy> {
    let words = |side: &[&Start], text: &str| -> Vec<VerdictWord> {
        let gates = side.iter().flat_map(|start| &start.gates);
        gates.filter(|(known, ..)| known == text).map(|(_, word, _)| *word).collect()
    };
    let mut reported: Vec<Policy> = Vec::new();
    for (text, ..) in base.iter().flat_map(|start| &start.gates) {
        let before = words(base, text);
        let held = before.contains(&VerdictWord::Pass);
        let failed_before = before.contains(&VerdictWord::Fail);
        if failed_before || is_of_event(text) || reported.iter().any(|it| it.name == *text) {
            continue;
        }
        let now = words(candidate, text);
        if now.is_empty() {
            // The gate is missing in another scenario that was compared by force.
            continue;
        }
        let failed = now.iter().filter(|word| **word == VerdictWord::Fail).count() as u64;
        let (word, before) = match (held, failed, now.contains(&VerdictWord::Pass)) {
            (true, 1.., _) => (PolicyWord::Broken, "the base held it".to_owned()),
            (true, 0, false) => (PolicyWord::NotObserved, format!("`{text}`, which the base held")),
            (false, 1.., _) => (
                PolicyWord::NotObserved,
                format!("`{text}` of the base, which the candidate broke"),
            ),
            (_, 0, _) => continue,
        };
        let worst = if failed > 0 { VerdictWord::Fail } else { VerdictWord::Inconclusive };
        let gates = candidate.iter().flat_map(|start| &start.gates);
        let why = gates.filter(|(known, of, _)| known == text && *of == worst).map(|it| &it.2);
        let why = why.map(String::as_str).find(|why| !why.is_empty()).unwrap_or("not judged");
        reported.push(Policy {
            name: text.clone(),
            base: held.then_some(0),
            candidate: (failed > 0).then_some(failed),
            word,
            why: format!("{before}: {why}"),
        });
    }
    reported
}

/// Whether a gate is on an event that has a policy of its own.
fn is_of_event(text: &str) -> bool {
    GATED.iter().any(|count| text.starts_with(&Measure::Count(*count).to_string()))
}
