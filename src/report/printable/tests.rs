//! Tests that a finished text is safe whatever was put into it, also where a producer escaped
//! nothing.

use insta::assert_snapshot;
use proptest::prelude::*;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::*;

/// Text with what no output may have, and with the markup of every format.
const HOSTILE: &str = "\0\u{1b}[2J\u{7f}\u{9b}A\u{202e}b\u{200b}\u{2028}\u{fffe}\r\n::error::x\n\
    ##[add-mask]y =cmd|'/C calc'!A0 <script> | ` ]]> %0A::error @everyone";

fn junit(text: &str) -> Printable {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(text);
    let mut case = TestCase::new(text, status);
    case.set_system_out(text);
    let mut suite = TestSuite::new("suite");
    suite.add_test_case(case);
    let mut report = Report::new("report");
    report.add_test_suite(suite);
    Printable::junit(&report).unwrap()
}

/// Returns a text in every format, each with its name.
fn all(text: &str) -> [(&'static str, Printable); 6] {
    let mut markdown = Markdown::default();
    markdown.markup("**").text(text).markup("**\n").row(&[text.to_owned(), "1".to_owned()]);
    let rows = [["model", "n"], [text, "-1.5"]].map(|row| row.map(str::to_owned).to_vec());
    [
        ("terminal", Printable::terminal(text)),
        ("json", Printable::json(&[text])),
        ("csv", Printable::csv(rows)),
        ("markdown", Printable::markdown(&markdown)),
        ("annotations", Printable::annotations("title", [("error", text.to_owned())])),
        ("junit", junit(text)),
    ]
}

#[test]
fn a_hostile_text_controls_nothing_in_any_format() {
    let shown = all(HOSTILE).map(|(name, text)| format!("{name}:\n{}", text.text()));
    assert_snapshot!("hostile", shown.join("\n"));
}

#[test]
fn what_is_printed_has_no_secret_and_its_colours_are_longhauls_own() {
    let text = Printable::terminal("PASS of sk-1\u{1b}[31m");
    let text = text.painted(|text| text.replace("PASS", "\u{1b}[32mPASS\u{1b}[0m"));
    let clean = |text: &str| text.replace("sk-1", "[\u{1b}secret]");
    assert_eq!(text.printed(clean), "\u{1b}[32mPASS\u{1b}[0m of [\\u{1b}secret]\\u{1b}[31m");
    assert_eq!(text.text(), "PASS of sk-1\\u{1b}[31m");
}

#[test]
fn an_annotation_is_one_line_and_the_only_command_of_its_line() {
    let [.., (_, annotations), _] = all(HOSTILE);
    assert_eq!(annotations.text().lines().count(), 1);
    assert!(annotations.text().starts_with("::error title=title::"));
}

proptest! {
    #[test]
    fn no_text_gets_past_a_format(text in any::<String>(), tail in "[\u{0}-\u{a0}\u{2028}-\u{202e}]{0,6}") {
        let text = text + &tail;
        for (format, rendered) in all(&text) {
            let kept = if format == "csv" { "\r\n" } else { "\n\t" };
            let shown: String = rendered.text().chars().filter(|c| !kept.contains(*c)).collect();
            prop_assert_eq!(&crate::escape::one_line(&shown, usize::MAX), &shown, "{}", format);
            prop_assert_eq!(rendered.printed(str::to_owned), rendered.text(), "{}", format);
        }
    }

    #[test]
    fn json_keeps_its_value_and_csv_its_cells(text in any::<String>()) {
        let [_, (_, json), (_, csv), ..] = all(&text);
        let read: Vec<String> = serde_json::from_str(json.text()).unwrap();
        prop_assert_eq!(&read[0], &text);
        let mut rows = csv::Reader::from_reader(csv.text().as_bytes());
        let row = rows.records().next().unwrap().unwrap();
        prop_assert_eq!(row.len(), 2);
        prop_assert_eq!(&row[1], "-1.5");
        let cell = crate::escape::csv_cell(&text);
        prop_assert!(row[0] == cell || cell.contains("::") || cell.contains("##["), "{cell}");
    }
}
