//! How reproducible a recipe is, as a table and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::show;
use crate::escape::one_line;
use crate::report::layout;
use crate::spec::recipe::Reading;
use crate::spec::recipe::pins::{Finding, Grade, Pins};
use crate::spec::recipe::submission::Submission;

/// Version of the JSON: keys may be added, never renamed.
const SCHEMA: u32 = 1;

/// Bounds a reason in the table.
const WHY_CHARS_MAX: usize = 120;

/// Bounds the table: a stranger's recipe may name as many mods as its size lets it.
const FINDINGS_MAX: usize = 60;

/// As a table.
pub fn text(reading: &Reading, submission: Option<&Submission>, pins: &Pins) -> String {
    let mut out = head(reading, pins);
    let shown = &pins.findings[..pins.findings.len().min(FINDINGS_MAX)];
    let heading = ["how", "what", "line", "why"].map(str::to_owned).to_vec();
    let row = |finding: &Finding| {
        vec![
            finding.grade.word().to_owned(),
            one_line(&finding.what, 40),
            finding.line.map_or_else(|| layout::NONE.to_owned(), |line| line.to_string()),
            one_line(&finding.why, WHY_CHARS_MAX),
        ]
    };
    let rows: Vec<_> = std::iter::once(heading).chain(shown.iter().map(row)).collect();
    let _ = writeln!(out, "\n{}", layout::table(&rows, 4).join("\n"));
    if shown.len() < pins.findings.len() {
        let _ = writeln!(out, "  and {} more: --format json", pins.findings.len() - shown.len());
    }
    let tries = shown.iter().filter_map(|it| Some(format!("{}: {}", it.what, it.hint.as_ref()?)));
    out += &show::lined("try", tries);
    out += &submission.map(show::submission).unwrap_or_default();
    out + &show::lined("notes", reading.recipe.warnings.iter().cloned())
}

/// The grade of the container, and how much else counts.
fn head(reading: &Reading, pins: &Pins) -> String {
    let counts = [
        (pins.floating(), "floats", "float"),
        (pins.count(|grade| grade == Grade::Varies), "varies", "vary"),
        (pins.count(|grade| grade == Grade::Unknown), "unknown", "unknown"),
    ];
    let told = |(count, one, more): (usize, &str, &str)| {
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { more }))
    };
    let counts: Vec<String> = counts.into_iter().filter_map(told).collect();
    let counts = if counts.is_empty() { "nothing floats".to_owned() } else { counts.join(", ") };
    let name = one_line(&reading.recipe.source.name, 80);
    format!("{} image · {name} · {counts}\n", pins.grade.word().to_uppercase())
}

pub fn json(reading: &Reading, submission: Option<&Submission>, pins: &Pins) -> String {
    let findings: Vec<Value> = pins
        .findings
        .iter()
        .map(|finding| {
            json!({
                "what": finding.what,
                "grade": finding.grade.word(),
                "floats": finding.grade.floats(),
                "file": finding.line.map(|_| &reading.recipe.source.origin),
                "line": finding.line,
                "why": finding.why,
                "try": finding.hint,
            })
        })
        .collect();
    let told = |pairs: &[(String, String)]| -> serde_json::Map<String, Value> {
        pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
    };
    let submission = submission.map(|submission| {
        json!({
            "container_pinned": submission.pinned,
            "versions": told(&submission.versions),
            "told": told(&submission.told),
            "has_results": submission.has_results,
        })
    });
    let whole = json!({
        "schema": SCHEMA,
        "recipe": reading.recipe.source.name,
        "origin": reading.recipe.source.origin,
        "container": reading.recipe.container,
        "grade": pins.grade.word(),
        "floating": pins.floating(),
        "findings": findings,
        "submission": submission,
        "warnings": reading.recipe.warnings,
    });
    format!("{whole:#}\n")
}
