//! Writes the report of a run as JUnit: the verdict, then a case for each line of the contract. What
//! was not decided is skipped, never passed; the verdict itself passes only with PASS.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::page::Page;
use super::printable::Printable;
use crate::escape::xml;
use crate::unit::span;
use crate::verdict::VerdictWord;

/// Writes the XML.
///
/// # Errors
/// XML that cannot be written to memory.
pub(crate) fn render(page: &Page<'_>) -> Result<Printable, String> {
    let mut whole = TestSuite::new("verdict");
    whole.add_test_case(of_verdict(page));
    let mut contract = TestSuite::new("contract");
    for of in &page.gates {
        let cases = of.names.iter().zip(&of.items);
        contract.add_test_cases(cases.map(|(name, words)| {
            let name = name.split_once(' ').map_or(&**name, |(_, gate)| gate);
            case(name, status(of.word, words, NonSuccessKind::Failure))
        }));
    }
    let mut report = Report::new("longhaul report");
    report.add_test_suites([whole, contract]);
    Printable::junit(&report)
}

fn of_verdict(page: &Page<'_>) -> TestCase {
    let (asked, verdict) = (page.asked, page.verdict);
    let label = if asked.simulated { "SIMULATED " } else { "" };
    let load = span(page.load_s);
    let words = format!(
        "{label}{} · {} · {} · {load} under load",
        verdict.word.word(),
        asked.recipe,
        asked.scenario
    );
    // A run that decides nothing must not be green.
    let status = match verdict.word {
        VerdictWord::Pass => TestCaseStatus::success(),
        VerdictWord::Fail => failed(&words, NonSuccessKind::Failure),
        VerdictWord::Inconclusive => failed(&words, NonSuccessKind::Error),
    };
    let mut case = case("verdict", status);
    let proves = page.proofs.mtbf.iter().chain(&page.proofs.also);
    let lines: Vec<&str> =
        std::iter::once(&words).chain(&verdict.reasons).chain(proves).map(String::as_str).collect();
    case.set_system_out(xml(&lines.join("\n")));
    case
}

fn status(word: VerdictWord, words: &str, kind: NonSuccessKind) -> TestCaseStatus {
    match word {
        VerdictWord::Pass => TestCaseStatus::success(),
        VerdictWord::Fail => failed(words, kind),
        VerdictWord::Inconclusive => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(xml(words));
            status
        }
    }
}

fn failed(words: &str, kind: NonSuccessKind) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(xml(words));
    status
}

fn case(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(xml(name), status);
    case.set_classname("longhaul.run");
    case
}
