//! Text layout for snapshots. Only tests use it, those of the binary too (`#[path]`).

#![allow(dead_code)] // Each test binary uses its part.

use std::fmt::Debug;

/// Returns a block for each case: the case, and its text indented below it.
pub(crate) fn each<C: Debug>(
    cases: impl IntoIterator<Item = C>,
    reported: impl Fn(&C) -> String,
) -> String {
    let block = |case: C| format!("{case:?}\n{}", indented(&reported(&case)));
    cases.into_iter().map(block).collect::<Vec<_>>().join("\n")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect()
}

/// Returns a text in which names replace what differs from one test run to the next: paths,
/// ports, process numbers. The earlier name goes first.
pub(crate) fn named(text: &str, names: &[(&str, &str)]) -> String {
    names.iter().fold(text.to_owned(), |text, (value, name)| text.replace(value, name))
}

/// Returns a text with `#` in place of every number that stands alone.
pub(crate) fn numberless(text: &str) -> String {
    let steady = |part: &str| {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.replacen(digits, "#", 1) } else { part.to_owned() }
    };
    let parts = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let mut steady: String = parts.map(steady).collect();
    while steady.contains("#.#") {
        steady = steady.replace("#.#", "#");
    }
    steady
}
