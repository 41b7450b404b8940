//! A comparison as JUnit: policies and the candidate's contract as one suite,
//! compared rows as another. What is undecided is skipped, never passed.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::compare::{Comparison, Policy, PolicyWord, Row, Word};

use super::{columns, decision, measure, place, policy, variables};

/// Writes it.
///
/// # Errors
/// Only if XML cannot be written to memory.
pub fn render(comparison: &Comparison) -> Result<String, String> {
    let mut report = Report::new("longhaul compare");
    let mut policies = TestSuite::new("policy");
    policies.add_test_cases(comparison.policies.iter().map(of_policy));
    policies.add_test_cases(comparison.gates.iter().map(|(text, word, why)| {
        let status = match word {
            crate::verdict::Word::Pass => TestCaseStatus::success(),
            crate::verdict::Word::Fail => failed(why),
            crate::verdict::Word::Inconclusive => skipped(why),
        };
        case(&format!("contract {text}"), status)
    }));
    let mut rows = TestSuite::new("cells");
    rows.add_test_cases(comparison.rows.iter().map(|row| of_row(row, &comparison.rows)));
    let words = format!("{} · {}", decision(comparison), variables(comparison));
    policies.set_system_out(words);
    report.add_test_suites([policies, rows]);
    report.to_string().map_err(|error| error.to_string())
}

fn case(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname("longhaul.compare");
    case
}

fn failed(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(why);
    status
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    status
}

fn of_policy(it: &Policy) -> TestCase {
    let words = if it.why.is_empty() { policy(it) } else { format!("{}: {}", policy(it), it.why) };
    let status = match it.word {
        PolicyWord::Held => TestCaseStatus::success(),
        PolicyWord::Broken => failed(&words),
        PolicyWord::Dark | PolicyWord::NotObserved => skipped(&words),
    };
    case(&it.name, status)
}

fn of_row(row: &Row, rows: &[Row]) -> TestCase {
    let words = columns(row, rows).join(" · ");
    let words = if row.why.is_empty() { words } else { format!("{words}: {}", row.why) };
    let status = match row.word {
        Word::Equivalent | Word::Improved | Word::Changed => TestCaseStatus::success(),
        // Only what decides fails a pipeline; the others are to be looked into.
        Word::Regression if row.primary && !row.is_suggestive() => failed(&words),
        Word::Regression | Word::Inconclusive => skipped(&words),
    };
    case(&format!("{} {}", place(row.key.place, rows), measure(row)), status)
}
