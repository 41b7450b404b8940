//! Renders a command template as eugr's `run-recipe.py` does: Python's `str.format`, once.

use super::sparkrun::Lookup;
use crate::escape::one_line;
use crate::spec::node::Flaw;

/// Flag that is left away unless `--ray` is given, since July 2026.
const BACKEND: &str = "--distributed-executor-backend";

/// Renders a command. Other than sparkrun, it knows no `{model}` beside `defaults`, and stops at a
/// brace that is no placeholder.
pub(super) fn rendered(template: &str, value: Lookup<'_>) -> Result<String, Flaw> {
    let command = without_backend(&formatted(template, value)?);
    let lines = command.lines().filter(|line| !matches!(line.trim(), "" | "\\"));
    let command = lines.collect::<Vec<_>>().join("\n");
    Ok(command.trim_end_matches(|c: char| c == '\\' || c.is_whitespace()).trim().to_owned())
}

fn formatted(template: &str, value: Lookup<'_>) -> Result<String, Flaw> {
    let (mut out, mut rest) = (String::new(), template);
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(doubled) = after.strip_prefix(brace) {
            out.push_str(brace);
            rest = doubled;
            continue;
        }
        let name = after.split_once('}').filter(|_| brace == "{");
        let Some((name, value)) = name.and_then(|(name, _)| Some((name, value(name)?))) else {
            let shown = name.map_or(brace.to_owned(), |(name, _)| format!("{{{name}}}"));
            let what = format!("run-recipe.py stops at `{}`", one_line(&shown, 60));
            let line = template[..template.len() - rest.len() + at].matches('\n').count();
            let hint = "a value in `defaults` for a placeholder, {{ and }} for a brace";
            return Err(Flaw::new(line, what).hint(hint));
        };
        out.push_str(&value);
        rest = &after[name.len() + 1..];
    }
    Ok(out + rest)
}

fn without_backend(command: &str) -> String {
    let mut parts = command.split(BACKEND);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| {
        let value = part.trim_start();
        if value.is_empty() || value.len() == part.len() {
            return out + BACKEND + part;
        }
        out + value.trim_start_matches(|c: char| !c.is_whitespace())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(key: &str) -> Option<String> {
        let values = [("port", "8000"), ("n", "2"), ("none", "None"), ("base", "x:{port}")];
        values.iter().find(|(known, _)| *known == key).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn commands_come_out_as_run_recipe_renders_them() {
        for (template, expected) in [
            (r#"'{{"m":"mtp","k":{n}}}'"#, r#"'{"m":"mtp","k":2}'"#),
            ("${{HOME}} {base} {none}", "${HOME} x:{port} None"),
            (
                "  s {port} \\\n   --distributed-executor-backend ray \\\n  -x \\\n",
                "s 8000 \\\n  -x",
            ),
            ("s --distributed-executor-backend\tray --x\n\n\ny", "s  --x\ny"),
            ("s --distributed-executor-backend=ray", "s --distributed-executor-backend=ray"),
            ("s --x 1 \\\n  --distributed-executor-backend ray\n", "s --x 1"),
        ] {
            assert_eq!(rendered(template, &value).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_str_format_refuses_is_refused_with_its_line() {
        let refused = |template| {
            let flaw = rendered(template, &value).unwrap_err();
            format!("{} {}", flaw.line, flaw.message)
        };
        let templates = ["a\n{model}", "{\"a\": {n}}", "${HOME}", "x }", "{", "{}", "{port!r}"];
        insta::assert_snapshot!(templates.map(refused).join("\n"), @r#"
        1 run-recipe.py stops at `{model}`
        0 run-recipe.py stops at `{"a": {n}`
        0 run-recipe.py stops at `{HOME}`
        0 run-recipe.py stops at `}`
        0 run-recipe.py stops at `{`
        0 run-recipe.py stops at `{}`
        0 run-recipe.py stops at `{port!r}`
        "#);
    }
}
