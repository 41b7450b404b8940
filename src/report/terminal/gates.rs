//! What was asked, and whether it held: the gates of one line of the contract
//! together, the gravest first.

use crate::measure::Measure;
use crate::report::layout::{amount, fold, percent};
use crate::verdict::{GateResult, Verdict, Word};

/// Gates by word, the gravest first, those of one line of the contract together.
pub fn gates(verdict: &Verdict, width: usize, lines_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = lines_max;
    let words = [(Word::Fail, "FAIL"), (Word::Inconclusive, "INCONCLUSIVE"), (Word::Pass, "pass")];
    let groups: Vec<Vec<String>> = words
        .into_iter()
        .map(|(word, name)| gates_of(verdict, word, name))
        .filter(|items| !items.is_empty())
        .collect();
    let count = groups.len();
    for (index, items) in groups.into_iter().enumerate() {
        // Each later group is sure of a line.
        let folded = fold(&items, width, left.saturating_sub(count - index - 1).max(1));
        left = left.saturating_sub(folded.len());
        lines.extend(folded);
    }
    lines
}

fn gates_of(verdict: &Verdict, word: Word, name: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for gate in verdict.gates.iter().filter(|gate| gate.word == word) {
        if gate.expanded && told.contains(&gate.text.as_str()) {
            continue;
        }
        told.push(&gate.text);
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
        items.push(format!("{name} {}{place}{}", gate.text, because(gate, same)));
    }
    items
}

/// What follows a gate that did not pass.
fn because(gate: &GateResult, same: usize) -> String {
    match (gate.word, gate.value) {
        (Word::Fail, _) if gate.measure == Measure::Mtbf => format!(" ({})", gate.why),
        (Word::Fail, Some(value)) if gate.attain.is_some() => format!(" ({})", percent(value)),
        (Word::Fail, Some(value)) if same < 2 => format!(" ({})", amount(gate.measure, value)),
        (Word::Inconclusive, _) => format!(" ({})", gate.why),
        (Word::Pass | Word::Fail, _) => String::new(),
    }
}
