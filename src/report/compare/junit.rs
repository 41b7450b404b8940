//! Writes a comparison as JUnit: the decision, then policies and the candidate's contract, then
//! compared rows and changes over the hours. An undecided case is skipped, never passed.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::compare::trends::TrendChange;
use crate::compare::{
    CompareWord, ComparedRow, ComparedTrend, Comparison, Policy, PolicyWord, Published,
};
use crate::escape::xml;
use crate::exit::Exit;
use crate::report::printable::Printable;

use super::{columns, group, headline, measure, policy, variables};

/// Writes the XML.
///
/// # Errors
/// XML that cannot be written to memory.
pub(crate) fn render(comparison: &Comparison) -> Result<Printable, String> {
    let mut report = Report::new("longhaul compare");
    let mut whole = TestSuite::new("decision");
    whole.add_test_case(of_decision(comparison));
    let mut policies = TestSuite::new("policy");
    policies.add_test_cases(comparison.policies.iter().map(of_policy));
    let is_told = |text: &str| comparison.policies.iter().any(|policy| policy.name == text);
    let gates = comparison.gates.iter().filter(|(text, ..)| !is_told(text));
    policies.add_test_cases(gates.map(|(text, word, why)| {
        let status = match word {
            crate::verdict::VerdictWord::Pass => TestCaseStatus::success(),
            // A policy covers a gate that the base held; a gate that the base broke too is no
            // change.
            crate::verdict::VerdictWord::Fail | crate::verdict::VerdictWord::Inconclusive => {
                skipped(why)
            }
        };
        case(&format!("contract {text}"), status)
    }));
    let mut rows = TestSuite::new("cells");
    rows.add_test_cases(comparison.rows.iter().map(|row| of_row(row, &comparison.rows)));
    rows.add_test_cases(comparison.published.iter().map(of_test));
    let mut hours = TestSuite::new("over the hours");
    hours.add_test_cases(comparison.trends.iter().filter(|it| it.decides()).map(of_trend));
    report.add_test_suites([whole, policies, rows]);
    if !hours.test_cases.is_empty() {
        report.add_test_suite(hours);
    }
    Printable::junit(&report)
}

/// Returns the case of the decision; it fails where the exit status is not 0.
fn of_decision(comparison: &Comparison) -> TestCase {
    let words = format!("{} · {}", headline(comparison), variables(comparison));
    let because = comparison.decision.sentences().join("\n");
    let status = match (comparison.decision.exit, comparison.decision.word) {
        (Exit::Pass, CompareWord::Inconclusive) => skipped(&words),
        (Exit::Pass, _) if comparison.decision.suggestive => skipped(&words),
        (Exit::Pass, _) => TestCaseStatus::success(),
        _ => failed(&words),
    };
    let mut case = case("decision", status);
    case.set_system_out(xml(&format!("{words}\n{because}")));
    case
}

/// Returns the case of a column of a published test, which decides nothing.
fn of_test(it: &Published) -> TestCase {
    let number = |spread: &Option<crate::analysis::arena::Spread>| {
        spread.as_ref().map_or_else(|| "unknown".to_owned(), |it| crate::unit::figures(it.mean))
    };
    let (base, candidate) = (number(&it.base), number(&it.candidate));
    let words = format!("published {base}, here {candidate}: nothing is decided by it");
    case(&format!("{} {}", it.test, it.column.word()), skipped(&words))
}

fn case(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(xml(name), status);
    case.set_classname("longhaul.compare");
    case
}

fn failed(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(xml(why));
    status
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(xml(why));
    status
}

fn of_policy(it: &Policy) -> TestCase {
    let words = if it.why.is_empty() { policy(it) } else { format!("{}: {}", policy(it), it.why) };
    let status = match it.word {
        PolicyWord::Held => TestCaseStatus::success(),
        PolicyWord::Broken => failed(&words),
        PolicyWord::Unseen | PolicyWord::NotObserved => skipped(&words),
    };
    case(&it.name, status)
}

/// Returns the case of a change over the hours. What is not new in the candidate passes.
fn of_trend(it: &ComparedTrend) -> TestCase {
    let words = it.line();
    let status = match it.word {
        TrendChange::Regression => failed(&words),
        TrendChange::Unresolved | TrendChange::NotJudged => skipped(&words),
        TrendChange::Improved | TrendChange::Alike | TrendChange::Stable => {
            TestCaseStatus::success()
        }
    };
    case(&format!("over the hours {}", it.title), status)
}

fn of_row(row: &ComparedRow, rows: &[ComparedRow]) -> TestCase {
    let words = columns(row, rows).join(" · ");
    let words = if row.why.is_empty() { words } else { format!("{words}: {}", row.why) };
    let status = match row.word {
        CompareWord::Equivalent | CompareWord::Improved | CompareWord::Changed => {
            TestCaseStatus::success()
        }
        // Only deciding rows fail a pipeline; other regressions are to be looked into.
        CompareWord::Regression if row.primary && !row.is_suggestive() => failed(&words),
        CompareWord::Regression | CompareWord::Inconclusive => skipped(&words),
    };
    case(&format!("{} {}", group(row, rows), measure(row)), status)
}
