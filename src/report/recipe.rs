//! Formats recipes for people and for programs.

use std::fmt::Write;

use serde_json::json;

use super::layout::{self, indented};
use super::printable::Printable;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::recipe::diff::{Difference, between};
use crate::spec::recipe::pins::{Grade, PinFinding, Pins};
use crate::spec::recipe::{Dialect, ReadRecipe, RenderMethod};

/// Version of the JSON schema: keys may be added, never renamed.
const SCHEMA: u32 = 2;

const VALUE_CHARS_MAX: usize = 200;

const CELL_CHARS_MAX: usize = 60;

const WHY_CHARS_MAX: usize = 120;

/// Bound on the findings: a foreign recipe may name as many mods as its size allows.
const FINDINGS_MAX: usize = 60;

pub(crate) fn show(reading: &ReadRecipe) -> Printable {
    let recipe = &reading.recipe;
    let about = indented(&one_line(&recipe.about, VALUE_CHARS_MAX), 2);
    let mut out = format!("{}\n{about}", one_line(&recipe.source.origin, VALUE_CHARS_MAX));
    let none = || layout::NONE.to_owned();
    let rows = [
        ("model", recipe.model.clone().unwrap_or_else(none)),
        ("served as", recipe.served.join(", ")),
        ("runtime", recipe.runtime.clone()),
        ("container", recipe.container.clone().unwrap_or_else(none)),
        ("includes", reading.included.join(", ")),
    ];
    let rows = rows.into_iter().map(|(name, value)| (name.to_owned(), value));
    out += &pairs(rows.filter(|(_, value)| !value.is_empty()));
    let how = match reading.how {
        RenderMethod::Template(Dialect::Sparkrun) => "rendered as sparkrun does",
        RenderMethod::Template(Dialect::Eugr) => "rendered as run-recipe.py does without --ray",
        RenderMethod::Built(_) => "built from the defaults, as sparkrun does",
        RenderMethod::AsItStands => "as it stands in the `docker run`",
        RenderMethod::Composed => "entry point and command of the compose file's service",
        RenderMethod::NotRendered => {
            "none: how this runtime is started is not known; shown, not rendered"
        }
        RenderMethod::Unread => "none: the file was not read",
    };
    let _ = writeln!(out, "\ncommand ({how})");
    for line in recipe.command.iter().flat_map(|command| lines(command)) {
        let _ = writeln!(out, "  {line}");
    }
    let layers = reading.layers.iter().map(|layer| {
        let verdict = match layer.applied {
            Some(true) => "applied",
            Some(false) => "not applied: it does not match",
            None => "not applied: nothing is said of where it runs (--when)",
        };
        (layer.when.clone(), verdict.to_owned())
    });
    let hooks = "what it would have run on the machine (longhaul does not)";
    for (title, rows) in [
        ("settings", recipe.settings.clone().into_iter().collect()),
        ("environment", recipe.env.clone()),
        ("conditional layers", layers.collect::<Vec<_>>()),
        (hooks, reading.hooks.clone()),
        ("other keys", reading.others.clone()),
    ] {
        if !rows.is_empty() {
            let _ = write!(out, "\n{title}\n{}", pairs(rows.into_iter()));
        }
    }
    let unknown = recipe.unknown.iter().map(|key| format!("key `{key}` is not known; it is kept"));
    out += &lined("notes", recipe.warnings.iter().cloned().chain(unknown));
    Printable::terminal(&out)
}

pub(crate) fn check(reading: &ReadRecipe, pins: &Pins) -> Printable {
    let counts = [
        (pins.floating(), "floats", "float"),
        (pins.count(|grade| grade == Grade::Varies), "varies", "vary"),
        (pins.count(|grade| grade == Grade::Unknown), "unknown", "unknown"),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, one, more)| format!("{count} {}", if count == 1 { one } else { more }))
        .collect();
    let counts = if counts.is_empty() { "nothing floats".to_owned() } else { counts.join(", ") };
    let name = one_line(&reading.recipe.source.name, 80);
    let mut out = format!("{} image · {name} · {counts}\n", pins.grade.word().to_uppercase());
    let shown = &pins.findings[..pins.findings.len().min(FINDINGS_MAX)];
    let row = |finding: &PinFinding| {
        vec![
            finding.grade.word().to_owned(),
            one_line(&finding.what, 40),
            finding.line.map_or_else(|| layout::NONE.to_owned(), |line| line.to_string()),
            one_line(&finding.why, WHY_CHARS_MAX),
        ]
    };
    let mut rows = vec![["how", "what", "line", "why"].map(str::to_owned).to_vec()];
    rows.extend(shown.iter().map(row));
    let _ = writeln!(out, "\n{}", layout::table(&rows, 4).join("\n"));
    if shown.len() < pins.findings.len() {
        let _ = writeln!(out, "  and {} more: --format json", pins.findings.len() - shown.len());
    }
    let tries = shown.iter().filter_map(|it| Some(format!("{}: {}", it.what, it.hint.as_ref()?)));
    out += &lined("try", tries);
    out += &lined("notes", reading.recipe.warnings.iter().cloned());
    Printable::terminal(&out)
}

/// Returns in what the commands of sparkrun and of `run-recipe.py` differ.
pub(crate) fn dialects(one: &ReadRecipe, other: &Result<ReadRecipe, Mistake>) -> Option<String> {
    let tool = "eugr's run-recipe.py, since July 2026 and without --ray,";
    let other = match other {
        Ok(other) => other,
        Err(why) => return Some(format!("{tool} does not start it: {}", why.what())),
    };
    let say = |it: &Difference| match (&it.one, &it.other) {
        (Some(one), None) => format!("leaves `{}` away (`{one}`)", it.what),
        (_, value) => format!("sets `{}` to `{}`", it.what, value.as_deref().unwrap_or_default()),
    };
    let serving = between(one, other).serving;
    let said: Vec<_> = serving.iter().filter(|it| it.what != "runtime").map(say).collect();
    (!said.is_empty()).then(|| format!("{tool} {}; --dialect eugr renders that", said.join(", ")))
}

pub(crate) fn check_json(reading: &ReadRecipe, pins: &Pins) -> Printable {
    let recipe = &reading.recipe;
    Printable::json(&json!({
        "schema": SCHEMA,
        "recipe": recipe.source.name,
        "origin": recipe.source.origin,
        "container": recipe.container,
        "grade": pins.grade.word(),
        "floating": pins.floating(),
        "findings": pins.findings,
        "warnings": recipe.warnings,
    }))
}

/// Formats the differences of two recipes. `clean` removes keys before the columns are aligned.
pub(crate) fn diff(
    one: &ReadRecipe,
    other: &ReadRecipe,
    clean: &dyn Fn(&str) -> String,
) -> Printable {
    let found = between(one, other);
    let mut out = String::new();
    let cell = |text: &str| one_line(&clean(text), CELL_CHARS_MAX);
    let side = |side: &Option<String>| side.as_deref().map_or(layout::NONE.to_owned(), cell);
    let row = |it: &Difference| vec![cell(&it.what), side(&it.one), side(&it.other)];
    for (title, differences) in
        [("how they serve", &found.serving), ("where they are found", &found.address)]
    {
        if !differences.is_empty() {
            // A long path is shortened to its end, where paths differ.
            let end = |path: &str| layout::ending(&one_line(path, usize::MAX), CELL_CHARS_MAX);
            let origins = [one, other].map(|reading| end(&reading.recipe.source.origin));
            let mut rows = vec![[&[String::new()], &origins[..]].concat()];
            rows.extend(differences.iter().map(row));
            let _ = writeln!(out, "{title}\n{}\n", layout::table(&rows, 3).join("\n"));
        }
    }
    let end = match found.serving.as_slice() {
        [] => "They serve alike.\n".to_owned(),
        [only] => format!("One variable at a time: {}.\n", cell(&only.what)),
        several => {
            format!("{} variables at once: their effects cannot be told apart.\n", several.len())
        }
    };
    Printable::terminal(&(out + &end))
}

fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(|line| one_line(&line.replace('\t', "    "), usize::MAX)).collect()
}

fn lined(title: &str, texts: impl Iterator<Item = String>) -> String {
    let lines: String = texts.map(|text| indented(&one_line(&text, 400), 2)).collect();
    if lines.is_empty() { lines } else { format!("\n{title}\n{lines}") }
}

fn pairs(rows: impl Iterator<Item = (String, String)>) -> String {
    let rows = rows.map(|(name, value)| [name, value].map(|it| one_line(&it, VALUE_CHARS_MAX)));
    let rows: Vec<Vec<String>> = rows.map(Vec::from).collect();
    layout::table(&rows, 2).into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::spec::SpecFile;
    use crate::spec::recipe::{ReadOptions, read_as};

    #[test]
    fn a_key_is_hidden_before_the_columns_of_a_difference_are_aligned() {
        let reading = |key: &str, port: &str| {
            let text = format!("model: m\nenv: {{HF_TOKEN: {key}, PORT: '{port}'}}\n");
            let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text };
            read_as(&source, &ReadOptions::default(), &|_| Ok(None)).unwrap()
        };
        let (one, two) = ("hf_0123456789012345", "hf_abcdefghijklmnop");
        let clean = |text: &str| text.replace(one, "[secret]").replace(two, "[secret]");
        let text = diff(&reading(one, "1"), &reading(two, "22"), &clean);
        assert_snapshot!(text.text(), @"
            how they serve
                            r.yaml    r.yaml
              env.HF_TOKEN  [secret]  [secret]
              env.PORT      1         22

            2 variables at once: their effects cannot be told apart.
        ");
    }
}
