//! All that a recipe says, for people.

use std::fmt::Write;

use crate::escape::one_line;
use crate::report::layout::{self, indented};
use crate::spec::recipe::submission::Submission;
use crate::spec::recipe::{How, Reading};

/// Bounds a value in a table.
const VALUE_CHARS_MAX: usize = 200;

/// A recipe in full.
pub fn text(reading: &Reading) -> String {
    let recipe = &reading.recipe;
    let mut out =
        format!("{}\n{}", shown(&recipe.source.origin), indented(&shown(&recipe.about), 2));
    let none = || layout::NONE.to_owned();
    let rows = [
        ("model", recipe.model.clone().unwrap_or_else(none)),
        ("served as", recipe.served.join(", ")),
        ("runtime", recipe.runtime.clone()),
        ("container", recipe.container.clone().unwrap_or_else(none)),
        ("includes", reading.included.join(", ")),
    ];
    let rows = rows.into_iter().map(|(name, value)| (name.to_owned(), value));
    out += &table(rows.filter(|(_, value)| !value.is_empty()));
    let _ = writeln!(out, "\ncommand ({})", how(reading.how));
    for line in recipe.command.iter().flat_map(|command| lines(command)) {
        let _ = writeln!(out, "  {line}");
    }
    section(&mut out, "settings", recipe.settings.iter().map(|(k, v)| (k.clone(), v.clone())));
    section(&mut out, "environment", recipe.env.iter().cloned());
    let layers = reading.layers.iter().map(|layer| {
        let verdict = match layer.applied {
            Some(true) => "applied",
            Some(false) => "not applied: it does not match",
            None => "not applied: nothing is said of where it runs (--when)",
        };
        (layer.when.clone(), verdict.to_owned())
    });
    section(&mut out, "conditional layers", layers);
    let hooks = "what it would have run on the machine (longhaul does not)";
    section(&mut out, hooks, reading.hooks.iter().cloned());
    section(&mut out, "other keys", reading.others.iter().cloned());
    let unknown = recipe.unknown.iter().map(|key| format!("key `{key}` is not known; it is kept"));
    out + &lined("notes", recipe.warnings.iter().cloned().chain(unknown))
}

/// A line for each text, under a title.
pub fn lined(title: &str, texts: impl Iterator<Item = String>) -> String {
    let lines: String = texts.map(|text| indented(&one_line(&text, 400), 2)).collect();
    if lines.is_empty() { lines } else { format!("\n{title}\n{lines}") }
}

/// What a submission tells beside its recipe.
pub fn submission(submission: &Submission) -> String {
    let mut out = String::new();
    let pinned = submission.pinned.iter().map(|image| ("by digest".to_owned(), image.clone()));
    let versions = submission.versions.iter().cloned();
    let title = "what its submission tells of the run";
    section(&mut out, title, submission.told.iter().cloned().chain(pinned).chain(versions));
    if submission.has_results {
        out.push_str("\nbenchmark.csv is there: its results are not read here\n");
    }
    out
}

/// A text's lines, fit for a terminal.
pub fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(|line| one_line(&line.replace('\t', "    "), usize::MAX)).collect()
}

fn how(how: How) -> &'static str {
    match how {
        How::Template => "rendered as sparkrun does",
        How::Built(_) => "built from the defaults, as sparkrun does",
        How::AsItStands => "as it stands in the `docker run`",
        How::NotRendered => "none: how this runtime is started is not known; shown, not rendered",
        How::Unread => "none: the file was not read",
    }
}

fn section(out: &mut String, title: &str, rows: impl Iterator<Item = (String, String)>) {
    let table = table(rows);
    if !table.is_empty() {
        let _ = write!(out, "\n{title}\n{table}");
    }
}

fn table(rows: impl Iterator<Item = (String, String)>) -> String {
    let rows: Vec<Vec<String>> =
        rows.map(|(name, value)| vec![shown(&name), shown(&value)]).collect();
    layout::table(&rows, 2).into_iter().map(|line| line + "\n").collect()
}

fn shown(text: &str) -> String {
    one_line(text, VALUE_CHARS_MAX)
}
