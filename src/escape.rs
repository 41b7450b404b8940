//! Escapes outside text for display and storage: one line, no control characters, bounded.

/// Longest error text in a row (`docs/formats/run-folder.md`, column `error`), characters.
pub(crate) const ERROR_CHARS_MAX: usize = 200;

/// Returns a text on one line: control characters as `\n`, `\t` or `\u{1b}`, cut to `chars_max`
/// characters, escapes included, with `…` at the cut.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    // Where the text is cut, if it must be: there is room for the mark behind it.
    let (mut count, mut cut_at) = (0, 0);
    for character in text.chars() {
        let is_shown = !character.is_control() && !is_unseen(character);
        let escape = character.escape_default();
        count += if is_shown { 1 } else { escape.len() };
        if count > chars_max {
            out.truncate(cut_at);
            out.push('…');
            break;
        }
        if is_shown {
            out.push(character);
        } else {
            out.extend(escape);
        }
        if count < chars_max {
            cut_at = out.len();
        }
    }
    out
}

/// Returns the character, or a dash where it may not be in the name of a folder or a container.
pub(crate) fn of_name(character: char) -> char {
    let fits = character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    if fits { character } else { '-' }
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn an_escape_counts_as_what_is_shown_and_is_never_cut_in_two() {
        assert_eq!(one_line("\u{1}\u{1}\u{1}", 12), "\\u{1}\\u{1}…");
        assert_eq!(one_line("\u{1}\u{1}", 10), "\\u{1}\\u{1}");
        for text in ["a\n\n\n\nb", "\n", "ab\u{202e}", "日\t本語"] {
            for chars_max in 0..12 {
                let once = one_line(text, chars_max);
                assert!(once.chars().count() <= chars_max.max(1), "{once}");
                assert_eq!(one_line(&once, chars_max), once, "a second time");
            }
        }
    }
}
