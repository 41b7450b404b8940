//! Command lines as a shell splits them, and words quoted for one. Nothing is expanded.

use std::fmt::Write as _;
use std::ops::Range;

/// Operators that end a command, as a line's end does.
const OPERATORS: &str = ";|&<>\n";

/// Word of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShellWord {
    /// Text with the shell's quotes removed.
    pub text: String,
    /// Byte range in the command line, quotes included.
    pub span: Range<usize>,
}

/// Splits a text into its commands, none of them empty, and each into its words: quotes,
/// backslashes, continued lines, comments. Variables and `$(…)` stay as they are.
pub(crate) fn commands(text: &str) -> Vec<Vec<ShellWord>> {
    split(text).0
}

/// Splits a command line into its words, without its operators.
pub(crate) fn words(command: &str) -> Vec<ShellWord> {
    commands(command).concat()
}

/// Returns the byte range of a command's words.
pub(crate) fn span(command: &[ShellWord]) -> Range<usize> {
    command.first().map_or(0, |word| word.span.start)..command.last().map_or(0, |it| it.span.end)
}

/// Whether a quote in a command line is not closed, which a shell refuses. A document within the
/// command (`<<`) may hold any quotes, and is passed over.
pub(crate) fn has_open_quote(command: &str) -> bool {
    !command.contains("<<") && split(command).1
}

/// Quotes a word for a shell, as Python's `shlex.quote` does. A plain word stays as it is.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

/// Quotes a word so that it can be copied from a terminal into bash or zsh: as [`quoted`], and
/// control characters, which no terminal shows, as `$'\n'`.
pub(crate) fn pasteable(word: &str) -> String {
    if !word.contains(char::is_control) {
        return quoted(word);
    }
    let mut out = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(char::is_control) {
        if at > 0 {
            out.push_str(&quoted(&rest[..at]));
        }
        let end = rest[at..].find(|c: char| !c.is_control()).map_or(rest.len(), |n| at + n);
        out.push_str("$'");
        for byte in rest[at..end].bytes() {
            match byte {
                b'\n' => out.push_str("\\n"),
                b'\t' => out.push_str("\\t"),
                b'\r' => out.push_str("\\r"),
                byte => {
                    // Writing into a string cannot fail.
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
        }
        out.push('\'');
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        out.push_str(&quoted(rest));
    }
    out
}

/// Breaks a command line for a terminal: at most `width` columns by `columns`, every line but the
/// last with a backslash at its end, so that it can be copied as it stands. A line ends only between
/// words, and a flag stays beside its value if there is room. `None` where a word is too long.
pub(crate) fn broken_for_terminal(
    command: &str,
    width: usize,
    columns: impl Fn(&str) -> usize,
) -> Option<Vec<String>> {
    let words: Vec<&str> = words(command).into_iter().map(|word| &command[word.span]).collect();
    let mut parts: Vec<String> = Vec::new();
    for word in words {
        let is_value = !word.starts_with('-');
        match parts.last_mut() {
            Some(flag)
                if is_value
                    && flag.starts_with('-')
                    && !flag.contains(' ')
                    && columns(flag) + 1 + columns(word) <= width =>
            {
                flag.push(' ');
                flag.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        if columns(&part) > width {
            return None;
        }
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(&part) <= width => {
                line.push(' ');
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    let before_last = lines.len().saturating_sub(1);
    for line in &mut lines[..before_last] {
        line.push_str(" \\");
    }
    Some(lines)
}

/// Joins words into a command line that a shell splits into the same words.
pub(crate) fn command_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Returns the commands of a text, and whether a quote is open at its end.
fn split(text: &str) -> (Vec<Vec<ShellWord>>, bool) {
    let mut commands = vec![Vec::new()];
    let mut word: Option<ShellWord> = None;
    let (mut quote, mut depth) = (None, 0_usize);
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let is_bare = quote.is_none() && depth == 0;
        let is_operator = is_bare && OPERATORS.contains(character);
        if is_operator || is_bare && character.is_whitespace() {
            // The descriptor of `2>` is no word.
            let is_word = |word: &ShellWord| {
                !matches!(character, '<' | '>') || word.text.contains(|c: char| !c.is_ascii_digit())
            };
            commands.last_mut().into_iter().for_each(|it| it.extend(word.take().filter(is_word)));
            commands.extend(is_operator.then(Vec::new));
            continue;
        }
        if is_bare && character == '#' && word.is_none() {
            while characters.next_if(|(_, c)| *c != '\n').is_some() {}
            continue;
        }
        let (mut end, mut pushed) = (at + character.len_utf8(), Some(character));
        if character == '\\' && quote != Some('\'') {
            match characters.next() {
                Some((_, '\n')) | None => continue,
                // A line's end of a file that was saved on Windows.
                Some((_, '\r')) if characters.next_if(|(_, c)| *c == '\n').is_some() => continue,
                Some((at, next)) => (end, pushed) = (at + next.len_utf8(), Some(next)),
            }
        } else if quote == Some(character) {
            (quote, pushed) = (None, None);
        } else if quote.is_none() && matches!(character, '\'' | '"') {
            (quote, pushed) = (Some(character), None);
        }
        let word = word.get_or_insert(ShellWord { text: String::new(), span: at..end });
        word.span.end = end;
        if quote.is_none() {
            let is_begun = depth > 0 || word.text.ends_with('$');
            depth = match pushed {
                Some('(') if is_begun => depth + 1,
                Some(')') => depth.saturating_sub(1),
                _ => depth,
            };
        } else if character == '\\' && !matches!(pushed, Some('"' | '\\' | '$' | '`')) {
            word.text.push('\\');
        }
        word.text.extend(pushed);
    }
    commands.last_mut().into_iter().for_each(|it| it.extend(word.take()));
    commands.retain(|command| !command.is_empty());
    (commands, quote.is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(command: &str) -> Vec<String> {
        words(command).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn a_command_splits_as_a_shell_splits_it() {
        assert_eq!(
            texts("vllm serve m \\\n  --a 'b c' --d=\"e\\\"f\" '' # note\n g\\ h"),
            ["vllm", "serve", "m", "--a", "b c", "--d=e\"f", "", "g h"]
        );
        assert_eq!(texts("a 'open"), ["a", "open"]);
        assert_eq!(texts("a \\\r\n b\\\r\nc $(d | e) \"\\n\\$\""), ["a", "bc", "$(d | e)", "\\n$"]);
    }

    #[test]
    fn a_command_ends_at_an_operator_or_a_line_that_does_not_go_on() {
        let all = |text| -> Vec<String> {
            commands(text).iter().map(|command| text[span(command)].to_owned()).collect()
        };
        assert_eq!(
            all("a 1; b 'x;y' && c \\\n d 2>&1 >f\n# no; it's\n(e)"),
            ["a 1", "b 'x;y'", "c \\\n d", "1", "f", "(e)"]
        );
        assert_eq!(all(" \n;;"), [""; 0]);
    }

    #[test]
    fn a_word_knows_where_it_stands() {
        let line = "a  'b c'd \\\n e";
        let spans: Vec<&str> = words(line).iter().map(|word| &line[word.span.clone()]).collect();
        assert_eq!(spans, ["a", "'b c'd", "e"]);
    }

    #[test]
    fn a_quote_is_open_where_a_shell_would_wait_for_its_end() {
        for open in ["a 'b c", "a \"b", "a 'it'\\''s", "a \"b\\\""] {
            assert!(has_open_quote(open), "{open}");
        }
        for closed in ["a 'b c'", "a # don't\nb", "a it\\'s", "a \\\n  b \\\n", "cat <<E\nit's\nE"]
        {
            assert!(!has_open_quote(closed), "{closed}");
        }
    }

    #[test]
    fn a_plain_word_is_not_quoted_and_another_one_as_python_quotes_it() {
        for plain in ["crash=2m@10m", "0,4096", "runs/a-b_c", "50%"] {
            assert_eq!(quoted(plain), plain);
        }
        assert_eq!(command_line(&["it's".into(), String::new()]), "'it'\"'\"'s' ''");
    }

    /// Returns the words that bash makes of a command line.
    fn of_bash(line: &str) -> Vec<String> {
        let script = format!("for word in {line}\ndo printf '%s\\0' \"$word\"; done");
        let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_can_be_copied_from_a_terminal_whatever_its_words_hold() {
        let given = [
            "longhaul",
            "run",
            "--recipe",
            "my recipes/it's a $HOME `x` \"y\" \\.yaml",
            "--model",
            "line\none\r\n\ttwo",
            "--header",
            "",
            "--depths",
            "0,4096",
            "--wide",
            "--end",
            "\n",
            "--tail",
            "a\n",
            "--glob",
            "*?[a]{b,c}~!#;&|<>()",
            "--wörd",
            "模型 模型",
        ];
        let line = given.map(pasteable).join(" ");
        assert!(!line.contains(char::is_control), "{line}");
        assert_eq!(of_bash(&line), given);
        let width = |text: &str| text.chars().count();
        for columns in 48..120 {
            let lines = broken_for_terminal(&line, columns, width).unwrap();
            assert!(lines.iter().all(|line| width(line) <= columns + 2), "{lines:?}");
            // As it stands in a report: indented, and without spaces at the ends.
            let shown: Vec<String> = lines
                .iter()
                .map(|line| format!("             {line}").trim_end().to_owned())
                .collect();
            assert_eq!(of_bash(shown.join("\n").trim_start()), given, "{columns}");
        }
        assert_eq!(broken_for_terminal(&line, 20, width), None, "a word is longer");
    }

    #[test]
    fn a_flag_stays_beside_its_value() {
        let line = "longhaul run --scenario smoke --seed 1";
        let lines = broken_for_terminal(line, 36, str::len).unwrap();
        assert_eq!(lines, ["longhaul run --scenario smoke \\", "--seed 1"]);
    }

    proptest! {
        #[test]
        fn a_quoted_word_is_read_back_by_a_shell(word in any::<String>()) {
            prop_assert_eq!(shlex::split(&quoted(&word)), Some(vec![word.clone()]));
            prop_assert_eq!(texts(&quoted(&word)), [word]);
        }

        #[test]
        fn words_are_those_of_another_lexer(text in "[ab$ #'\"\\\\\n\té]{0,12}") {
            // The other one makes an empty word of a continued line, and refuses one at the end.
            prop_assume!(!text.contains("\\\n") && !text.ends_with('\\'));
            let theirs = shlex::split(&text);
            prop_assert_eq!(has_open_quote(&text), theirs.is_none());
            if let Some(theirs) = theirs {
                prop_assert_eq!(texts(&text), theirs);
            }
        }
    }
}
