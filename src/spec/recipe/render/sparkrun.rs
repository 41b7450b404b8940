//! Renders a command template as sparkrun does (`utils/text.py` of 0.4.2).

use super::COMMAND_BYTES_MAX;

/// Returns a placeholder's value as text; one without a value is left verbatim.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Maximum number of passes: values may hold placeholders, and deeper nesting is a cycle.
const PASSES_MAX: usize = 10;

/// Substitutes for braces outside placeholders. A text that has them is not rendered.
const OPEN: char = '\0';
const CLOSE: char = '\u{1}';

/// Whether a text has a character that stands for a brace: YAML allows it in an escape alone, and no
/// command line holds it.
pub(super) fn has_substitute(text: &str) -> bool {
    text.contains([OPEN, CLOSE])
}

/// Renders a command by sparkrun 0.4's rules; returns the placeholders without a value beside it.
pub(super) fn rendered(template: &str, value: Lookup<'_>) -> Option<(String, Vec<String>)> {
    let template = template.trim();
    let text = substituted(template, template.contains("{{"), value)?;
    Some((repair_continuations(&unmasked(&text)), left_over(&text)))
}

pub(super) fn filled(template: &str, escapes: bool, value: Lookup<'_>) -> Option<String> {
    Some(unmasked(&substituted(template, escapes, value)?))
}

/// Returns the names in braces that are left; a shell's `${NAME}` is none, nor is a masked brace.
fn left_over(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices('{').filter(|(at, _)| !text[..*at].ends_with('$')) {
        let name = &text[at + 1..];
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        let is_name = end > 0 && !name.starts_with(|c: char| c.is_ascii_digit());
        // With `!` or `:` it is a placeholder of Python's own format language.
        let close = name[end..].find('}').filter(|_| name[end..].starts_with(['}', '!', ':']));
        if let Some(close) = close.filter(|_| is_name) {
            found.push(text[at..at + end + close + 2].to_owned());
        }
    }
    found.dedup();
    found
}

fn unmasked(text: &str) -> String {
    text.replace(OPEN, "{").replace(CLOSE, "}")
}

/// Fills in placeholders until none is left that has a value; other braces stay masked.
fn substituted(template: &str, escapes: bool, value: Lookup<'_>) -> Option<String> {
    let mut text = mask(template, escapes);
    for _ in 0..PASSES_MAX {
        let next = substitute(&text, value)?;
        let is_settled = next == text;
        text = next;
        if is_settled {
            break;
        }
    }
    Some(text)
}

fn mask(template: &str, escapes: bool) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(character) = rest.chars().next() {
        let is_double = rest.starts_with("{{") || rest.starts_with("}}");
        if character == '{' && !is_double {
            let closed = rest[1..].find(['{', '}']).map_or("", |end| &rest[..end + 2]);
            if closed.ends_with('}') {
                out.push_str(closed);
                rest = &rest[closed.len()..];
                continue;
            }
        }
        let mark = match character {
            '{' => OPEN,
            '}' => CLOSE,
            other => other,
        };
        out.extend(std::iter::repeat_n(mark, if is_double && !escapes { 2 } else { 1 }));
        rest = &rest[if is_double { 2 } else { character.len_utf8() }..];
    }
    out
}

/// Performs one pass of `\{(.*?)\}`: from a brace to the next closing one on the same line.
fn substitute(text: &str, value: Lookup<'_>) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(['}', '\n']).unwrap_or(rest.len());
        if rest[end..].starts_with('}') {
            let span = &rest[..=end];
            match value(span.trim_matches(['{', '}'])) {
                Some(value) => out.push_str(&value),
                None => out.push_str(span),
            }
            rest = &rest[end + 1..];
        } else {
            // The brace is not closed on this line.
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        if out.len() > COMMAND_BYTES_MAX {
            return None;
        }
    }
    out.push_str(rest);
    (out.len() <= COMMAND_BYTES_MAX).then_some(out)
}

/// Removes blanks between `\` and a line's end: to a shell they end the command there.
fn repair_continuations(text: &str) -> String {
    let mut parts = text.split('\\');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, after| {
        let line = after.trim_start_matches([' ', '\t']);
        out + "\\" + if line.starts_with('\n') { line } else { after }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(key: &str) -> Option<String> {
        let values = [
            ("port", "8000"),
            ("n", "2"),
            ("gm", "0.8"),
            ("flag", "True"),
            ("base", "http://localhost:{port}"),
            ("j", "{\"k\":{n}}"),
        ];
        values.iter().find(|(known, _)| *known == key).map(|(_, value)| (*value).to_owned())
    }

    fn command(template: &str, value: Lookup<'_>) -> Option<String> {
        rendered(template, value).map(|(command, _)| command)
    }

    #[test]
    fn commands_come_out_as_sparkrun_0_4_renders_them() {
        for (template, expected) in [
            (r#"'{{"m":"mtp","k":{n}}}'"#, r#"'{"m":"mtp","k":2}'"#),
            (r#"'{"m":"mtp","k":{n}}'"#, r#"'{"m":"mtp","k":2}'"#),
            (r#"'{"a":{"b":1}}'"#, r#"'{"a":{"b":1}}'"#),
            (r#"'{{"a":{{"b":{n}}}}}'"#, r#"'{"a":{"b":2}}'"#),
            (r#"'{"i":2}' {{x}} {"a":{"b":1}}"#, r#"'{"i":2}' {x} {"a":{"b":1}}"#),
            (r#"{{x}} {"a":{"b":{"c":1}}}"#, r#"{x} {"a":{"b":{"c":1}}"#),
            ("${port} ${CUDA_HOME}", "$8000 ${CUDA_HOME}"),
            ("{base}", "http://localhost:8000"),
            ("'{j}'", r#"'{"k":{n}}'"#),
            ("{gm} {flag} {none} {missing} {}", "0.8 True {none} {missing} {}"),
            ("{ port }", "{ port }"),
            ("{port!r} {gm:.2f}", "{port!r} {gm:.2f}"),
            ("a \\ \nb", "a \\\nb"),
            ("a \\\t\nb", "a \\\nb"),
            ("  a\\  b \\\nc  ", "a\\  b \\\nc"),
        ] {
            assert_eq!(command(template, &value).as_deref(), Some(expected), "{template}");
        }
    }

    #[test]
    fn long_texts_take_no_long_time() {
        let braces = "{".repeat(900_000);
        assert_eq!(command(&format!("x {braces}"), &value).map(|text| text.len()), Some(450_002));
        assert_eq!(command("{a}", &|_| Some(braces.clone())).map(|text| text.len()), Some(900_000));
        assert_eq!(command(&"{a}".repeat(300_000), &|_| Some(braces.clone())), None);
    }

    #[test]
    fn a_value_that_holds_itself_ends() {
        assert_eq!(command("{a}", &|_| Some("x{a}".into())).as_deref(), Some("xxxxxxxxxx{a}"));
        assert_eq!(command("{a}", &|_| Some("{a}".repeat(100))), None);
    }
}
