//! Tests the reports of sixteen run folders, to the byte. Each folder is made by hand and shows
//! what its name says (`tests/inside/journals`); its expected reports are beside it.
//! `LONGHAUL_MAKE=1 cargo test --lib --test journals journals` writes folders and reports again:
//! `git diff` is then the review.

// clippy's exemption of tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

#[path = "journals/hold.rs"]
mod hold;

use std::fmt::Write;
use std::fs;
use std::process::Command;

use hold::{hold, journals};

/// Every way to tell a run: how its golden ends, and the flags.
const FORMS: [(&str, &[&str]); 6] = [
    ("txt", &[]),
    ("wide.txt", &["--wide"]),
    ("json", &["--format", "json"]),
    ("md", &["--format", "markdown"]),
    ("junit.xml", &["--format", "junit"]),
    ("github", &["--format", "github"]),
];

/// Every run folder, by name.
fn names() -> Vec<String> {
    let entries = fs::read_dir(journals()).unwrap().map(Result::unwrap);
    let runs = entries.filter(|entry| entry.path().join("run.json").exists());
    let mut names: Vec<_> = runs.map(|run| run.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether a report, and its exit code below it, fits 24 lines of 80 columns.
fn is_fit_for_a_forum(text: &str) -> bool {
    text.lines().count() <= 24 + 2 && text.lines().all(|line| line.chars().count() <= 80)
}

/// Holds what is reported of a folder to the texts beside it.
fn reported(name: &str, wrong: &mut Vec<String>) {
    for (end, flags) in FORMS {
        let mut longhaul = Command::new(env!("CARGO_BIN_EXE_longhaul"));
        // From where the folders stand: no path of this machine is in what is reported.
        longhaul.current_dir(journals()).env("NO_COLOR", "1");
        let reported = longhaul.args(["report", name]).args(flags).output().unwrap();
        let mut text = String::from_utf8(reported.stdout).unwrap();
        if end.ends_with("txt") {
            let _ = write!(text, "\nexit code {}\n", reported.status.code().unwrap());
        }
        if end == "txt" && !is_fit_for_a_forum(&text) {
            wrong.push(format!("{name}: more than 24 lines of 80 columns\n{text}"));
        }
        hold(&journals().join(format!("{name}.{end}")), text.as_bytes(), wrong);
    }
}

#[test]
fn journals_are_told_as_the_texts_beside_them_have_it() {
    let names = names();
    assert_eq!(names.len(), 16, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        reported(&name, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
