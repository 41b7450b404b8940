//! Escapes outside text for display and storage (one line, no control
//! characters, bounded), and quotes words for a shell.

/// Longest error text in a row (`docs/formats/run-folder.md`, column `error`), characters.
pub(crate) const ERROR_CHARS_MAX: usize = 200;

/// Returns a text on one line: control characters as `\n`, `\t` or `\u{1b}`, cut to `chars_max`
/// characters with `…` at the cut.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count >= chars_max {
            out.pop();
            out.push('…');
            break;
        }
        if character.is_control() || is_unseen(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Returns a text with its line ends and tabs kept and all other control characters escaped, so
/// that it cannot control a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => out.push(character),
            _ if character.is_control() || is_unseen(character) => {
                out.extend(character.escape_default());
            }
            _ => out.push(character),
        }
    }
    out
}

/// Whether a character is invisible and changes how others are displayed: line ends, marks without
/// width, and marks that change the writing direction, which can make a text look like another
/// one.
fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Quotes a word for a shell. A word with a NUL cannot be quoted and is returned unchanged.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

/// Joins words into a command line that a shell splits into the same words.
pub(crate) fn command_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Whether a quote in a command line is not closed, which a shell refuses. A document within the
/// command (`<<`) may hold any quotes, and is passed over.
pub(crate) fn has_open_quote(command: &str) -> bool {
    // A backslash at the very end continues the line, and shlex refuses it too.
    let command = command.trim_end().trim_end_matches('\\');
    !command.contains("<<") && shlex::split(command).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_quoted_word_is_read_back_by_a_shell_and_a_plain_one_is_not_quoted() {
        for word in ["", "a b", "it's", "$HOME", "a\'b\"c", "ä"] {
            assert_eq!(shlex::split(&quoted(word)), Some(vec![word.to_owned()]), "{word}");
        }
        for plain in ["crash=2m@10m", "0,4096", "runs/a-b_c", "50%"] {
            assert_eq!(quoted(plain), plain);
        }
    }

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(one_line("a\n\u{1b}[31mb", 50), "a\\n\\u{1b}[31mb");
    }

    #[test]
    fn lines_stay_lines_where_only_steering_is_taken_out() {
        assert_eq!(plain("a\n\tb\u{1b}[2K\u{9b}1A é\r"), "a\n\tb\\u{1b}[2K\\u{9b}1A é\\r");
    }

    #[test]
    fn what_turns_or_hides_a_text_is_shown_too() {
        assert_eq!(one_line("a\u{202e}b\u{200b}c\u{feff}", 50), "a\\u{202e}b\\u{200b}c\\u{feff}");
        assert_eq!(one_line("日本語 é", 50), "日本語 é");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("abcd", 4), "abcd");
    }
}
