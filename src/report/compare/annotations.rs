//! A comparison as annotations of a workflow: one line each, which the runner
//! shows beside the change.

use std::fmt::Write;

use crate::compare::decision::changed;
use crate::compare::{Comparison, PolicyWord, Word};

use super::{headline, policy, variables};

/// Annotations of a step that a runner shows are few; the decision is always there.
const ERRORS_MAX: usize = 9;
const WARNINGS_MAX: usize = 10;

/// Writes them: the decision, then what broke, then what is to be looked into.
pub fn render(comparison: &Comparison) -> String {
    let mut out = String::new();
    let mut say = |level: &str, title: &str, text: &str| {
        let _ = writeln!(out, "::{level} title={}::{}", property(title), escaped(text));
    };
    let level = match (comparison.decision.exit_code, comparison.decision.word) {
        (0, Word::Improved | Word::Equivalent | Word::Changed) => "notice",
        (0, _) => "warning",
        _ => "error",
    };
    say(level, "longhaul", &format!("{} · {}", headline(comparison), variables(comparison)));
    let with =
        |word: PolicyWord| comparison.policies.iter().filter(move |policy| policy.word == word);
    let mut errors: Vec<String> = with(PolicyWord::Broken)
        .map(|broken| format!("{}: {}", policy(broken), broken.why))
        .collect();
    let rows = |primary: bool| {
        let of = move |row: &&crate::compare::Row| {
            row.primary == primary && row.word == Word::Regression
        };
        comparison.rows.iter().filter(of).map(changed)
    };
    errors.extend(rows(true));
    errors.iter().take(ERRORS_MAX).for_each(|text| say("error", "longhaul", text));
    let mut warnings: Vec<String> =
        with(PolicyWord::NotObserved).map(|unseen| unseen.why.clone()).collect();
    warnings.extend(rows(false));
    warnings.iter().take(WARNINGS_MAX).for_each(|text| say("warning", "longhaul", text));
    out
}

/// Text after the two colons.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text within a property.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}
