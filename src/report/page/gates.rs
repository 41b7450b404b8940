//! Formats the contract and its results: the gates of one line of the contract together.

use crate::report::words::{amount, at_least_so_long, estimate, percent, percent_whole};
use crate::verdict::{GateResult, Verdict, VerdictWord};

/// Gates with the same verdict word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GateWords {
    pub word: VerdictWord,
    /// Lines of the contract, with the word before each and the reason why it did not pass after
    /// it.
    pub items: Vec<String>,
    /// The same lines without the reason.
    pub names: Vec<String>,
}

/// Returns the gates by word, the gravest first, without words that no gate has.
pub(super) fn gates(verdict: &Verdict) -> Vec<GateWords> {
    let words = [
        (VerdictWord::Fail, "FAIL"),
        (VerdictWord::Inconclusive, "INCONCLUSIVE"),
        (VerdictWord::Pass, "pass"),
    ];
    let gates = words
        .into_iter()
        .map(|(word, name)| {
            let (items, names) = items(verdict, word, name).into_iter().unzip();
            GateWords { word, items, names }
        })
        .filter(|gates| !gates.items.is_empty());
    gates.collect()
}

/// Returns each line with its reason, and without it.
fn items(verdict: &Verdict, word: VerdictWord, name: &str) -> Vec<(String, String)> {
    let mut items = Vec::new();
    let mut reported: Vec<&str> = Vec::new();
    for gate in verdict.gates.iter().filter(|gate| gate.word == word) {
        if gate.expanded && reported.contains(&gate.text.as_str()) {
            continue;
        }
        reported.push(&gate.text);
        let family: Vec<&GateResult> = verdict
            .gates
            .iter()
            .filter(|other| other.expanded && other.text == gate.text)
            .collect();
        let same = family.iter().filter(|other| other.word == word).count();
        let place = match (gate.expanded, family.len() == same) {
            (false, _) => String::new(),
            (true, true) if same == 1 => String::new(),
            (true, true) => format!(" ({same} depths)"),
            (true, false) => format!(" ({same} of {} depths)", family.len()),
        };
        let line = format!("{name} {}{place}", gate.text);
        items.push((format!("{line}{}", because(gate, same)), line));
    }
    items
}

/// Returns what follows a gate in parentheses: its value or the reason why it did not pass, the
/// share of the requests that could be judged, and the least outage that one that passed would have
/// seen.
fn because(gate: &GateResult, same: usize) -> String {
    let words = match (gate.word, gate.value) {
        (VerdictWord::Fail, _) if gate.value.is_none() || gate.measure.is_told_in_words() => {
            gate.why.clone()
        }
        (VerdictWord::Fail, Some(value)) if gate.attain.is_some() => percent(value.number()),
        (VerdictWord::Fail, Some(value)) if same < 2 => estimate(gate.measure, value),
        (VerdictWord::Inconclusive, _) => gate.why.clone(),
        (VerdictWord::Pass, _) if gate.hidden_s.is_some() => {
            let hidden_s = gate.hidden_s.unwrap_or_default();
            format!("longer than {}", at_least_so_long(hidden_s))
        }
        (VerdictWord::Pass | VerdictWord::Fail, _) => String::new(),
    };
    // A limit that is relative to another part of the run is not in the gate's text.
    let bound = gate.bound.filter(|_| {
        gate.word == VerdictWord::Fail && gate.limit.base().is_some() && gate.attain.is_none()
    });
    let words = match bound {
        Some(bound) if !words.is_empty() => {
            format!("{words}; the limit is {}", amount(gate.measure, bound))
        }
        _ => words,
    };
    let share = gate.judged_share().filter(|_| gate.word != VerdictWord::Inconclusive);
    let share = share.map(|share| format!("of {}", percent_whole(share)));
    let words: Vec<String> =
        Some(words).into_iter().chain(share).filter(|it| !it.is_empty()).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(" ")) }
}
