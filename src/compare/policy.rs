//! What is gated by policy, not by test: crashes, OOMs, hangs, parser faults,
//! starts that fail, and gates of the contract that the base held. No test could
//! find a single crash significant, and nobody would want to wait for six.

use crate::measure::{Count, Measure};
use crate::verdict::Word;
use crate::verdict::gate::event_name;

use super::Start;

/// What a policy comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyWord {
    /// Nothing new.
    Held,
    /// It could not be seen for long enough, and nobody asked for it.
    Dark,
    /// It could not be seen for long enough, and the contract asks for it.
    NotObserved,
    /// New in the candidate.
    Broken,
}

impl PolicyWord {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            PolicyWord::Held => "held",
            PolicyWord::Dark => "not observed",
            PolicyWord::NotObserved => "NOT OBSERVED",
            PolicyWord::Broken => "BROKEN",
        }
    }
}

/// One policy, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name: `crashes`, `parser faults`, a gate's text.
    pub name: String,
    /// How often in the base; `None` where it cannot be known.
    pub base: Option<u64>,
    /// How often in the candidate.
    pub candidate: Option<u64>,
    /// Judged.
    pub word: PolicyWord,
    /// Why, where it is not held.
    pub why: String,
}

/// The events whose new occurrence breaks the comparison.
const GATED: [Count; 3] = [Count::Crashes, Count::Ooms, Count::Hangs];

/// All policies of two sides.
pub fn policies(base: &[Start], candidate: &[Start]) -> Vec<Policy> {
    let mut policies: Vec<Policy> =
        GATED.iter().map(|count| of_event(*count, base, candidate)).collect();
    policies.push(parser_faults(base, candidate));
    policies.push(starts(base, candidate));
    policies.extend(contract(base, candidate));
    policies
}

fn hours(side: &[Start]) -> f64 {
    side.iter().map(|start| start.hours).sum()
}

/// What the base's rate allows in the candidate's hours, rounded up: a base that crashed twice
/// in ten hours makes one crash in three nothing new.
fn allowed(seen: u64, base: &[Start], candidate: &[Start]) -> u64 {
    if hours(base) <= 0.0 {
        return seen;
    }
    (seen as f64 * hours(candidate) / hours(base) - 1e-9).ceil().max(0.0) as u64
}

fn of_event(count: Count, base: &[Start], candidate: &[Start]) -> Policy {
    let seen = |side: &[Start]| -> u64 {
        side.iter().filter_map(|start| start.event(count)).map(|event| event.seen).sum()
    };
    let dark = |side: &[Start]| -> Vec<String> {
        let all = side.iter().filter_map(|start| start.event(count));
        let mut words: Vec<String> = all.flat_map(|event| event.dark.clone()).collect();
        words.dedup();
        words
    };
    let name = Measure::Count(count).to_string();
    let (before, now) = (seen(base), seen(candidate));
    // What was seen is known, whoever else was not looking; a zero is only known in the light.
    let known = |seen: u64, side: &[Start]| {
        (seen > 0 || !side.is_empty() && dark(side).is_empty()).then_some(seen)
    };
    let (base_known, candidate_known) = (known(before, base), known(now, candidate));
    let policy = |word, why| Policy {
        name: name.clone(),
        base: base_known,
        candidate: candidate_known,
        word,
        why,
    };
    if now > allowed(before, base, candidate) {
        let why =
            if before == 0 { "new".to_owned() } else { "more often than in the base".to_owned() };
        return policy(PolicyWord::Broken, why);
    }
    if candidate_known.is_some() {
        return policy(PolicyWord::Held, String::new());
    }
    let asked = candidate.iter().filter_map(|start| start.event(count)).any(|event| event.asked);
    let word = if asked { PolicyWord::NotObserved } else { PolicyWord::Dark };
    policy(word, format!("{}: {}", event_name(count), dark(candidate).join(", ")))
}

fn parser_faults(base: &[Start], candidate: &[Start]) -> Policy {
    let sum = |side: &[Start]| -> u64 { side.iter().map(|start| start.parser_faults).sum() };
    let (before, now) = (sum(base), sum(candidate));
    let broken = now > allowed(before, base, candidate);
    Policy {
        name: "parser_faults".to_owned(),
        base: (!base.is_empty()).then_some(before),
        candidate: Some(now),
        word: if broken { PolicyWord::Broken } else { PolicyWord::Held },
        why: match (broken, before) {
            (false, _) => String::new(),
            (true, 0) => "new".to_owned(),
            (true, _) => "more often than in the base".to_owned(),
        },
    }
}

/// A start that never became ready is news, whatever the others measured.
fn starts(base: &[Start], candidate: &[Start]) -> Policy {
    let failed = |side: &[Start]| side.iter().filter(|start| start.never_ready.is_some()).count();
    let (before, now) = (failed(base) as u64, failed(candidate) as u64);
    // Of a published table nobody knows how many starts failed before it.
    let broken = now * (base.len() as u64).max(1) > before * candidate.len() as u64;
    let why = candidate.iter().find_map(|start| start.never_ready.clone()).unwrap_or_default();
    Policy {
        name: "failed_starts".to_owned(),
        base: (!base.is_empty()).then_some(before),
        candidate: Some(now),
        word: if broken { PolicyWord::Broken } else { PolicyWord::Held },
        why: if broken { why } else { String::new() },
    }
}

/// Gates of the contract that every start of the base held, and that the candidate broke.
fn contract(base: &[Start], candidate: &[Start]) -> Vec<Policy> {
    let word_of = |start: &Start, text: &str| {
        start.gates.iter().find(|(known, ..)| known == text).map(|(_, word, _)| *word)
    };
    let mut broken = Vec::new();
    for (text, _, why) in candidate
        .iter()
        .flat_map(|start| &start.gates)
        .filter(|(text, word, _)| *word == Word::Fail && !is_of_event(text))
    {
        let held =
            !base.is_empty() && base.iter().all(|start| word_of(start, text) == Some(Word::Pass));
        if held && !broken.iter().any(|policy: &Policy| policy.name == *text) {
            let failed =
                candidate.iter().filter(|start| word_of(start, text) == Some(Word::Fail)).count();
            broken.push(Policy {
                name: text.clone(),
                base: Some(0),
                candidate: Some(failed as u64),
                word: PolicyWord::Broken,
                why: format!("the base held it: {why}"),
            });
        }
    }
    broken
}

/// Gates on events have policies of their own.
fn is_of_event(text: &str) -> bool {
    GATED.iter().any(|count| text.starts_with(&Measure::Count(*count).to_string()))
}
