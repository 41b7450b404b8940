//! Collects the checks of answers that fired: each kind once, with how many answers it fired on and
//! the first of them; and says what keeps a gate on a check from being judged.

use std::collections::BTreeSet;

use crate::analysis::{Analysis, Share};
use crate::fact::{ANSWERED_BY, Ended, NO_MODEL};
use crate::measure::RequestShare;
use crate::spec::Select;
use crate::unit::span;

use super::Finding;

/// Least share of whole answers whose output tokens must be counted for a gate on their number.
const COUNTED_MIN: f64 = 0.95;

/// Check that fired.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FiredCheck {
    /// Name, as in rows and contracts.
    pub check: String,
    /// Answers on which it fired, of those that it was made for.
    pub share: Share,
    /// First answer on which it fired: group and time.
    pub place: String,
    /// What it means, in words; empty for a name of another version.
    pub meaning: &'static str,
    pub evidence: Vec<u64>,
}

impl FiredCheck {
    /// Returns the finding for programs and tables.
    pub(crate) fn finding(&self) -> Finding {
        let FiredCheck { check, share: Share { part, of }, place, meaning, evidence } = self;
        let words = format!("{check}: {part} of {of} answers, first {place}: {meaning}");
        Finding { words, evidence: evidence.clone() }
    }
}

/// Returns the checks that fired in the judged phases, the most frequent first.
pub(crate) fn fired(analysis: &Analysis) -> Vec<FiredCheck> {
    let all = Select::default();
    let names = analysis.atoms_of(&all).flat_map(|atom| atom.checks.keys());
    let names: BTreeSet<&String> = names.collect();
    let groups = analysis.atoms.iter().map(|atom| &atom.group);
    let one = |check: &String| {
        let (first, group) = analysis.first_fired(check, &all)?;
        let after = span(first.sent.seconds());
        Some(FiredCheck {
            check: check.clone(),
            share: share(check, analysis),
            place: format!("{} at {after}", group.among(groups.clone())),
            meaning: meaning(check),
            evidence: vec![first.seq],
        })
    };
    let mut fired: Vec<FiredCheck> = names.into_iter().filter_map(one).collect();
    fired.sort_by_key(|it| std::cmp::Reverse(it.share.part));
    fired
}

/// Returns the share of a check. One that no gate can be set on is counted of all whole answers.
fn share(check: &str, analysis: &Analysis) -> Share {
    let all = Select::default();
    match RequestShare::parse(check) {
        Some(known) => analysis.portion(known, &all),
        None => {
            let fired = |checks: &crate::analysis::Tally<String>| checks.get(check).copied();
            let part = analysis.atoms_of(&all).filter_map(|atom| fired(&atom.checks)).sum();
            Share { part, of: analysis.count_ended(&all, Ended::is_good) }
        }
    }
}

fn meaning(check: &str) -> &'static str {
    match RequestShare::parse(check) {
        Some(RequestShare::OffDepth) => "prompts not as planned",
        Some(RequestShare::Swallowed) => "text is lost",
        Some(RequestShare::ShortAnswers) => "half of it or less",
        Some(RequestShare::LongAnswers) => "over what was asked",
        Some(RequestShare::TooFast) => "over 5,000 tok/s",
        Some(RequestShare::WrongModel) => "another than asked",
        Some(RequestShare::SameText) => "to other prompts",
        Some(RequestShare::Replacement) => "broken characters",
        Some(RequestShare::Errors) => "",
        None if check == "cached" => "cold, but served from cache",
        None if check == "not_cached" => "warm, but prefilled anew",
        None => "",
    }
}

/// Returns why a gate on a check cannot pass, where the server gives too little to see what the
/// check is for.
pub(crate) fn unseen(check: RequestShare, select: &Select, analysis: &Analysis) -> Option<String> {
    match check {
        RequestShare::ShortAnswers | RequestShare::LongAnswers => {
            let Share { part, of } = analysis.output_counted(select);
            ((part as f64) < of as f64 * COUNTED_MIN).then(|| match part {
                0 => "n/a: the server does not count output tokens".to_owned(),
                _ => format!("n/a: output tokens are counted in {part} of {of} answers"),
            })
        }
        RequestShare::WrongModel => (analysis.notes.identity.get(ANSWERED_BY)? == NO_MODEL)
            .then(|| "n/a: answers do not name a model".to_owned()),
        _ => None,
    }
}

/// Returns why a check that fired too often is no violation: an answer that was not asked to go on
/// may end where its model ends it.
pub(crate) fn permitted(check: RequestShare, share: Share, analysis: &Analysis) -> Option<String> {
    if check != RequestShare::ShortAnswers {
        return None;
    }
    let Share { part, of } = share;
    let abilities = analysis.notes.identity.get("abilities")?;
    let forced = ["ignore_eos", "min_tokens"];
    let why = if !analysis.exact_output {
        "`exact_output: false` lets a model end its answers"
    } else if !abilities.split(' ').any(|able| forced.contains(&able)) {
        "the server does not take `ignore_eos`, so a model may end its answers"
    } else {
        return None;
    };
    Some(format!("{part} of {of} ended early: {why}"))
}
