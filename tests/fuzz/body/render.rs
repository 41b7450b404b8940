//! Checks the renderer of commands: any template with any values, by the rules of both tools.

#![allow(clippy::expect_used)] // a check of tests and of fuzz targets

use serde_json::json;

use crate::spec::SpecFile;
use crate::spec::recipe::{Dialect, ReadOptions, RenderMethod, read_as};

/// The longest command that is rendered, bytes.
const COMMAND_BYTES_MAX: usize = 1 << 20;

/// Flag that `run-recipe.py` leaves away.
const BACKEND: &str = "--distributed-executor-backend";

/// Renders a template with the values of `{a}` and `{b}`: the first two lines of an arbitrary text
/// are the values, the rest is the template.
pub fn render(text: &str) {
    let mut parts = text.splitn(3, '\n');
    let [a, b, template] = [(); 3].map(|()| parts.next().unwrap_or_default());
    if template.trim().is_empty() {
        return;
    }
    let rendered = |dialect| command(a, b, template, dialect);
    let (sparkrun, eugr) = (rendered(Dialect::Sparkrun), rendered(Dialect::Eugr));
    for command in [&sparkrun, &eugr].into_iter().flatten() {
        assert!(command.len() <= COMMAND_BYTES_MAX, "{} bytes", command.len());
    }
    let plain = |text: &str| !text.contains(['{', '}']);
    if let Some(command) = sparkrun.as_ref().filter(|_| plain(template)) {
        assert_eq!(repaired(command), repaired(template.trim()), "a template without placeholders");
    }
    // Both tools agree where neither has a rule of its own.
    let is_simple = !["{{", "}}", "\\", "\r", BACKEND].iter().any(|rule| template.contains(rule));
    let values = [a, b].map(|value| plain(value) && !value.contains(['\\', '\r', '-']));
    if let (Some(sparkrun), Some(eugr)) = (&sparkrun, &eugr)
        && is_simple
        && values == [true; 2]
    {
        assert_eq!(lines(eugr), lines(sparkrun), "{template:?}");
    }
}

/// Renders a template that no YAML can misread.
fn command(a: &str, b: &str, template: &str, dialect: Dialect) -> Option<String> {
    let recipe = json!({"model": "m", "command": template, "defaults": {"a": a, "b": b}});
    // YAML takes some characters beyond ASCII for line ends.
    let escaped = |c: char| match u32::from(c) {
        code @ 0x7f..=0xffff => format!("\\u{code:04x}"),
        _ => c.to_string(),
    };
    let text = recipe.to_string().chars().map(escaped).collect();
    let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text };
    let options = ReadOptions { dialect, ..ReadOptions::default() };
    let reading = read_as(&source, &options, &|_| Ok(None)).ok()?;
    assert_eq!(reading.how, RenderMethod::Template(dialect));
    reading.recipe.command
}

/// Returns a text without blanks between a backslash and the end of its line.
fn repaired(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let end = line.trim_end_matches([' ', '\t']);
        if end.ends_with('\\') { end } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the lines of a command that say something.
fn lines(command: &str) -> Vec<&str> {
    command.trim().lines().filter(|line| !line.trim().is_empty()).collect()
}
